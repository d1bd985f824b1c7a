/** Reads a manifest that was saved, and trusts nothing in it before it is checked. */
import { StratalogError } from '@stratalog/proto'
import {
  REPLAY_MANIFEST_FORMAT,
  REPLAY_MANIFEST_VERSION,
  type ReplayManifest,
  type ReplayPartition,
  type ReplaySplit,
  splitId,
} from './manifest.ts'
import { manifestId } from './manifest-id.ts'

const TOPIC_NAME = /^[a-zA-Z0-9._-]{1,249}$/
const TOPIC_ID = /^[0-9a-f]{32}$/
const INT32_MAX = 0x7fff_ffff

type Fields = Readonly<Record<string, unknown>>

/**
 * The manifest in a parsed JSON value.
 *
 * Errors: INVALID_REQUEST naming the field that is wrong: it is no manifest, of a later version, incomplete, or changed
 * by hand so that its splits do not cover its ranges or its id is not theirs.
 */
export function parseManifest(json: unknown): ReplayManifest {
  const manifest = fieldsOf(json, 'manifest')
  if (manifest['format'] !== REPLAY_MANIFEST_FORMAT) throw wrong('format', manifest['format'], REPLAY_MANIFEST_FORMAT)
  if (manifest['version'] !== REPLAY_MANIFEST_VERSION) {
    throw wrong('version', manifest['version'], `${REPLAY_MANIFEST_VERSION}, the one that this release reads`)
  }
  if (manifest['clusterId'] !== null) textOf(manifest['clusterId'], 'clusterId')
  integerOf(manifest['createdAtMs'], 'createdAtMs')
  textOf(manifest['from'], 'from')
  textOf(manifest['to'], 'to')
  const ranges = new Map<string, { readonly range: ReplayPartition; readonly topicId: string }>()
  for (const [index, topic] of listOf(manifest['topics'], 'topics').entries()) {
    checkTopic(topic, `topics[${index}]`, ranges)
  }
  checkSplits(listOf(manifest['splits'], 'splits'), ranges)
  const checked = json as ReplayManifest
  const id = manifestId(checked)
  if (checked.id !== id) throw wrong('id', checked.id, `${id}, which follows from its ranges and splits`)
  return checked
}

function checkTopic(
  value: unknown,
  field: string,
  ranges: Map<string, { readonly range: ReplayPartition; readonly topicId: string }>,
): void {
  const { topic, topicId, partitions } = fieldsOf(value, field)
  if (typeof topic !== 'string' || !TOPIC_NAME.test(topic)) throw wrong(`${field}.topic`, topic, 'the name of a topic')
  checkTopicId(topicId, `${field}.topicId`)
  for (const [index, entry] of listOf(partitions, `${field}.partitions`).entries()) {
    const name = `${field}.partitions[${index}]`
    const range = fieldsOf(entry, name)
    const partition = integerOf(range['partition'], `${name}.partition`, INT32_MAX)
    const startOffset = integerOf(range['startOffset'], `${name}.startOffset`)
    const endOffset = integerOf(range['endOffset'], `${name}.endOffset`)
    if (endOffset < startOffset) throw wrong(`${name}.endOffset`, endOffset, `${startOffset} (startOffset) or more`)
    integerOf(range['bytes'], `${name}.bytes`)
    for (const [at, epoch] of listOf(range['leaderEpochs'], `${name}.leaderEpochs`).entries()) {
      const fields = fieldsOf(epoch, `${name}.leaderEpochs[${at}]`)
      integerOf(fields['leaderEpoch'], `${name}.leaderEpochs[${at}].leaderEpoch`, INT32_MAX)
      integerOf(fields['startOffset'], `${name}.leaderEpochs[${at}].startOffset`)
    }
    const key = `${topic}/${partition}`
    if (ranges.has(key)) throw wrong(`${name}.partition`, partition, 'named once')
    ranges.set(key, { range: entry as ReplayPartition, topicId: topicId as string })
  }
}

/** Every split is one, and those of a partition cover its range from start to end. */
function checkSplits(
  splits: readonly unknown[],
  ranges: ReadonlyMap<string, { readonly range: ReplayPartition; readonly topicId: string }>,
): void {
  const ends = new Map<string, number>()
  for (const [index, value] of splits.entries()) {
    const field = `splits[${index}]`
    const split = checkedSplit(value, field)
    const key = `${split.topic}/${split.partition}`
    const found = ranges.get(key)
    if (found === undefined) throw wrong(field, split.id, 'of a partition in topics')
    if (split.topicId !== found.topicId) throw wrong(`${field}.topicId`, split.topicId, found.topicId)
    const expected = ends.get(key) ?? found.range.startOffset
    if (split.startOffset !== expected) {
      throw wrong(`${field}.startOffset`, split.startOffset, `${expected}, where the split before it ends`)
    }
    ends.set(key, split.endOffset)
  }
  for (const [key, { range }] of ranges) {
    const end = ends.get(key) ?? range.startOffset
    if (end !== range.endOffset)
      throw wrong('splits', `${end} as the end of ${key}`, `${range.endOffset}, its range's end`)
  }
}

/** One split, as a job that was handed it alone gets it. Errors: INVALID_REQUEST naming the field. */
export function parseSplit(json: unknown): ReplaySplit {
  return checkedSplit(json, 'split')
}

function checkedSplit(value: unknown, field: string): ReplaySplit {
  const split = fieldsOf(value, field)
  const { topic, topicId } = split
  if (typeof topic !== 'string' || !TOPIC_NAME.test(topic)) throw wrong(`${field}.topic`, topic, 'the name of a topic')
  checkTopicId(topicId, `${field}.topicId`)
  const partition = integerOf(split['partition'], `${field}.partition`, INT32_MAX)
  const startOffset = integerOf(split['startOffset'], `${field}.startOffset`)
  const endOffset = integerOf(split['endOffset'], `${field}.endOffset`)
  if (endOffset <= startOffset) throw wrong(`${field}.endOffset`, endOffset, `more than ${startOffset} (startOffset)`)
  const id = splitId(topic, partition, startOffset, endOffset)
  if (split['id'] !== id) throw wrong(`${field}.id`, split['id'], id)
  integerOf(split['bytes'], `${field}.bytes`)
  if (split['leaderEpoch'] !== null) integerOf(split['leaderEpoch'], `${field}.leaderEpoch`, INT32_MAX)
  for (const [index, host] of listOf(split['hosts'], `${field}.hosts`).entries()) {
    const fields = fieldsOf(host, `${field}.hosts[${index}]`)
    integerOf(fields['brokerId'], `${field}.hosts[${index}].brokerId`, INT32_MAX)
    textOf(fields['host'], `${field}.hosts[${index}].host`)
    integerOf(fields['port'], `${field}.hosts[${index}].port`, 65_535)
  }
  return value as ReplaySplit
}

function checkTopicId(value: unknown, field: string): void {
  if (typeof value !== 'string' || !TOPIC_ID.test(value)) throw wrong(field, value, '32 hexadecimal digits')
}

function fieldsOf(value: unknown, field: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw wrong(field, value, 'an object')
}

function listOf(value: unknown, field: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw wrong(field, value, 'a list')
}

function integerOf(value: unknown, field: string, most = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) return value as number
  throw wrong(field, value, `an integer of 0..${most}`)
}

function textOf(value: unknown, field: string): void {
  if (typeof value !== 'string') throw wrong(field, value, 'a text')
}

function wrong(field: string, value: unknown, expected: string): StratalogError {
  const found = JSON.stringify(value)?.slice(0, 100) ?? 'missing'
  return new StratalogError('INVALID_REQUEST', `not a replay manifest: ${field} is ${found}; it must be ${expected}`, {
    metadata: { field },
    hint: 'Use a manifest as planReplay made it.',
  })
}
