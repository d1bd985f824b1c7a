/**
 * What every subscription is: partitions with positions, seen as records or as batches, and what an application may do
 * with them. By hand (subscription.ts) the partitions stay; in a group (group/group-subscription.ts) they come and go.
 *
 * Iterations share the subscription: each record goes to exactly one of them, in order within its partition. Ending an
 * iteration (`break`) leaves the subscription open.
 */
import { EventEmitter } from 'node:events'
import { abortError, type Client, isStratalogError, type OffsetPosition, type StratalogError } from '@stratalog/client'
import type { TopicPartition } from '@stratalog/proto'
import type { ConsumerRecord } from './consumer-record.ts'
import { Delivery } from './delivery.ts'
import { Fetcher } from './fetcher.ts'
import { BatchIterator, RecordIterator } from './iterators.ts'
import type { ResolvedConsumerOptions } from './options.ts'
import type { PartitionState } from './partition-state.ts'
import { invalid, type Position, resolvePosition } from './positions.ts'
import type { HandOutObserver, IterationOptions, PullSource } from './pull-iterator.ts'
import { boundsIn, listPositions, offsetAt } from './start-plan.ts'
import type { EmitEvent, SubscriptionEvents } from './subscription-events.ts'
import { SubscriptionState } from './subscription-state.ts'

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

/** What reading is made of. */
export interface ReadingSetup<K, V> {
  readonly client: Client
  readonly options: ResolvedConsumerOptions<K, V>
  /** Whether partitions come and go. */
  readonly changing: boolean
}

/** See the file's header. */
export abstract class Reading<K, V, Events extends SubscriptionEvents & Record<keyof Events, unknown[]>>
  extends EventEmitter<Events>
  implements AsyncIterable<ConsumerRecord<K, V>>, AsyncDisposable
{
  protected readonly client: Client
  protected readonly core: SubscriptionState
  protected readonly delivery: Delivery<K, V>
  protected readonly fetcher: Fetcher
  readonly #ending = new AbortController()

  constructor(setup: ReadingSetup<K, V>) {
    super()
    const { client, options, changing } = setup
    this.client = client
    this.core = new SubscriptionState(
      { ...options, changing },
      {
        onCommands: (sessionId) => this.fetcher.onCommands(sessionId),
        onReady: (partition) => this.delivery.onReady(partition),
      },
    )
    this.delivery = new Delivery(this.core, options, (error) => this.tell('skipped', error))
    this.fetcher = new Fetcher({
      client,
      core: this.core,
      emit: this.tell,
      onOutOfRange: options.onOutOfRange,
      stallTimeoutMs: options.stallTimeoutMs,
      isTakenAway: (partition, error) => this.isTakenAway(partition, error),
      onClientClosed: (error) => this.end(error),
    })
  }

  /** Ends all iterations in order. */
  abstract close(): Promise<void>

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Records of all partitions, partitions in turn. Errors: see `records`. */
  [Symbol.asyncIterator](): RecordIterator<K, V> {
    return this.records()
  }

  /**
   * Records of all partitions, until the end that was asked for is reached or the subscription closed.
   *
   * Errors, thrown by the iteration: OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION and others that
   * waiting does not mend: thrown again by each iteration until a `seek` of the partition named; CANCELLED when a
   * signal was aborted, CLIENT_CLOSED when the client was closed.
   */
  records(options: IterationOptions = {}): RecordIterator<K, V> {
    return new RecordIterator(this.sourceFor(this.observer), options)
  }

  /** As `records`, batch by batch: a batch counts as delivered when it is handed out. */
  batches(options: IterationOptions = {}): BatchIterator<K, V> {
    return new BatchIterator(this.sourceFor(this.observer), options)
  }

  /** All partitions and where they stand. */
  get assignment(): AssignedPartition[] {
    return this.core.partitions.map(({ topic, partition, position, endOffset, lag, paused }) => ({
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
    return this.#ending.signal.aborted
  }

  /** Next offset for the application. Errors: INVALID_REQUEST for a partition that is not assigned. */
  position(place: TopicPartition): number {
    return this.find(place).position
  }

  /** Records up to the visible end, of one partition or of all; as of the last news, without a call. */
  lag(place?: TopicPartition): number {
    if (place !== undefined) return this.find(place).lag
    return this.core.partitions.reduce((sum, partition) => sum + partition.lag, 0)
  }

  /** Bytes of batches that have arrived and were not handed out yet; see `prefetchBytesMax`. */
  get bufferedBytes(): number {
    return this.core.partitions.reduce((sum, partition) => sum + partition.bufferedBytes, 0)
  }

  /** Hands out no more records of the partition and asks for no more; what is buffered is kept. */
  pause(place: TopicPartition): void {
    this.core.pause(this.find(place))
  }

  /** Ends a pause; records go on where they stopped. */
  resume(place: TopicPartition): void {
    this.core.resume(this.find(place))
  }

  /**
   * Goes on elsewhere: no record from before the seek is handed out after the call. Ends the partition's error. An
   * offset is checked when the leader is asked for it: out of range is met by the iteration, or by the policy.
   *
   * Errors: INVALID_REQUEST; for a place that must be asked for: CANCELLED and what the brokers say. The partition then
   * fails with the same error.
   */
  async seek(place: TopicPartition, position: Position, options: IterationOptions = {}): Promise<void> {
    const partition = this.find(place)
    const wanted = resolvePosition(position, 'position')
    if (options.signal?.aborted) throw abortError(options.signal)
    this.core.beginSeek(partition)
    const { generation } = partition
    let offset: number
    try {
      offset = wanted.kind === 'offset' ? wanted.offset : await this.#lookUp(partition, wanted, options.signal)
    } catch (error) {
      if (isStratalogError(error) && partition.generation === generation) this.core.fail(partition, error)
      throw error
    }
    // Another seek has come between: it holds.
    if (partition.generation !== generation || this.closed) return
    this.core.endSeek(partition, offset)
    this.fetcher.restarted(partition)
    this.moved(partition, offset)
  }

  /** Who keeps account of what is handed out. */
  protected get observer(): HandOutObserver<K, V> | undefined {
    return undefined
  }

  /** Whether the partition will be taken away because of this error, which the application is then not told of. */
  protected isTakenAway(_partition: PartitionState, _error: StratalogError): boolean {
    return false
  }

  /** A seek has moved the partition. */
  protected moved(_partition: PartitionState, _offset: number): void {}

  /** Gives up streams and iterations at once, in order or with an error that they throw. Does nothing the second time. */
  protected end(error: StratalogError | null): void {
    if (this.closed) return
    this.#ending.abort()
    this.fetcher.close()
    this.delivery.close(error)
  }

  /** What iterations over all partitions draw from. */
  protected sourceFor(observer: HandOutObserver<K, V> | undefined): PullSource<K, V> {
    const { delivery } = this
    return { delivery, signal: delivery.signal, acquire: () => delivery.acquire(), observer }
  }

  /** The partition of that name. Errors: INVALID_REQUEST. */
  protected find(place: TopicPartition): PartitionState {
    const { topic, partition } = place
    // The last one: a topic that was created anew may be here twice for a moment.
    const found = this.core.partitions.findLast((state) => state.topic === topic && state.partition === partition)
    if (found === undefined) throw invalid(`partition ${partition} of topic ${topic} is not assigned`)
    return found
  }

  /** Emits an event, in a turn of its own: a listener that throws must not cut through the work under way. */
  protected readonly tell: EmitEvent = (name, ...event) => {
    // EventEmitter's types do not see that Events has all of these.
    queueMicrotask(() => (this as EventEmitter).emit(name, ...event))
  }

  async #lookUp(
    partition: PartitionState,
    wanted: ReturnType<typeof resolvePosition>,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { topic, partition: number } = partition
    const position: OffsetPosition = wanted.kind === 'timestamp' ? { timestamp: wanted.timestampMs } : 'latest'
    const ending = signal === undefined ? this.#ending.signal : AbortSignal.any([signal, this.#ending.signal])
    const { admin } = this.client
    const [answer] = await listPositions(
      (queries, call) => admin.listOffsets(queries, call),
      [{ topic, partition: number, position }],
      ending,
    )
    if (answer === undefined) throw invalid('the broker answered no query')
    partition.bounds = boundsIn(answer)
    return offsetAt(wanted, partition.bounds, answer)
  }
}
