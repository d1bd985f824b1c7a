/**
 * What an application reads as a member of a group: partitions come and go, positions are kept by the coordinator.
 *
 * A record counts as processed when the iteration asks for the next one, when the handler of `run` returns, or when
 * `commit` is called with it; only what is processed without a gap is committed, so that a crash brings records again and
 * never skips one. A loop that is left (`break`, an error) does not say that its last record is processed: see `commit`.
 */
import { abortError, type Client, onAbort } from '@stratalog/client'
import { StratalogError, type TopicPartition } from '@stratalog/proto'
import { PartitionStream } from '../iterators.ts'
import type { ResolvedConsumerOptions } from '../options.ts'
import type { PartitionState } from '../partition-state.ts'
import { invalid } from '../positions.ts'
import type { HandOutObserver, IterationOptions } from '../pull-iterator.ts'
import { Reading } from '../reading.ts'
import type { EmitEvent } from '../subscription-events.ts'
import { type Committable, toCommit } from './committable.ts'
import type { GroupSubscriptionEvents } from './group-events.ts'
import { GroupSession } from './group-session.ts'
import type { CommitOutcome } from './offset-committer.ts'
import { RecordRunner } from './run/record-runner.ts'
import { type RunOptions, resolveRunOptions } from './run/run-options.ts'
import { isUnknownTopic } from './start-offsets.ts'
import type { ResolvedSubscribeOptions } from './subscribe-options.ts'

/** What a subscription in a group is made of. */
export interface GroupSubscriptionSetup<K, V> {
  readonly client: Client
  readonly options: ResolvedConsumerOptions<K, V>
  readonly subscribe: ResolvedSubscribeOptions
  readonly signal: AbortSignal | undefined
  /** Called once, when it is closed by anyone. */
  readonly onClosed: () => void
}

/** See the file's header; made by `consumer.subscribe`. */
export class GroupSubscription<K = Buffer, V = Buffer> extends Reading<K, V, GroupSubscriptionEvents> {
  readonly #setup: GroupSubscriptionSetup<K, V>
  readonly #session: GroupSession<K, V>
  readonly #observer: HandOutObserver<K, V>
  readonly #stopListening: () => void
  #failure: StratalogError | null = null
  #closing: Promise<void> | null = null

  /** Use `consumer.subscribe`. */
  constructor(setup: GroupSubscriptionSetup<K, V>) {
    super({ ...setup, changing: true })
    this.#setup = setup
    const { client, options, subscribe, signal } = setup
    this.#session = new GroupSession({
      client,
      options: subscribe,
      onOutOfRange: options.onOutOfRange,
      core: this.core,
      fetcher: this.fetcher,
      // The events of every subscription are among those of a group's.
      tell: this.tell as EmitEvent<GroupSubscriptionEvents>,
      control: this,
      onRemoved: (state) => this.delivery.forget(state),
      onFailed: (error) => this.end(error),
    })
    const session = this.#session
    this.#observer = {
      begun: () => session.finishAbandoned(),
      handedOut: (state, item) => session.handOut(state, item, session.watch.nowMs),
    }
    this.#stopListening = onAbort(signal, () => {
      if (signal !== undefined) void this.#close(abortError(signal))
    })
  }

  /** For `consumer.subscribe`: joins the group. Errors: those of the subscription; the last one met when it takes too long. */
  async join(timeoutMs: number): Promise<void> {
    const { signal } = this.#setup
    const session = this.#session
    this.fetcher.start()
    let timer: NodeJS.Timeout | undefined
    try {
      await session.begin(timeoutMs)
      const timedOut = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), timeoutMs)
      })
      const outcome = await Promise.race([session.joined, session.over, timedOut])
      if (this.#failure !== null) throw this.#failure
      if (this.closed) throw new StratalogError('CLIENT_CLOSED')
      if (outcome !== 'late') return
      const { group } = this.#setup.subscribe
      throw session.lastError ?? new StratalogError('REQUEST_TIMED_OUT', `group ${group} did not take the member in`)
    } catch (error) {
      const wasClosed = this.closed && this.#failure === null && !signal?.aborted
      await this.close()
      if (signal?.aborted) throw abortError(signal)
      throw wasClosed ? new StratalogError('CLIENT_CLOSED', 'the subscription was closed while it joined') : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** The group's id. */
  get group(): string {
    return this.#setup.subscribe.group
  }

  /** Name of this member, made by itself: another one for each subscription. */
  get memberId(): string {
    return this.#session.memberId
  }

  /** Number of the member's current assignment; 0 while it is no member. */
  get memberEpoch(): number {
    return this.#session.memberEpoch
  }

  /**
   * A stream for each partition that the member has, and for each that it gets later, until the subscription is closed.
   * A stream ends when its partition goes to others. One that is not read holds no other one up.
   *
   * @param options the signal is that of the partitions' iterations too.
   */
  async *partitions(options: IterationOptions = {}): AsyncGenerator<PartitionStream<K, V>, void, undefined> {
    const given = new WeakSet<PartitionState>()
    const stopListening = onAbort(options.signal, () => this.#session.assigned.notify())
    try {
      while (!this.closed) {
        if (options.signal?.aborted) throw abortError(options.signal)
        const next = this.core.partitions.find((state) => !given.has(state) && !state.halted)
        if (next === undefined) {
          await this.#session.assigned.wait()
          continue
        }
        given.add(next)
        yield new PartitionStream(this.delivery, this.delivery.cursor(next), options, this.#observer)
      }
      if (this.#failure !== null) throw this.#failure
    } finally {
      stopListening()
    }
  }

  /**
   * Hands each record to `handler`, as many at a time as `concurrency` says, until the subscription is closed; a record
   * counts as processed when its handler has returned. See RunOptions for order and for errors.
   *
   * Resolves when it was closed and everything in hand is done with. Errors: HANDLER_FAILED with the handler's error as
   * cause (what is not processed is read again by the next `run`); those of `records`; CANCELLED by the signal.
   */
  run(options: RunOptions<K, V>): Promise<void> {
    const { client } = this
    const runner = new RecordRunner<K, V>({
      client,
      group: this.group,
      session: this.#session,
      sourceFor: (observer) => this.sourceFor(observer),
      run: resolveRunOptions(options),
      commit: () => this.#commitProcessed(),
      onPoisoned: (event) => (this.tell as EmitEvent<GroupSubscriptionEvents>)('poisoned', event),
    })
    return runner.run()
  }

  /**
   * Commits now, and resolves when that is durable.
   *
   * @param items default: everything that is processed. A record or batch counts as processed from here on; an offset is
   *   taken at the application's word. A committed offset never goes back.
   * Errors: PARTITION_NOT_OWNED when the partition has moved on, INVALID_REQUEST, and the coordinator's.
   */
  async commit(items?: Committable<K, V> | readonly Committable<K, V>[]): Promise<void> {
    if (items === undefined) {
      await this.#commitProcessed()
      return
    }
    const list = Array.isArray(items) ? (items as readonly Committable<K, V>[]) : [items as Committable<K, V>]
    const commits = list.flatMap((item) => {
      const partition = this.#session.find(item)
      if (partition === null) {
        const { topic, partition: number } = item
        throw new StratalogError('PARTITION_NOT_OWNED', undefined, { topic, partition: number })
      }
      return toCommit(partition, item) ?? []
    })
    // The last word on a partition counts.
    const latest = new Map(commits.map((commit) => [commit.place, commit]))
    throwFirst(await this.#session.commit(() => [...latest.values()], this.client.options.requestTimeoutMs))
  }

  /** The committed offset as last heard; null = none. Errors: INVALID_REQUEST for a partition that is not assigned. */
  committed(place: TopicPartition): number | null {
    const partition = this.#session.find(place)
    if (partition === null) throw invalid(`partition ${place.partition} of topic ${place.topic} is not assigned`)
    return partition.committed?.offset ?? null
  }

  /**
   * Hands out no more, waits for what is in hand (at most `closeTimeoutMs`), commits, tells `onRevoked`, and leaves the
   * group. Not to be awaited by a handler or in a loop over records: it waits for them.
   */
  close(): Promise<void> {
    return this.#close(null)
  }

  protected override get observer(): HandOutObserver<K, V> {
    return this.#observer
  }

  /** The coordinator sees that a topic is gone, and takes its partitions away. */
  protected override isTakenAway(partition: PartitionState, error: StratalogError): boolean {
    const isTaken = isUnknownTopic(error) && this.#session.of(partition) !== null
    if (isTaken) this.#session.hurry()
    return isTaken
  }

  protected override moved(partition: PartitionState, offset: number): void {
    this.#session.moved(partition, offset)
  }

  /** It is over with an error. */
  protected override end(error: StratalogError | null): void {
    this.#failure ??= error
    // Without a client nothing can be committed, and nobody told.
    if (error?.code === 'CLIENT_CLOSED') this.#session.stop()
    void this.#close(error)
  }

  #close(error: StratalogError | null): Promise<void> {
    this.#closing ??= this.#leave(error)
    return this.#closing
  }

  async #leave(error: StratalogError | null): Promise<void> {
    for (const state of this.core.partitions) this.core.halt(state)
    this.#endReading(error)
    await this.#session.close()
    this.#setup.onClosed()
  }

  #endReading(error: StratalogError | null): void {
    super.end(error)
    this.#stopListening?.()
    this.#session.assigned.notify()
  }

  async #commitProcessed(): Promise<void> {
    const { requestTimeoutMs } = this.client.options
    throwFirst(await this.#session.commitProcessed([...this.#session.partitions], requestTimeoutMs))
  }
}

function throwFirst(outcomes: readonly CommitOutcome[]): void {
  const failed = outcomes.find(({ error }) => error !== null)
  if (failed?.error) throw failed.error
}
