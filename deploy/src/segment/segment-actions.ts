/**
 * What `stratalog segment` does: prints or checks segment files, opening them for reading only.
 */
import { dumpSegment, type SegmentVerdict, verifySegment } from '@stratalog/broker'
import { CommandError, fileError } from '../command-error.ts'
import type { SegmentDumpOptions, SegmentVerifyOptions } from '../commands/segment.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { ChunkWriter } from '../output/chunk-writer.ts'
import { formatBytes, formatCount } from '../output/quantity.ts'
import { renderTable } from '../output/table.ts'
import { entryAsJson, entryAsText } from './segment-entry.ts'

/** `segment dump`: one line per batch, index entry and record; one JSON object each with `--output json` or `jsonl`. */
export async function dumpSegments(path: string, options: SegmentDumpOptions): Promise<void> {
  const out = new ChunkWriter(process.stdout)
  await readingFiles(path, async () => {
    for await (const entry of dumpSegment(path, { records: options.records === true })) {
      const lines = options.output === 'table' ? entryAsText(entry) : entryAsJson(entry)
      for (const line of lines) {
        if (out.appendText(`${line}\n`)) await out.drain()
      }
    }
  })
  out.flush()
}

/** `segment verify`: throws `SEGMENT_DAMAGED` (status 6) when anything is wrong. */
export async function verifySegments(path: string, options: SegmentVerifyOptions): Promise<void> {
  const report = await readingFiles(path, () => verifySegment(path))
  if (options.output === 'table') process.stdout.write(renderVerdicts(report.segments))
  else process.stdout.write(`${JSON.stringify(report, null, options.output === 'json' ? 2 : undefined)}\n`)
  if (report.sound) return
  const problems = report.problems.map(({ path: file, position, reason }) => `${file} at byte ${position}: ${reason}`)
  const hint = 'the partition needs another replica or a backup; docs/log-format.md says what is in the files'
  throw new CommandError('SEGMENT_DAMAGED', problems.join('; '), hint, EXIT_STATUS.unhealthy)
}

function renderVerdicts(segments: readonly SegmentVerdict[]): string {
  const columns = [
    { title: 'SEGMENT' },
    { title: 'OFFSETS' },
    { title: 'BATCHES', align: 'right' },
    { title: 'RECORDS', align: 'right' },
    { title: 'SIZE', align: 'right' },
    { title: 'STATE' },
  ] as const
  const rows = segments.map((segment) => [
    segment.path,
    `${segment.baseOffset}..${segment.endOffset}`,
    formatCount(segment.batchCount),
    formatCount(segment.recordCount),
    formatBytes(segment.sizeBytes),
    stateOf(segment),
  ])
  return renderTable(columns, rows)
}

function stateOf({ problems, incompleteBytes }: SegmentVerdict): string {
  if (problems.length > 0) return `damaged (${problems.length})`
  return incompleteBytes === 0 ? 'sound' : `sound, then ${formatBytes(incompleteBytes)} of an unfinished batch`
}

/** Runs `action`; what says that the path is no segment, or cannot be read, becomes an error of the command. */
async function readingFiles<Result>(path: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code === 'NOT_A_SEGMENT' && error instanceof Error) {
      throw new CommandError('NOT_A_SEGMENT', error.message, 'give such a file or folder', EXIT_STATUS.usage)
    }
    if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) throw fileError(path, error)
    throw error
  }
}
