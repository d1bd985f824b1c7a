/**
 * One partition of the offsets topic on this broker, and the groups in it.
 *
 * ```
 *             leads, and the log's end is folded
 *  following ─────────────────────────────────────> leading
 *      ^                                               │
 *      └── leads no more, or a batch failed: dropped ──┘
 * ```
 * Every replica folds what is committed into rows (committed-fold.ts). The leader also holds the groups in memory: once the
 * fold has reached what the log held when it took the lead, it builds them from the rows, and answers.
 * What cannot be folded ends it for good, with STORAGE_ERROR to clients. Owner: the group coordinator.
 */
import { InvariantError, StratalogError } from '@stratalog/proto'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { CommittedFold } from './committed-fold.ts'
import type { CoordinatorLog } from './coordinator-log.ts'
import type { GroupConfig, GroupSummary, HeartbeatRequest, HeartbeatResponse } from './group/group-api.ts'
import { GroupShard } from './group/group-shard.ts'
import type { Topics, TopicsDelta } from './group/topics.ts'
import type { GroupStore } from './group-store.ts'
import { LedShard, type Patience, type ShardCommand } from './led-shard.ts'

/** What a coordinator partition is made of. */
export interface CoordinatorPartitionOptions {
  readonly topic: string
  readonly partition: number
  readonly log: CoordinatorLog
  readonly store: GroupStore
  readonly config: GroupConfig
  /** See CheckpointWriterOptions.bytesMin. */
  readonly checkpointBytesMin: number
  readonly clock: Clock
  /** As of now. */
  readonly topics: () => Topics
  /** An invariant is broken: the broker must stop. */
  readonly onFatal: (error: unknown) => void
  readonly logger: PartitionLogger
}

/** How long after a failed batch the groups are built anew. */
const REBUILD_PAUSE_MS = 100

type State =
  | { readonly kind: 'following' }
  /** Builds the groups; `epoch` is the term that it is for. */
  | { readonly kind: 'loading'; readonly epoch: number; readonly sinceMs: number }
  | { readonly kind: 'leading'; readonly epoch: number; readonly shard: GroupShard; readonly led: LedShard }
  | { readonly kind: 'ended'; readonly error: StratalogError }

/** See the file's header. */
export class CoordinatorPartition {
  readonly #options: CoordinatorPartitionOptions
  #fold!: CommittedFold
  #stopListening: () => void = () => undefined
  #state: State = { kind: 'following' }
  /** Called when the fold has moved, or the state is another. */
  #waker: (() => void) | null = null
  #cancelRebuild: (() => void) | null = null

  private constructor(options: CoordinatorPartitionOptions) {
    this.#options = options
  }

  /** Begins to follow. Errors: StoreError. */
  static async open(options: CoordinatorPartitionOptions): Promise<CoordinatorPartition> {
    const partition = new CoordinatorPartition(options)
    const { log, store, logger } = options
    partition.#fold = await CommittedFold.open({
      log,
      store,
      onAdvance: () => partition.#onFolded(),
      onFailed: (error) => partition.#fail(error),
      onTrimFailed: (error) =>
        logger.warn({ ...partition.#name, err: error }, 'old records of groups were not trimmed'),
    })
    if (partition.#state.kind !== 'ended') partition.#stopListening = log.onAdvance(() => partition.#look())
    partition.#look()
    return partition
  }

  /** Why it keeps groups no more, for operators; null while it does. */
  get problem(): string | null {
    const state = this.#state
    return state.kind === 'ended' && state.error.code !== 'SHUTTING_DOWN' ? state.error.message : null
  }

  /** Whether this broker leads and builds the groups. */
  get isLoading(): boolean {
    return this.#state.kind === 'loading'
  }

  /** Whether requests are answered here now. */
  get isLeading(): boolean {
    return this.#state.kind === 'leading'
  }

  /**
   * Runs a command on a group; resolves when it is committed.
   *
   * Errors: the command's; NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, OVERLOADED, STORAGE_ERROR, SHUTTING_DOWN. With
   * NOT_COORDINATOR or COORDINATOR_LOAD_IN_PROGRESS it may have been committed, or may be yet.
   */
  run<Response>(groupId: string, command: ShardCommand<Response>): Promise<Response> {
    const led = this.#led()
    return led instanceof StratalogError ? Promise.reject(led) : led.run(groupId, command)
  }

  /** Handles a heartbeat; see LedShard.heartbeat. Errors: as {@link run}. */
  heartbeat(request: HeartbeatRequest, patience: Patience): Promise<HeartbeatResponse> {
    const led = this.#led()
    return led instanceof StratalogError ? Promise.reject(led) : led.heartbeat(request, patience)
  }

  /** The broker is about to stop: see LedShard.endParking. */
  endParking(error: StratalogError): void {
    if (this.#state.kind === 'leading') this.#state.led.endParking(error)
  }

  /** The groups, as they are in memory; null while this broker does not lead, or still builds them. */
  list(): readonly GroupSummary[] | null {
    return this.#state.kind === 'leading' ? this.#state.shard.list() : null
  }

  /** The topics of the cluster changed. */
  topicsChanged(delta: TopicsDelta): void {
    if (this.#state.kind === 'leading') this.#state.led.topicsChanged(delta)
  }

  /** Follows and answers no more. */
  async close(): Promise<void> {
    this.#end(new StratalogError('SHUTTING_DOWN'))
    await this.#fold.close()
  }

  /** Leadership may have changed. */
  #look(): void {
    const { log } = this.#options
    const state = this.#state
    if (state.kind === 'ended') return
    const epoch = log.isLeader ? log.leaderEpoch : null
    if (state.kind === 'following') {
      if (epoch !== null && this.#cancelRebuild === null) this.#load(epoch)
      return
    }
    if (state.epoch === epoch) return
    this.#become({ kind: 'following' }, this.#notCoordinator())
    if (epoch !== null) this.#load(epoch)
  }

  #onFolded(): void {
    if (this.#state.kind === 'leading') this.#state.led.folded(this.#fold.position)
    this.#wake()
  }

  #load(epoch: number): void {
    const { clock, log } = this.#options
    const loading: State = { kind: 'loading', epoch, sinceMs: clock.monotonicMs() }
    this.#become(loading, this.#loadInProgress())
    this.#build(loading, log.logEndOffset).catch((error: unknown) => {
      if (this.#state === loading) this.#fail(error)
    })
  }

  async #build(loading: State & { readonly kind: 'loading' }, logEndOffset: number): Promise<void> {
    const { config, checkpointBytesMin, log, clock, topics, logger } = this.#options
    while (this.#fold.position.foldedEnd < logEndOffset) {
      await new Promise<void>((resolve) => {
        this.#waker = resolve
      })
      if (this.#state !== loading) return
    }
    const shard = new GroupShard(config)
    for await (const record of this.#fold.records()) {
      if (this.#state !== loading) return
      shard.fold(record)
    }
    if (this.#state !== loading) return
    const onFailed = (error: StratalogError): void => this.#onAppendFailed(led, error)
    const led = new LedShard({ shard, log, clock, topics: topics(), checkpointBytesMin, onFailed, logger })
    if (this.#state !== loading) {
      led.end(this.#notCoordinator())
      return
    }
    this.#become({ kind: 'leading', epoch: loading.epoch, shard, led }, this.#loadInProgress())
    const tookMs = Math.round(clock.monotonicMs() - loading.sinceMs)
    logger.info({ ...this.#name, groups: shard.groupCount, epoch: loading.epoch, tookMs }, 'coordinates groups')
  }

  /** What was made in memory does not stand: built anew from what is committed, if this broker still leads. */
  #onAppendFailed(led: LedShard, error: StratalogError): void {
    if (this.#state.kind !== 'leading' || this.#state.led !== led) return
    const { clock, logger } = this.#options
    logger.warn({ ...this.#name, err: error }, 'records of groups were not committed: the groups are built anew')
    this.#become({ kind: 'following' }, this.#notCoordinator())
    this.#cancelRebuild = clock.schedule(REBUILD_PAUSE_MS, () => {
      this.#cancelRebuild = null
      this.#look()
    })
  }

  #fail(error: unknown): void {
    const { topic, partition, onFatal } = this.#options
    if (error instanceof InvariantError) onFatal(error)
    const where = `${topic}-${partition}`
    const text = `the groups of ${where} cannot be kept: ${error instanceof Error ? error.message : error}`
    this.#options.logger.error({ ...this.#name, err: error }, 'the groups of a partition cannot be kept any more')
    this.#end(new StratalogError('STORAGE_ERROR', text, { topic, partition, cause: error }))
  }

  #end(error: StratalogError): void {
    if (this.#state.kind === 'ended') return
    this.#stopListening()
    this.#cancelRebuild?.()
    this.#become({ kind: 'ended', error }, error)
  }

  /** @param error for those who wait for what the former state began. */
  #become(state: State, error: StratalogError): void {
    const former = this.#state
    this.#state = state
    if (former.kind === 'leading') former.led.end(error)
    this.#wake()
  }

  /** What answers, or why nothing does. */
  #led(): LedShard | StratalogError {
    const state = this.#state
    switch (state.kind) {
      case 'leading':
        return state.led
      case 'loading':
        return this.#loadInProgress()
      case 'following':
        return this.#notCoordinator()
      case 'ended':
        return state.error
    }
  }

  #wake(): void {
    const waker = this.#waker
    this.#waker = null
    waker?.()
  }

  #notCoordinator(): StratalogError {
    const { topic, partition, log } = this.#options
    const { leaderId, leaderEpoch } = log
    const text = `this broker does not lead ${topic}-${partition}, which the group is kept in`
    return new StratalogError('NOT_COORDINATOR', text, {
      topic,
      partition,
      leader: { leaderId, leaderEpoch, host: null, port: null },
    })
  }

  #loadInProgress(): StratalogError {
    return new StratalogError('COORDINATOR_LOAD_IN_PROGRESS', undefined, this.#name)
  }

  get #name(): { readonly topic: string; readonly partition: number } {
    const { topic, partition } = this.#options
    return { topic, partition }
  }
}
