/**
 * Whether the replicas of a partition are the same bytes below its high watermark.
 *
 * Segments may be rolled at different places; the batches in them must not differ. Works on the files of stopped brokers.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { verifySegment } from '@stratalog/broker'
import { baseOffsetOf, LOG_OVERHEAD_BYTES, lastOffsetOf, peekBatchSize } from '@stratalog/proto/records'

/** One replica: whose, and where its files are. */
export interface ReplicaFolder {
  readonly brokerId: number
  readonly folder: string
}

/** What was found of a partition. */
export interface ReplicaComparison {
  readonly comparedBatches: number
  readonly comparedBytes: number
  /** Sentences; empty when all is well. */
  readonly problems: readonly string[]
}

/** Of one folder: damage at one place makes every index entry behind it wrong. */
const PROBLEMS_SHOWN_MAX = 3

interface Batch {
  readonly baseOffset: number
  readonly nextOffset: number
  readonly bytes: Buffer
}

/** Compares all replicas with the first, batch by batch, in [0, highWatermark). Stops at the first difference of each. */
export async function compareReplicas(
  replicas: readonly ReplicaFolder[],
  highWatermark: number,
): Promise<ReplicaComparison> {
  const problems: string[] = []
  let comparedBatches = 0
  let comparedBytes = 0
  const [first, ...others] = replicas.map((replica) => ({ ...replica, batches: batchesOf(replica.folder) }))
  if (first === undefined) return { comparedBatches, comparedBytes, problems }
  const differing = new Set<number>()
  let offset = 0
  while (offset < highWatermark) {
    const batch = await next(first.batches)
    if (typeof batch === 'string' || batch.baseOffset !== offset) {
      problems.push(`${first.folder} has no batch at offset ${offset} of ${highWatermark}: ${why(batch)}`)
      break
    }
    for (const { brokerId, folder, batches } of others) {
      if (differing.has(brokerId)) continue
      const other = await next(batches)
      if (typeof other !== 'string' && other.bytes.equals(batch.bytes)) continue
      differing.add(brokerId)
      problems.push(`${folder} differs from ${first.folder} at offset ${offset} of ${highWatermark}: ${why(other)}`)
    }
    comparedBatches++
    comparedBytes += batch.bytes.length
    offset = batch.nextOffset
  }
  for (const { batches } of [first, ...others]) await batches.return('')
  for (const { folder } of replicas) problems.push(...(await unsound(folder)))
  return { comparedBatches, comparedBytes, problems }
}

async function unsound(folder: string): Promise<string[]> {
  try {
    const report = await verifySegment(folder)
    const problems = report.problems.map(({ path, position, reason }) => `${path} at byte ${position}: ${reason}`)
    const rest = problems.length - PROBLEMS_SHOWN_MAX
    return rest > 0 ? [...problems.slice(0, PROBLEMS_SHOWN_MAX), `${folder}: and ${rest} more`] : problems
  } catch (error) {
    return [`${folder} cannot be verified: ${String(error)}`]
  }
}

function why(batch: Batch | string): string {
  if (typeof batch === 'string') return batch
  return `there is [${batch.baseOffset}, ${batch.nextOffset}) of ${batch.bytes.length} bytes`
}

async function next(batches: AsyncGenerator<Batch, string>): Promise<Batch | string> {
  const { value } = await batches.next()
  return value ?? 'it has ended'
}

/** Batches in order of offset over all segments; returns why there are no more. */
async function* batchesOf(folder: string): AsyncGenerator<Batch, string> {
  const names = await readdir(folder).catch(() => null)
  if (names === null) return 'the folder is missing'
  for (const name of names.filter((each) => each.endsWith('.log')).sort()) {
    const fault = yield* batchesIn(join(folder, name))
    if (fault !== null) return fault
  }
  return 'the log ends'
}

async function* batchesIn(path: string): AsyncGenerator<Batch, string | null> {
  const file = await open(path)
  try {
    const prefix = Buffer.alloc(LOG_OVERHEAD_BYTES)
    for (let position = 0; ; ) {
      const { bytesRead } = await file.read(prefix, 0, prefix.length, position)
      if (bytesRead < prefix.length) return bytesRead === 0 ? null : `${path} ends within a batch`
      const size = sizeOf(prefix)
      if (size === null) return `${path} has no batch at byte ${position}`
      const bytes = Buffer.alloc(size)
      const read = await file.read(bytes, 0, size, position)
      if (read.bytesRead < size) return `${path} ends within a batch`
      yield { baseOffset: baseOffsetOf(bytes, 0), nextOffset: lastOffsetOf(bytes, 0) + 1, bytes }
      position += size
    }
  } finally {
    await file.close()
  }
}

function sizeOf(prefix: Buffer): number | null {
  try {
    return peekBatchSize(prefix, 0, prefix.length)
  } catch {
    return null
  }
}
