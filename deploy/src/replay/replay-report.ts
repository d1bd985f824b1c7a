/** A plan and a summary for people: tables and sentences. Pure. */
import type { ReplayManifest, ReplaySummary } from '@stratalog/consumer'
import { formatBytes, formatCount, formatDuration, formatRate } from '../output/quantity.ts'
import { renderTable } from '../output/table.ts'

/** Most gaps that are listed; the rest is in the summary file. */
const GAPS_MAX = 20

/** What will be read: a row for each partition, and the sum. */
export function renderPlan(manifest: ReplayManifest): string {
  const rows = manifest.topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, startOffset, endOffset, bytes }) => {
      const own = manifest.splits.filter((split) => split.topic === topic && split.partition === partition)
      const hosts = [...new Set(own.flatMap((split) => split.hosts.map(({ brokerId }) => String(brokerId))))]
      const offsets = [startOffset, endOffset, endOffset - startOffset].map(formatCount)
      return [topic, String(partition), ...offsets, formatBytes(bytes), String(own.length), hosts.join(',') || '-']
    }),
  )
  const columns = [
    { title: 'TOPIC' },
    { title: 'PARTITION', align: 'right' },
    { title: 'START', align: 'right' },
    { title: 'END', align: 'right' },
    { title: 'OFFSETS', align: 'right' },
    { title: 'SIZE', align: 'right' },
    { title: 'PIECES', align: 'right' },
    { title: 'BROKERS' },
  ] as const
  const offsetCount = manifest.splits.reduce((sum, split) => sum + split.endOffset - split.startOffset, 0)
  const bytes = manifest.splits.reduce((sum, split) => sum + split.bytes, 0)
  const sum = `${formatCount(offsetCount)} offsets, about ${formatBytes(bytes)}, in ${manifest.splits.length} pieces`
  return `${renderTable(columns, rows)}plan ${manifest.id}: ${sum}; from ${manifest.from} to ${manifest.to}\n`
}

/** What was done. */
export function renderSummary(summary: ReplaySummary): string {
  const rows = summary.partitions.map((each) => [
    ...[each.topic, String(each.partition)],
    ...[
      each.startOffset,
      each.endOffset,
      each.recordCount,
      each.filteredCount,
      each.rejectedCount,
      each.missingCount,
    ].map(formatCount),
    formatBytes(each.readBytes),
  ])
  const columns = [
    { title: 'TOPIC' },
    { title: 'PARTITION', align: 'right' },
    { title: 'START', align: 'right' },
    { title: 'END', align: 'right' },
    { title: 'RECORDS', align: 'right' },
    { title: 'FILTERED', align: 'right' },
    { title: 'UNFIT', align: 'right' },
    { title: 'WITHOUT', align: 'right' },
    { title: 'READ', align: 'right' },
  ] as const
  return [renderTable(columns, rows), ...sentences(summary).map((line) => `${line}\n`)].join('')
}

function sentences(summary: ReplaySummary): string[] {
  const { recordCount, readBytes, durationMs, files, fileBytes, rejectedCount, rejects, gaps } = summary
  const resumed =
    summary.resumedSplitCount === 0 ? '' : `, ${summary.resumedSplitCount} of ${summary.splitCount} pieces earlier`
  const rate = summary.resumedSplitCount === 0 ? ` (${formatRate(recordCount, readBytes, durationMs)})` : ''
  const lines = [
    `replayed ${formatCount(recordCount)} records, ${formatBytes(readBytes)} in ${formatDuration(durationMs)}${rate}${resumed}`,
  ]
  if (files.length > 0) lines.push(`wrote ${formatCount(files.length)} files, ${formatBytes(fileBytes)}`)
  if (rejectedCount > 0) {
    const where = rejects[0]?.path.split('/')[0] ?? ''
    lines.push(`${formatCount(rejectedCount)} records did not fit the schema: they are in ${where}, with the reasons`)
  }
  for (const gap of gaps.filter(({ cause }) => cause !== 'control').slice(0, GAPS_MAX)) {
    const { topic, partition, startOffset, endOffset, missingCount, cause, detail } = gap
    const why = detail === '' ? '' : `: ${detail}`
    lines.push(`no record at ${missingCount} of ${topic}-${partition} ${startOffset} to ${endOffset}, ${cause}${why}`)
  }
  return lines
}
