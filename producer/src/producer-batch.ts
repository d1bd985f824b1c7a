/**
 * One batch on its way: records being gathered, then bytes, then an outcome.
 *
 * Invariant: `builder` is set until the batch is encoded, `bytes` from then on.
 * Invariant: a batch that was stamped keeps its identity and sequence for every attempt, unless it is certain that no
 * attempt was written; only then may it be stamped anew.
 * Owner: its PartitionQueue.
 */
import { invariant, type StratalogError } from '@stratalog/proto'
import { decodeBatchSync, patchProducer, type RecordBatchBuilder } from '@stratalog/proto/records'
import type { BuilderPool } from './builder-pool.ts'
import {
  BulkRun,
  type BulkSend,
  type DeliveryRun,
  type RejectAck,
  type ResolveAck,
  SendRun,
  UnawaitedRun,
} from './delivery.ts'
import type { ProducerIdentity } from './idempotence.ts'
import type { BatchAck } from './record-ack.ts'
import { addSequence } from './sequence.ts'

/** See the head of this file. */
export class ProducerBatch {
  readonly topic: string
  readonly partition: number
  /** Ascending over all batches of the producer, in the order of their first records; those of a split are fractions. */
  readonly ordinal: number
  readonly createdMs: number
  /** Bytes of buffer memory that it holds. */
  reservedBytes = 0
  builder: RecordBatchBuilder | null
  bytes: Buffer | null = null
  /** Being compressed. */
  encoding = false
  identity: ProducerIdentity | null = null
  baseSequence = -1
  attemptCount = 0
  /** Whether an attempt ended without an answer that tells if the batch was written. */
  uncertain = false
  lastError: StratalogError | null = null
  sentAtMs = 0
  /** Settled; an answer that comes later means nothing. */
  done = false
  readonly #runs: DeliveryRun[] = []
  #recordCount = 0
  /** Ordinals in [ordinal, ordinal + this) are the batch's own, for what it is split into. */
  #ordinalSpan = 1

  constructor(topic: string, partition: number, ordinal: number, createdMs: number, builder: RecordBatchBuilder) {
    this.topic = topic
    this.partition = partition
    this.ordinal = ordinal
    this.createdMs = createdMs
    this.builder = builder
  }

  /** The bytes, if nobody needs them once the batch is acknowledged: a batch that was sent once was copied then. */
  get spareBytes(): Buffer | null {
    return this.attemptCount === 1 ? this.bytes : null
  }

  /** Records in the batch. */
  get recordCount(): number {
    return this.builder?.recordCount ?? this.#recordCount
  }

  /** Records that nobody waits for. */
  get unawaitedCount(): number {
    let count = 0
    for (const run of this.#runs) if (run instanceof UnawaitedRun) count += run.recordCount
    return count
  }

  /** Notes who waits for the record appended last. */
  awaitedBy(timestamp: number, resolve: ResolveAck, reject: RejectAck): void {
    let run = this.#runs.at(-1)
    if (!(run instanceof SendRun)) {
      run = new SendRun(this.recordCount - 1)
      this.#runs.push(run)
    }
    ;(run as SendRun).add(timestamp, resolve, reject)
  }

  /** Notes that the record appended last is the one at `index` of a `sendBatch` call. */
  partOf(timestamp: number, bulk: BulkSend, index: number): void {
    let run = this.#runs.at(-1)
    if (!(run instanceof BulkRun) || run.bulk !== bulk) {
      run = new BulkRun(this.recordCount - 1, bulk)
      this.#runs.push(run)
    }
    ;(run as BulkRun).add(timestamp, index)
  }

  /** Notes that nobody waits for the record appended last. */
  unawaited(): void {
    let run = this.#runs.at(-1)
    if (!(run instanceof UnawaitedRun)) {
      run = new UnawaitedRun()
      this.#runs.push(run)
    }
    ;(run as UnawaitedRun).recordCount++
  }

  /** Encodes an uncompressed batch if that was not done, and stamps identity and sequence. */
  finish(pool: BuilderPool): Buffer {
    if (this.bytes === null) {
      const builder = this.#takeBuilder()
      this.bytes = builder.buildSync(this.identity === null ? {} : this.#stamp(this.identity))
      pool.release(builder)
    } else if (this.identity !== null) {
      patchProducer(this.bytes, this.#stamp(this.identity))
    }
    return this.bytes
  }

  /** Compresses and encodes in the thread pool, unstamped. */
  async compress(pool: BuilderPool): Promise<void> {
    const builder = this.#takeBuilder()
    this.encoding = true
    try {
      this.bytes = await builder.build()
    } finally {
      this.encoding = false
      pool.release(builder)
    }
  }

  /**
   * The batch's records in several batches in its place, of about as many records each, which keep its sequences. This
   * one is over then, and settles nobody.
   *
   * @param partCount at least 2; at most as many as there are records.
   */
  split(partCount: number, pool: BuilderPool): ProducerBatch[] {
    const { bytes, recordCount } = this
    invariant(bytes !== null && !this.done, 'only a batch that was sent and is not settled is split')
    invariant(partCount >= 2 && partCount <= recordCount, 'a split leaves no batch empty')
    const records = decodeBatchSync(bytes)
    const parts: ProducerBatch[] = []
    for (let index = 0; index < partCount; index++) {
      const start = Math.floor((index * recordCount) / partCount)
      const end = Math.floor(((index + 1) * recordCount) / partCount)
      const part = this.#part(index / partCount, 1 / partCount, pool)
      for (let record = start; record < end; record++) part.builder!.append(records.next()!)
      part.#takeRuns(this.#runs, start, end)
      part.reservedBytes = share(this.reservedBytes, end, recordCount) - share(this.reservedBytes, start, recordCount)
      if (this.identity !== null) part.baseSequence = addSequence(this.baseSequence, start)
      parts.push(part)
    }
    this.done = true
    this.bytes = null
    return parts
  }

  /** Forgets the stamp: the batch will be sent as a new one. Only for a batch that was certainly not written. */
  unstamp(): void {
    this.identity = null
    this.baseSequence = -1
    this.uncertain = false
  }

  /** Tells all who wait. */
  acknowledge(ack: BatchAck): void {
    this.#settle()
    for (const run of this.#runs) run.acknowledged(this.topic, this.partition, ack)
  }

  /** Tells all who wait. */
  fail(error: StratalogError): void {
    this.#settle()
    for (const run of this.#runs) run.failed(error)
  }

  #part(from: number, width: number, pool: BuilderPool): ProducerBatch {
    const ordinal = this.ordinal + from * this.#ordinalSpan
    const part = new ProducerBatch(this.topic, this.partition, ordinal, this.createdMs, pool.acquire())
    part.#ordinalSpan = width * this.#ordinalSpan
    part.identity = this.identity
    part.uncertain = this.uncertain
    part.lastError = this.lastError
    return part
  }

  /** Takes over who waits for the records [start, end) of the batch that has these runs. */
  #takeRuns(runs: readonly DeliveryRun[], start: number, end: number): void {
    let runStart = 0
    for (const run of runs) {
      const runEnd = runStart + run.recordCount
      const from = Math.max(start, runStart)
      const to = Math.min(end, runEnd)
      if (from < to) this.#runs.push(run.slice(from - runStart, to - runStart, from - start))
      runStart = runEnd
    }
  }

  #settle(): void {
    invariant(!this.done, 'a batch is settled once')
    this.done = true
    this.bytes = null
  }

  #takeBuilder(): RecordBatchBuilder {
    const builder = this.builder
    invariant(builder !== null, 'batch was encoded before')
    this.#recordCount = builder.recordCount
    this.builder = null
    return builder
  }

  #stamp(identity: ProducerIdentity): { producerId: number; producerEpoch: number; baseSequence: number } {
    return { producerId: identity.producerId, producerEpoch: identity.producerEpoch, baseSequence: this.baseSequence }
  }
}

/** The part of `total` that the first `count` of `of` records have; whole, and all of it for all of them. */
function share(total: number, count: number, of: number): number {
  return Math.floor((total * count) / of)
}
