/**
 * The same bytes written by nothing but a file: the denominator.
 *
 * Batches of BATCH_BYTES are at hand at any time; groups of at most GROUP_BYTES are written with one `writev` and one
 * `fdatasync`, the next group while nothing else is done. No network, no checks, no index.
 */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { LoadJob } from './job.ts'
import { PayloadPool } from './payload.ts'

const BATCH_BYTES = 128 * 1024
/** Not the full MiB: writes of exactly 1 MiB at a multiple of it were measured to take 6 times as long (ext4, Linux 6.18). */
const GROUP_BYTES = 7 * BATCH_BYTES

/** Returns when the last group is on the disk. */
export async function bareWriteLoad(job: LoadJob): Promise<void> {
  const pool = new PayloadPool(job.valueBytes)
  const recordsPerBatch = Math.max(1, Math.floor(BATCH_BYTES / job.valueBytes))
  const batches = Array.from({ length: Math.max(1, Math.floor(GROUP_BYTES / BATCH_BYTES)) }, (_, batch) =>
    Buffer.concat(Array.from({ length: recordsPerBatch }, (_, i) => pool.value(batch * recordsPerBatch + i))),
  )
  const totalBytes = job.recordCount * job.valueBytes
  await using file = await open(join(job.directory, 'bare.log'), 'w')
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
