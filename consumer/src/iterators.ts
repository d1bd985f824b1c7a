/** The two ways through a subscription or one of its partitions: record by record, and batch by batch. */
import type { ConsumerBatch } from './consumer-batch.ts'
import type { ConsumerRecord } from './consumer-record.ts'
import type { Delivery, PartitionCursor } from './delivery.ts'
import { type HandOutObserver, type IterationOptions, PullIterator, type PullSource } from './pull-iterator.ts'

/** Records one by one; from a batch in memory without waiting. */
export class RecordIterator<K, V> extends PullIterator<K, V, ConsumerRecord<K, V>> {
  protected override nextOf(cursor: PartitionCursor<K, V>): ConsumerRecord<K, V> | null {
    return cursor.nextRecord()
  }
}

/** Whole batches. A batch counts as delivered, and the position lies behind it, when it is handed out. */
export class BatchIterator<K, V> extends PullIterator<K, V, ConsumerBatch<K, V>> {
  protected override nextOf(cursor: PartitionCursor<K, V>, delivery: Delivery<K, V>): ConsumerBatch<K, V> | null {
    return delivery.wholeBatch(cursor)
  }
}

/** The records and batches of one partition, apart from the others. */
export class PartitionStream<K = Buffer, V = Buffer> implements AsyncIterable<ConsumerRecord<K, V>> {
  readonly topic: string
  readonly partition: number
  readonly #source: PullSource<K, V>
  readonly #options: IterationOptions

  constructor(
    delivery: Delivery<K, V>,
    cursor: PartitionCursor<K, V>,
    options: IterationOptions,
    observer?: HandOutObserver<K, V>,
  ) {
    this.topic = cursor.state.topic
    this.partition = cursor.state.partition
    this.#source = { delivery, signal: cursor.signal, acquire: () => delivery.acquireFrom(cursor), observer }
    this.#options = options
  }

  /** Records one by one, until the partition's end or the subscription's close. */
  records(options: IterationOptions = this.#options): RecordIterator<K, V> {
    return new RecordIterator(this.#source, options)
  }

  /** Batch by batch, likewise. */
  batches(options: IterationOptions = this.#options): BatchIterator<K, V> {
    return new BatchIterator(this.#source, options)
  }

  [Symbol.asyncIterator](): RecordIterator<K, V> {
    return this.records()
  }
}
