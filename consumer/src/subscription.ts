/**
 * What an application reads by hand: partitions of its own choice, as records, as batches, or as a stream a partition.
 *
 * `break` loses nothing: the next iteration goes on behind the last record handed out. `close()` ends the subscription
 * and all iterations in order.
 */
import { Readable } from 'node:stream'
import { abortError, type Client, onAbort, type StratalogError } from '@stratalog/client'
import { PartitionStream } from './iterators.ts'
import type { ResolvedConsumerOptions } from './options.ts'
import type { IterationOptions } from './pull-iterator.ts'
import { Reading } from './reading.ts'
import type { PlannedPartition } from './start-plan.ts'
import type { SubscriptionEvents } from './subscription-events.ts'

/** Records that a Node stream buffers of its own. */
const READABLE_RECORDS_MAX = 256

/** A planned partition and the topic it belongs to. */
export interface SubscriptionPartition extends PlannedPartition {
  readonly topicId: Uint8Array
}

/** What a subscription is made of. */
export interface SubscriptionSetup<K, V> {
  readonly client: Client
  readonly options: ResolvedConsumerOptions<K, V>
  readonly partitions: readonly SubscriptionPartition[]
  readonly signal: AbortSignal | undefined
  /** Called once, when it is closed by anyone. */
  readonly onClosed: () => void
}

/** See the file's header; made by `consumer.assign`. */
export class Subscription<K = Buffer, V = Buffer> extends Reading<K, V, SubscriptionEvents> {
  readonly #setup: SubscriptionSetup<K, V>
  readonly #stopListening: () => void

  /** Use `consumer.assign`. */
  constructor(setup: SubscriptionSetup<K, V>) {
    super({ ...setup, changing: false })
    const { signal } = setup
    this.#setup = setup
    for (const planned of setup.partitions) this.core.add(planned)
    this.fetcher.start()
    this.#stopListening = onAbort(signal, () => this.end(signal === undefined ? null : abortError(signal)))
    // Listeners can be added before the first event: resets of the start are told in the next turn.
    setImmediate(() => this.#tellResets())
  }

  /**
   * A stream for each partition, to be read side by side; ends when each has been given. One that is not read holds
   * no other one up. An error of a partition is thrown by its own stream only.
   *
   * @param options the signal is that of the partitions' iterations too.
   */
  async *partitions(options: IterationOptions = {}): AsyncGenerator<PartitionStream<K, V>, void, undefined> {
    for (const state of this.core.partitions) {
      if (options.signal?.aborted) throw abortError(options.signal)
      if (this.closed) return
      yield new PartitionStream(this.delivery, this.delivery.cursor(state), options)
    }
  }

  /**
   * Records as a Node stream in object mode. Destroying it leaves the subscription open; the records that it had
   * buffered count as handed out.
   */
  readable(options: IterationOptions = {}): Readable {
    return Readable.from(this.records(options), { objectMode: true, highWaterMark: READABLE_RECORDS_MAX })
  }

  /** Ends all iterations in order and gives up the streams; never waits for a broker. */
  close(): Promise<void> {
    this.end(null)
    return Promise.resolve()
  }

  protected override end(error: StratalogError | null): void {
    if (this.closed) return
    super.end(error)
    this.#stopListening?.()
    this.#setup.onClosed()
  }

  #tellResets(): void {
    for (const { topic, partition, offset, reset } of this.#setup.partitions) {
      if (reset !== null) this.emit('reset', { topic, partition, from: reset.from, to: offset, error: reset.error })
    }
  }
}
