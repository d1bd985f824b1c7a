/**
 * Partitions as `--topic` names them: `flights`, `flights:3`, `flights:0,2-4`.
 */
import type { TopicPartition } from '@stratalog/proto'
import { usageError } from '../command-error.ts'

const PARTITIONS_MAX = 10_000

/** One topic, or some partitions of it. */
export interface TopicSelection {
  readonly topic: string
  /** `null` = all. */
  readonly partitions: ReadonlySet<number> | null
}

/** Reads the values of `--topic`; a topic that is named several times is selected in parts. Errors: `USAGE`. */
export function parseTopicSelections(texts: readonly string[]): TopicSelection[] {
  const found = new Map<string, Set<number> | null>()
  for (const text of texts) {
    const [topic = '', list, ...rest] = text.split(':')
    if (topic === '' || rest.length > 0) throw noSelection(text)
    const before = found.get(topic)
    if (list === undefined) found.set(topic, null)
    else if (before !== null) found.set(topic, new Set([...(before ?? []), ...parsePartitions(list, text)]))
  }
  return [...found].map(([topic, partitions]) => ({ topic, partitions }))
}

/** Whether the partition is one of those selected. */
export function isSelected(selections: readonly TopicSelection[], place: TopicPartition): boolean {
  return selections.some(
    ({ topic, partitions }) => topic === place.topic && (partitions === null || partitions.has(place.partition)),
  )
}

/** `0-3,5` for [0, 1, 2, 3, 5]; in ascending order. */
export function formatPartitions(partitions: readonly number[]): string {
  const sorted = [...partitions].sort((a, b) => a - b)
  const ranges: [number, number][] = []
  for (const partition of sorted) {
    const last = ranges.at(-1)
    if (last !== undefined && partition === last[1] + 1) last[1] = partition
    else ranges.push([partition, partition])
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(',')
}

/** Partitions by topic, as the calls of the admin API take them. */
export function byTopic(places: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const found = new Map<string, number[]>()
  for (const { topic, partition } of places) found.set(topic, [...(found.get(topic) ?? []), partition])
  return [...found].map(([topic, partitions]) => ({ topic, partitions }))
}

/** `flights:0-2 access:1`; `-` when there are none. */
export function formatPlaces(places: readonly TopicPartition[]): string {
  return (
    byTopic(places)
      .map(({ topic, partitions }) => `${topic}:${formatPartitions(partitions)}`)
      .join(' ') || '-'
  )
}

function parsePartitions(list: string, text: string): number[] {
  return list.split(',').flatMap((part) => {
    const [, first, last = first] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part) ?? []
    const count = Number(last) - Number(first) + 1
    if (first === undefined || count < 1 || count > PARTITIONS_MAX) throw noSelection(text)
    return Array.from({ length: count }, (_, index) => Number(first) + index)
  })
}

function noSelection(text: string): Error {
  return usageError(
    `--topic ${JSON.stringify(text)} names no partitions`,
    'use a topic, or a topic with some of its partitions, such as flights, flights:3 or flights:0,2-4',
  )
}
