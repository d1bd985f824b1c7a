/**
 * What the producer knows of one topic: how many partitions, how large a batch may be, and the records that wait
 * until that is known.
 *
 * Invariant: records of a topic enter its queues in the order in which they were given.
 */
import type { TopicMetadata } from '@stratalog/client'
import { partitionForKey, StratalogError } from '@stratalog/proto'
import type { RecordBytes, RecordHeaderInput } from '@stratalog/proto/records'
import type { PartitionQueue } from './partition-queue.ts'
import type { ProducerBatch } from './producer-batch.ts'

/** A record ready to be encoded. */
export interface PreparedRecord {
  key: RecordBytes
  value: RecordBytes
  headers: readonly RecordHeaderInput[] | undefined
  timestamp: number
  /** As the user chose, or `null`. */
  partition: number | null
  /** The partitioner, where the user gave one and no partition. */
  choose: ((partitionCount: number) => number | null) | null
  /** Its share of buffer memory, reserved already. */
  recordBytes: number
  /** When it was given to the producer, ms since 1970: the delivery timeout counts from here. */
  takenMs: number
}

/** Who waits for a record that is not in a batch yet. */
export interface RecordTarget {
  /** The record is the last one of this batch. */
  readonly placed: (batch: ProducerBatch) => void
  readonly failed: (error: StratalogError) => void
}

/** A record that waits for its topic to be described. */
export interface WaitingRecord {
  readonly record: PreparedRecord
  readonly target: RecordTarget
}

const MAX_MESSAGE_BYTES_KEY = 'max.message.bytes'

/** See the head of this file. */
export class TopicIntake {
  readonly name: string
  /** In the order given; empty once the topic is described. */
  waiting: WaitingRecord[] = []
  readonly queues: PartitionQueue[] = []
  /** 0 = not described yet. */
  partitionCount = 0
  batchBytesMax: number
  readonly #configuredBatchBytesMax: number
  readonly #queueOf: (partition: number) => PartitionQueue
  #sticky = -1

  constructor(name: string, batchBytesMax: number, queueOf: (partition: number) => PartitionQueue) {
    this.name = name
    this.batchBytesMax = batchBytesMax
    this.#configuredBatchBytesMax = batchBytesMax
    this.#queueOf = queueOf
  }

  /** Takes over what is known of the topic; also when that has changed. */
  describe(topic: TopicMetadata): void {
    this.partitionCount = topic.partitions.length
    const limit = Number(topic.configs[MAX_MESSAGE_BYTES_KEY] ?? Infinity)
    this.batchBytesMax = Math.min(this.#configuredBatchBytesMax, Number.isFinite(limit) ? limit : Infinity)
    for (let partition = this.queues.length; partition < this.partitionCount; partition++) {
      this.queues.push(this.#queueOf(partition))
    }
  }

  /** The queue for a record. Errors: UNKNOWN_TOPIC_OR_PARTITION for a partition that does not exist. */
  queueFor(record: PreparedRecord, random: () => number): PartitionQueue {
    const partition = record.partition ?? record.choose?.(this.partitionCount) ?? null
    if (partition === null) return this.queues[this.#choose(record.key, random)]!
    if (Number.isInteger(partition) && partition >= 0 && partition < this.partitionCount) return this.queues[partition]!
    throw new StratalogError(
      'UNKNOWN_TOPIC_OR_PARTITION',
      `topic ${this.name} has ${this.partitionCount} partitions, 0..${this.partitionCount - 1}; there is no partition ${partition}`,
      { topic: this.name, partition },
    )
  }

  /** By key; without one the same as before until the batch there is closed, so that batches grow. */
  #choose(key: RecordBytes, random: () => number): number {
    if (key !== null) return partitionForKey(typeof key === 'string' ? Buffer.from(key) : key, this.partitionCount)
    if (this.#sticky < 0) this.#sticky = Math.floor(random() * this.partitionCount)
    else if (this.queues[this.#sticky]!.open === null) this.#sticky = (this.#sticky + 1) % this.partitionCount
    return this.#sticky
  }
}
