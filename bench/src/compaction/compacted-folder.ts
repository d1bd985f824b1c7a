/**
 * What a replica of a compacted partition holds, read from its segment files: the last record of every key, and how many
 * records, batches and bytes there are. Works on the files of stopped brokers.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { verifySegment } from '@stratalog/broker'
import { decodeBatch, iterateBatches } from '@stratalog/proto/records'

/** The last record of a key. */
export interface LastRecord {
  readonly offset: number
  /** Null when it ends the key. */
  readonly value: string | null
}

/** See the file's header. */
export interface CompactedFolder {
  readonly lastRecords: ReadonlyMap<string, LastRecord>
  readonly recordCount: number
  /** Offset and epoch of every batch, in order: the same on all replicas. */
  readonly batches: readonly string[]
  readonly emptyBatchCount: number
  readonly segmentCount: number
  readonly sizeBytes: number
  readonly endOffset: number
  /** What `stratalog segment verify` finds. */
  readonly problems: readonly string[]
}

/** Reads all segments of a folder. */
export async function readCompactedFolder(folder: string): Promise<CompactedFolder> {
  const lastRecords = new Map<string, LastRecord>()
  const batches: string[] = []
  let [recordCount, emptyBatchCount, sizeBytes, endOffset] = [0, 0, 0, 0]
  const names = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort()
  for (const name of names) {
    const bytes = await readFile(join(folder, name))
    sizeBytes += bytes.length
    for (const { position, header } of iterateBatches(bytes)) {
      batches.push(`${header.baseOffset}..${header.lastOffset}@${header.leaderEpoch}`)
      endOffset = header.lastOffset + 1
      if (header.control) continue
      recordCount += header.recordCount
      if (header.recordCount === 0) emptyBatchCount++
      for (const { key, value, offset } of await decodeBatch(bytes, position)) {
        lastRecords.set(key?.toString() ?? '', { offset, value: value?.toString() ?? null })
      }
    }
  }
  const { problems } = await verifySegment(folder)
  return {
    lastRecords,
    recordCount,
    batches,
    emptyBatchCount,
    segmentCount: names.length,
    sizeBytes,
    endOffset,
    problems: problems.map(({ path, position, reason }) => `${path} at byte ${position}: ${reason}`),
  }
}
