/**
 * The limit for a replay from files: one loop that reads segment files in large pieces, checks each batch's CRC, and walks
 * its records, touching key and value. No plan, no index, no bounds, no counting of offsets.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { decodeBatchSync, iterateBatches, verifyBatchCrc } from '@stratalog/proto/records'

const CHUNK_BYTES = 4 * 1024 * 1024

/** What it met. */
export interface BareCounts {
  readonly recordCount: number
  /** Of keys and values. */
  readonly contentBytes: number
  readonly fileBytes: number
}

/** Decodes whole files, in this thread. Throws on damage. */
export function decodeBare(paths: readonly string[]): BareCounts {
  const counts = { recordCount: 0, contentBytes: 0, fileBytes: 0 }
  for (const path of paths) {
    const fd = openSync(path, 'r')
    try {
      decodeFile(fd, counts)
    } finally {
      closeSync(fd)
    }
  }
  return counts
}

function decodeFile(fd: number, counts: { recordCount: number; contentBytes: number; fileBytes: number }): void {
  let rest = 0
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  for (;;) {
    const readBytes = readSync(fd, chunk, rest, chunk.length - rest, null)
    if (readBytes === 0) {
      if (rest > 0) throw new Error(`${rest} bytes are no whole batch`)
      return
    }
    counts.fileBytes += readBytes
    const end = rest + readBytes
    let position = 0
    for (const batch of iterateBatches(chunk, { end, partialTail: 'stop' })) {
      if (!verifyBatchCrc(chunk, batch.position, batch.header.sizeBytes)) throw new Error('the CRC does not match')
      position = batch.position + batch.header.sizeBytes
      if (batch.header.control) continue
      decodeBatchSync(chunk, batch.position).forEach(({ key, value }) => {
        counts.recordCount++
        counts.contentBytes += (key?.length ?? 0) + (value?.length ?? 0)
      })
    }
    rest = end - position
    const next = rest === chunk.length ? Buffer.allocUnsafe(chunk.length * 2) : chunk
    chunk.copy(next, 0, position, end)
    chunk = next
  }
}
