/**
 * The same bytes written by nothing but a file: the denominator.
 *
 * Batches of BATCH_BYTES are at hand at any time; groups of at most GROUP_BYTES are written with one `writev` and one
 * `fdatasync`, the next group while nothing else is done. No network, no checks, no index.
 *
 * With several copies each goes to a file of its own, and each file has its own loop of write and sync: their syncs run
 * at the same time, and none waits for another. That is the most that one machine's disk can do for as many replicas.
 */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { LoadJob } from './job.ts'
import { PayloadPool } from './payload.ts'

const BATCH_BYTES = 128 * 1024
/** Not the full MiB: writes of exactly 1 MiB at a multiple of it were measured to take 6 times as long (ext4, Linux 6.18). */
const GROUP_BYTES = 7 * BATCH_BYTES

/** Returns when the last group of every copy is on the disk. The files stay. */
export async function bareWriteLoad(job: LoadJob): Promise<void> {
  const pool = new PayloadPool(job.valueBytes)
  const recordsPerBatch = Math.max(1, Math.floor(BATCH_BYTES / job.valueBytes))
  const batches = Array.from({ length: Math.max(1, Math.floor(GROUP_BYTES / BATCH_BYTES)) }, (_, batch) =>
    Buffer.concat(Array.from({ length: recordsPerBatch }, (_, i) => pool.value(batch * recordsPerBatch + i))),
  )
  const totalBytes = job.recordCount * job.valueBytes
  const copies = Array.from({ length: job.copyCount ?? 1 }, (_, copy) => join(job.directory, `bare-${copy}.log`))
  await Promise.all(copies.map((path) => writeCopy(path, batches, totalBytes)))
}

async function writeCopy(path: string, batches: readonly Buffer[], totalBytes: number): Promise<void> {
  await using file = await open(path, 'w')
  for (let written = 0; written < totalBytes; ) {
    const group = takeGroup(batches, totalBytes - written)
    const { bytesWritten } = await file.writev(group, written)
    await file.datasync()
    written += bytesWritten
  }
}

function takeGroup(batches: readonly Buffer[], limitBytes: number): Buffer[] {
  const group: Buffer[] = []
  let left = limitBytes
  for (const batch of batches) {
    if (left === 0) break
    group.push(batch.subarray(0, left))
    left -= Math.min(left, batch.length)
  }
  return group
}
