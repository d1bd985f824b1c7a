/**
 * Entries of `segment dump` as lines: for people, and as JSON.
 */
import type { SegmentDumpEntry } from '@stratalog/broker'
import { contentAsJson } from '../output/record-format.ts'

type BatchEntry = Extract<SegmentDumpEntry, { kind: 'batch' }>

/** Lines for people; records are indented under their batch. */
export function* entryAsText(entry: SegmentDumpEntry): Generator<string, void, undefined> {
  switch (entry.kind) {
    case 'file':
      yield `${entry.path} (${entry.sizeBytes} bytes)`
      return
    case 'batch':
      yield batchLine(entry)
      if (entry.recordsFault !== null) yield `    cannot be decoded: ${entry.recordsFault}`
      for (const record of recordsOf(entry)) yield `    ${JSON.stringify(record)}`
      return
    case 'index-entry':
      yield `  offset ${entry.lastOffset} at byte ${entry.position}`
      return
    case 'timeindex-entry':
      yield `  timestamp ${entry.timestamp} up to offset ${entry.lastOffset}`
      return
    case 'incomplete':
      yield `  at byte ${entry.position}: ${entry.sizeBytes} bytes that are no whole batch (${entry.reason})`
      return
    default:
      entry satisfies never
  }
}

/** One JSON object per line, records after their batch. */
export function* entryAsJson(entry: SegmentDumpEntry): Generator<string, void, undefined> {
  if (entry.kind !== 'batch') {
    yield JSON.stringify(entry)
    return
  }
  const { records: _, ...rest } = entry
  yield JSON.stringify(rest)
  for (const record of recordsOf(entry)) yield JSON.stringify({ kind: 'record', ...record })
}

function batchLine({ position, header, crcMatches }: BatchEntry): string {
  const { baseOffset, lastOffset, recordCount, sizeBytes, leaderEpoch, codec, control, producerId } = header
  const producer =
    producerId === null ? '' : ` producer ${producerId} epoch ${header.producerEpoch} sequence ${header.baseSequence}`
  const kind = control ? 'control batch' : 'batch'
  return (
    `  ${kind} at byte ${position}: offsets ${baseOffset}..${lastOffset}, ${recordCount} records, ${sizeBytes} bytes, ` +
    `epoch ${leaderEpoch}, ${codec}, time ${header.baseTimestamp}..${header.maxTimestamp}${producer}` +
    `${crcMatches ? '' : ', CRC DOES NOT MATCH'}`
  )
}

function* recordsOf({ records }: BatchEntry): Generator<Record<string, unknown>, void, undefined> {
  for (const record of records ?? []) yield contentAsJson(record)
}
