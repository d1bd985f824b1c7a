/**
 * Gathers records into batches, by partition. Pure: time comes in as a number.
 *
 * Invariant: `active` holds every queue that has a batch which is not in flight.
 * Invariant: `outstanding` holds every batch that is not settled, oldest first.
 * Invariant: a batch never grows beyond the limit it is given, unless its first record alone does.
 */
import type { RecordInput } from '@stratalog/proto/records'
import type { BuilderPool } from './builder-pool.ts'
import { PartitionQueue, type QueueEvents, type QueueOptions } from './partition-queue.ts'
import { ProducerBatch } from './producer-batch.ts'

/** What the accumulator tells: see QueueEvents. */
export type AccumulatorEvents = Pick<QueueEvents, 'sealed' | 'acknowledged' | 'failed'>

/** See the head of this file. */
export class RecordAccumulator {
  readonly active: Set<PartitionQueue> = new Set()
  #outstanding = new Set<ProducerBatch>()
  readonly #pool: BuilderPool
  readonly #options: QueueOptions
  readonly #queueEvents: QueueEvents
  readonly #topics = new Map<string, PartitionQueue[]>()
  #nextOrdinal = 0
  #settleWaiters: { readonly ordinalEnd: number; readonly wake: () => void }[] = []

  constructor(pool: BuilderPool, options: QueueOptions, events: AccumulatorEvents) {
    this.#pool = pool
    this.#options = options
    this.#queueEvents = {
      sealed: events.sealed,
      split: (batch, partCount) => this.#split(batch, partCount),
      acknowledged: (batch, ack) => {
        const bytes = batch.spareBytes
        events.acknowledged(batch, ack)
        if (bytes !== null) this.#pool.recycle(bytes)
        this.#settled(batch)
      },
      failed: (batch, error) => {
        events.failed(batch, error)
        this.#settled(batch)
      },
    }
  }

  /** Batches that are not settled. */
  get outstandingCount(): number {
    return this.#outstanding.size
  }

  /** Resolves once every batch opened so far is settled, well or not. */
  settled(): Promise<void> {
    if (this.#outstanding.size === 0) return Promise.resolve()
    return new Promise((wake) => this.#settleWaiters.push({ ordinalEnd: this.#nextOrdinal, wake }))
  }

  /** The queue of a partition; made when new. */
  queue(topic: string, partition: number): PartitionQueue {
    let queues = this.#topics.get(topic)
    if (queues === undefined) {
      queues = []
      this.#topics.set(topic, queues)
    }
    let queue = queues[partition]
    if (queue === undefined) {
      queue = new PartitionQueue(topic, partition, this.#options, this.#queueEvents)
      queues[partition] = queue
    }
    return queue
  }

  /** The queues of a topic. */
  queuesOf(topic: string): PartitionQueue[] {
    return Object.values(this.#topics.get(topic) ?? [])
  }

  /** All queues. */
  queues(): PartitionQueue[] {
    return [...this.#topics.values()].flatMap((queues) => Object.values(queues))
  }

  /**
   * Encodes a record into the queue's open batch, or into a new one when it does not fit.
   *
   * @param recordBytes upper bound of its bytes in the batch; they are the batch's share of buffer memory.
   * @param batchBytesMax a batch is not filled beyond this.
   * @param takenMs when the record was given to the producer; a batch is as old as its first record.
   * @returns the batch that has it, as its last record.
   */
  append(
    queue: PartitionQueue,
    record: RecordInput,
    recordBytes: number,
    batchBytesMax: number,
    takenMs: number,
  ): ProducerBatch {
    let batch = queue.open
    if (batch !== null && batch.builder!.sizeBytes + recordBytes > batchBytesMax) {
      queue.seal()
      batch = null
    }
    if (batch === null) {
      batch = new ProducerBatch(queue.topic, queue.partition, this.#nextOrdinal++, takenMs, this.#pool.acquire())
      queue.open = batch
      this.#outstanding.add(batch)
      this.active.add(queue)
    }
    batch.builder!.append(record)
    batch.reservedBytes += recordBytes
    return batch
  }

  #split(batch: ProducerBatch, partCount: number): ProducerBatch[] {
    const parts = batch.split(partCount, this.#pool)
    this.#outstanding.delete(batch)
    this.#outstanding = new Set([...this.#outstanding, ...parts].sort((a, b) => a.ordinal - b.ordinal))
    return parts
  }

  #settled(batch: ProducerBatch): void {
    this.#outstanding.delete(batch)
    if (this.#settleWaiters.length === 0) return
    const oldest = firstOf(this.#outstanding)?.ordinal ?? Infinity
    const due = this.#settleWaiters.filter((waiter) => waiter.ordinalEnd <= oldest)
    this.#settleWaiters = this.#settleWaiters.filter((waiter) => waiter.ordinalEnd > oldest)
    for (const waiter of due) waiter.wake()
  }
}

function firstOf<T>(set: ReadonlySet<T>): T | undefined {
  for (const value of set) return value
  return undefined
}
