/**
 * What an application reads from: partitions with positions, seen as records, as batches, or as a stream a partition.
 *
 * Iterations share the subscription: each record goes to exactly one of them, in order within its partition. Ending an
 * iteration (`break`) leaves the subscription open and loses nothing; `close()` ends it and all iterations in order.
 */
import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import {
  abortError,
  type Client,
  isStratalogError,
  type OffsetPosition,
  onAbort,
  type StratalogError,
} from '@stratalog/client'
import type { TopicPartition } from '@stratalog/proto'
import type { ConsumerRecord } from './consumer-record.ts'
import { Delivery } from './delivery.ts'
import { Fetcher } from './fetcher.ts'
import { BatchIterator, PartitionStream, RecordIterator } from './iterators.ts'
import type { ResolvedConsumerOptions } from './options.ts'
import type { PartitionState } from './partition-state.ts'
import { invalid, type Position, resolvePosition } from './positions.ts'
import type { IterationOptions, PullSource } from './pull-iterator.ts'
import { boundsIn, listPositions, offsetAt, type PlannedPartition } from './start-plan.ts'
import type { SubscriptionEvents } from './subscription-events.ts'
import { SubscriptionState } from './subscription-state.ts'

/** Records that a Node stream buffers of its own. */
const READABLE_RECORDS_MAX = 256

/** Where a partition of a subscription stands. */
export interface AssignedPartition extends TopicPartition {
  /** Next offset for the application. */
  readonly position: number
  /** Exclusive, or null when it is followed for ever. */
  readonly endOffset: number | null
  /** Records between position and visible end. */
  readonly lag: number
  readonly paused: boolean
}

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
export class Subscription<K = Buffer, V = Buffer>
  extends EventEmitter<SubscriptionEvents>
  implements AsyncIterable<ConsumerRecord<K, V>>, AsyncDisposable
{
  readonly #setup: SubscriptionSetup<K, V>
  readonly #core: SubscriptionState
  readonly #delivery: Delivery<K, V>
  readonly #fetcher: Fetcher
  readonly #source: PullSource<K, V>
  readonly #stopListening: () => void
  readonly #closing = new AbortController()

  /** Use `consumer.assign`. */
  constructor(setup: SubscriptionSetup<K, V>) {
    super()
    const { client, options, signal } = setup
    this.#setup = setup
    this.#core = new SubscriptionState(options, {
      onCommands: (sessionId) => this.#fetcher.onCommands(sessionId),
      onReady: (partition) => this.#delivery.onReady(partition),
    })
    this.#delivery = new Delivery(this.#core, options, (error) => queueMicrotask(() => this.emit('skipped', error)))
    this.#fetcher = new Fetcher({
      client,
      core: this.#core,
      // In a turn of its own: a listener that throws must not cut through the fetcher's work.
      emit: (name, ...event) => queueMicrotask(() => this.emit(name, ...(event as never))),
      onOutOfRange: options.onOutOfRange,
      stallTimeoutMs: options.stallTimeoutMs,
      onClientClosed: (error) => this.#end(error),
    })
    const delivery = this.#delivery
    this.#source = { delivery, signal: delivery.signal, acquire: () => delivery.acquire() }
    for (const planned of setup.partitions) this.#core.add(planned)
    this.#fetcher.start()
    this.#stopListening = onAbort(signal, () => this.#end(signal === undefined ? null : abortError(signal)))
    // Listeners can be added before the first event: resets of the start are told in the next turn.
    setImmediate(() => this.#tellResets())
  }

  /** Records of all partitions, partitions in turn. Errors: see `records`. */
  [Symbol.asyncIterator](): RecordIterator<K, V> {
    return this.records()
  }

  /**
   * Records of all partitions, until `until` is reached or the subscription closed.
   *
   * Errors, thrown by the iteration: OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION and others that
   * waiting does not mend: thrown again by each iteration until a `seek` of the partition named; CANCELLED when a
   * signal was aborted, CLIENT_CLOSED when the client was closed.
   */
  records(options: IterationOptions = {}): RecordIterator<K, V> {
    return new RecordIterator(this.#source, options)
  }

  /** As `records`, batch by batch: a batch counts as delivered when it is handed out. */
  batches(options: IterationOptions = {}): BatchIterator<K, V> {
    return new BatchIterator(this.#source, options)
  }

  /**
   * A stream for each partition, to be read side by side; ends when each has been given. One that is not read holds
   * no other one up. An error of a partition is thrown by its own stream only.
   *
   * @param options the signal is that of the partitions' iterations too.
   */
  async *partitions(options: IterationOptions = {}): AsyncGenerator<PartitionStream<K, V>, void, undefined> {
    for (const state of this.#core.partitions) {
      if (options.signal?.aborted) throw abortError(options.signal)
      if (this.closed) return
      yield new PartitionStream(this.#delivery, this.#delivery.cursor(state), options)
    }
  }

  /**
   * Records as a Node stream in object mode. Destroying it leaves the subscription open; the records that it had
   * buffered count as handed out.
   */
  readable(options: IterationOptions = {}): Readable {
    return Readable.from(this.records(options), { objectMode: true, highWaterMark: READABLE_RECORDS_MAX })
  }

  /** All partitions and where they stand. */
  get assignment(): AssignedPartition[] {
    return this.#core.partitions.map(({ topic, partition, position, endOffset, lag, paused }) => ({
      topic,
      partition,
      position,
      endOffset,
      lag,
      paused,
    }))
  }

  /** Whether it was closed, by `close()`, its signal, or the client's end. */
  get closed(): boolean {
    return this.#closing.signal.aborted
  }

  /** Next offset for the application. Errors: INVALID_REQUEST for a partition that is not assigned. */
  position(place: TopicPartition): number {
    return this.#find(place).position
  }

  /** Records up to the visible end, of one partition or of all; as of the last news, without a call. */
  lag(place?: TopicPartition): number {
    if (place !== undefined) return this.#find(place).lag
    return this.#core.partitions.reduce((sum, partition) => sum + partition.lag, 0)
  }

  /** Bytes of batches that have arrived and were not handed out yet; see `prefetchBytesMax`. */
  get bufferedBytes(): number {
    return this.#core.partitions.reduce((sum, partition) => sum + partition.bufferedBytes, 0)
  }

  /** Hands out no more records of the partition and asks for no more; what is buffered is kept. */
  pause(place: TopicPartition): void {
    this.#core.pause(this.#find(place))
  }

  /** Ends a pause; records go on where they stopped. */
  resume(place: TopicPartition): void {
    this.#core.resume(this.#find(place))
  }

  /**
   * Goes on elsewhere: no record from before the seek is handed out after the call. Ends the partition's error. An
   * offset is checked when the leader is asked for it: out of range is met by the iteration, or by the policy.
   *
   * Errors: INVALID_REQUEST; for a place that must be asked for: CANCELLED and what the brokers say. The partition then
   * fails with the same error.
   */
  async seek(place: TopicPartition, position: Position, options: IterationOptions = {}): Promise<void> {
    const partition = this.#find(place)
    const wanted = resolvePosition(position, 'position')
    if (options.signal?.aborted) throw abortError(options.signal)
    this.#core.beginSeek(partition)
    const { generation } = partition
    let offset: number
    try {
      offset = wanted.kind === 'offset' ? wanted.offset : await this.#lookUp(partition, wanted, options.signal)
    } catch (error) {
      if (isStratalogError(error) && partition.generation === generation) this.#core.fail(partition, error)
      throw error
    }
    // Another seek has come between: it holds.
    if (partition.generation !== generation || this.closed) return
    this.#core.endSeek(partition, offset)
    this.#fetcher.restarted(partition)
  }

  /** Ends all iterations in order and gives up the streams; never waits for a broker. */
  close(): Promise<void> {
    this.#end(null)
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #lookUp(
    partition: PartitionState,
    wanted: ReturnType<typeof resolvePosition>,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { topic, partition: number } = partition
    const position: OffsetPosition = wanted.kind === 'timestamp' ? { timestamp: wanted.timestampMs } : 'latest'
    const ending = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal])
    const { admin } = this.#setup.client
    const [answer] = await listPositions(
      (queries, call) => admin.listOffsets(queries, call),
      [{ topic, partition: number, position }],
      ending,
    )
    if (answer === undefined) throw invalid('the broker answered no query')
    partition.bounds = boundsIn(answer)
    return offsetAt(wanted, partition.bounds, answer)
  }

  #find(place: TopicPartition): PartitionState {
    const { topic, partition } = place
    const found = this.#core.partitions.find((state) => state.topic === topic && state.partition === partition)
    if (found === undefined) throw invalid(`partition ${partition} of topic ${topic} is not assigned`)
    return found
  }

  #tellResets(): void {
    for (const { topic, partition, offset, reset } of this.#setup.partitions) {
      if (reset !== null) this.emit('reset', { topic, partition, from: reset.from, to: offset, error: reset.error })
    }
  }

  #end(error: StratalogError | null): void {
    if (this.closed) return
    this.#closing.abort()
    this.#stopListening?.()
    this.#fetcher.close()
    this.#delivery.close(error)
    this.#setup.onClosed()
  }
}
