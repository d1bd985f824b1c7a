/**
 * The partitions of one subscription as a state machine: handles, positions, credit, pauses, seeks, ends.
 *
 * Pure: events in (answers of a stream, loss of a stream, what the application takes), commands out (`drain` gives
 * what is to be sent on a stream). The shell around it (fetcher.ts) owns streams, leaders and time; delivery.ts takes
 * batches from it.
 *
 * Memory: every partition has an equal share of `prefetchBytesMax`, its window, at most `partitionCreditBytes`. Credit
 * at the leader plus bytes buffered here stay within the window, so the whole stays within the budget plus, for each
 * partition, at most the one batch that did not fit its last credit. Shares are not lent: a partition that nobody
 * takes from (paused, or a partition stream that is not read) can never starve another one.
 */
import { invariant, type StratalogError, type stratalog } from '@stratalog/proto'
import type { BatchHeader } from '@stratalog/proto/records'
import { CommandOutbox, type StreamCommands } from './command-outbox.ts'
import { type PartitionPhase, type PartitionStart, PartitionState, type TakenBatch } from './partition-state.ts'
import { lastEpochOf, readWholeHeader } from './slice-headers.ts'

/** Limits of a subscription. */
export interface SubscriptionLimits {
  /** Bytes granted or buffered by all partitions together. */
  readonly prefetchBytesMax: number
  /** Most of it that one partition may have. */
  readonly partitionCreditBytes: number
  /** Whether partitions come and go, so that it does not end when there is none. Default: false. */
  readonly changing?: boolean | undefined
}

/** How the core tells its shell that something is to be done; called synchronously, must be cheap. */
export interface SubscriptionHooks {
  /** `drain(sessionId)` has something. */
  readonly onCommands: (sessionId: number) => void
  /** The partition has something to deliver, or has ended. */
  readonly onReady: (partition: PartitionState) => void
}

/** Whose answer it was, and the error if the leader ended the handle with one. */
export interface Received {
  readonly partition: PartitionState
  readonly error: stratalog.v1.ErrorDetail.$Properties | null
}

/** Nothing more is fetched. */
const IDLE_PHASES: ReadonlySet<PartitionPhase> = new Set(['complete', 'failed', 'removed'] as const)

/** See the file's header. */
export class SubscriptionState {
  readonly #limits: SubscriptionLimits
  readonly #hooks: SubscriptionHooks
  readonly #partitions: PartitionState[] = []
  readonly #byHandle = new Map<number, PartitionState>()
  readonly #outbox: CommandOutbox
  #nextHandle = 1
  /** Partitions that hold or will hold bytes: the budget is divided among them. */
  #sharingCount = 0

  constructor(limits: SubscriptionLimits, hooks: SubscriptionHooks) {
    this.#limits = limits
    this.#hooks = hooks
    this.#outbox = new CommandOutbox(hooks.onCommands)
  }

  /** All partitions, in the order added. */
  get partitions(): readonly PartitionState[] {
    return this.#partitions
  }

  /** Whether every partition has been delivered up to its end. False while one has none, or others may come. */
  get ended(): boolean {
    return this.#limits.changing !== true && this.#partitions.every((partition) => partition.ended)
  }

  /** Bytes that one partition may have granted and buffered: >= 1, so that a batch of any size can come. */
  get windowBytes(): number {
    const share = Math.floor(this.#limits.prefetchBytesMax / Math.max(1, this.#sharingCount))
    return Math.max(1, Math.min(share, this.#limits.partitionCreditBytes))
  }

  /** Adds a partition, detached (or complete, when nothing lies before its end). */
  add(start: PartitionStart): PartitionState {
    const partition = new PartitionState(start)
    if (partition.fetchedAll) partition.phase = 'complete'
    this.#partitions.push(partition)
    this.#count(partition)
    return partition
  }

  /** Takes a partition out: its handle is stopped, what is buffered is dropped, a batch in hand is over. */
  remove(partition: PartitionState): void {
    const index = this.#partitions.indexOf(partition)
    invariant(index >= 0, 'a partition is removed that is not there')
    this.#stop(partition)
    this.#partitions.splice(index, 1)
    partition.generation++
    partition.queue.length = 0
    partition.bufferedBytes = 0
    partition.taken = null
    partition.failure = null
    this.#release(partition, 'removed')
    this.#hooks.onReady(partition)
  }

  /** Nothing more is handed out until `proceed`; fetching goes on. */
  halt(partition: PartitionState): void {
    partition.halted = true
  }

  /** Ends a halt. */
  proceed(partition: PartitionState): void {
    partition.halted = false
    if (partition.deliverable || partition.taken !== null) this.#hooks.onReady(partition)
  }

  /** Starts a detached partition on a stream, from behind everything that is buffered. */
  attach(partition: PartitionState, sessionId: number): void {
    invariant(partition.phase === 'detached', () => `attach of a ${partition.phase} partition`)
    const handle = this.#nextHandle++
    const creditBytes = partition.paused ? 0 : Math.max(0, this.windowBytes - partition.bufferedBytes)
    partition.phase = 'attached'
    partition.handle = handle
    partition.sessionId = sessionId
    partition.outstandingBytes = creditBytes
    this.#byHandle.set(handle, partition)
    this.#outbox.start(sessionId, {
      handle,
      topic: partition.topic,
      partition: partition.partition,
      topicId: partition.topicId,
      offset: partition.fetchPosition,
      creditBytes,
      lastEpoch: partition.lastEpoch,
      endOffset: partition.endOffset ?? 0,
    })
  }

  /** Gives up the handle of an attached partition, to begin another; what is buffered stays. */
  detach(partition: PartitionState): void {
    this.#stop(partition)
    this.#release(partition, 'detached')
  }

  /** A stream was lost: what is buffered stays, its partitions become detached and are returned. */
  detachSession(sessionId: number): PartitionState[] {
    this.#outbox.drop(sessionId)
    const lost = this.#partitions.filter((partition) => partition.sessionId === sessionId)
    for (const partition of lost) this.#release(partition, 'detached')
    return lost
  }

  /** What is to be sent on a stream now, or null; it then counts as sent. */
  drain(sessionId: number): StreamCommands | null {
    return this.#outbox.drain(sessionId)
  }

  /**
   * Takes in what a stream brought. Data of a handle that is no longer used is dropped.
   *
   * @param bytes its record batches, which must stay as they are.
   * @returns null for dropped data. With an error the partition is detached and the shell decides what follows.
   */
  receive(data: stratalog.v1.FetchData.$Properties, bytes: Buffer | null): Received | null {
    const partition = this.#byHandle.get(data.handle ?? 0)
    if (partition === undefined) return null
    if (data.error) {
      this.#release(partition, 'detached')
      return { partition, error: data.error }
    }
    partition.bounds = {
      logStartOffset: data.logStartOffset ?? 0,
      highWatermark: data.highWatermark ?? 0,
      visibleEnd: data.visibleEnd ?? 0,
    }
    const nextOffset = Math.max(partition.fetchPosition, data.nextOffset ?? 0)
    if (bytes !== null && bytes.length > 0) {
      partition.outstandingBytes -= bytes.length
      partition.bufferedBytes += bytes.length
      partition.queue.push({ bytes, cursor: 0, nextOffset })
    } else if (nextOffset > partition.fetchPosition) {
      partition.queue.push({ bytes: null, cursor: 0, nextOffset })
    }
    if (nextOffset > partition.fetchPosition) {
      partition.lastEpoch = lastEpochOf(bytes, nextOffset) ?? data.leaderEpoch ?? partition.lastEpoch
    }
    partition.fetchPosition = nextOffset
    if (data.endReached && partition.endOffset !== null) partition.fetchPosition = this.#reachEnd(partition)
    if (partition.fetchedAll) this.#complete(partition, data.endReached === true)
    this.#settle(partition)
    return { partition, error: null }
  }

  /**
   * The next whole batch of a deliverable partition, or null when only the failure is left. The caller moves
   * `position` while it hands out records and ends with `finish`.
   *
   * Errors: CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE as the codec throws them: the caller then ends the partition
   * with `failHere`.
   */
  take(partition: PartitionState): TakenBatch | null {
    for (;;) {
      const slice = partition.queue[0]
      if (slice === undefined || partition.ended) return null
      const bytes = slice.bytes
      invariant(bytes !== null && slice.cursor < bytes.length, 'an empty slice was left at the head')
      const header = readWholeHeader(bytes, slice.cursor)
      const bytePosition = slice.cursor
      slice.cursor += header.sizeBytes
      partition.bufferedBytes -= header.sizeBytes
      this.#count(partition)
      const isLast = slice.cursor === bytes.length
      if (isLast) partition.queue.shift()
      const nextOffset = isLast ? slice.nextOffset : header.lastOffset + 1
      this.#replenish(partition)
      if (header.control || header.recordCount === 0 || header.lastOffset < partition.position) {
        this.#moveTo(partition, Math.max(partition.position, nextOffset))
        this.#settle(partition)
        continue
      }
      const { position: fromOffset, endOffset, generation } = partition
      partition.taken = { bytes, bytePosition, header, fromOffset, endOffset, nextOffset, generation }
      return partition.taken
    }
  }

  /** The batch taken has been delivered whole. Does nothing if a seek has come between. */
  finish(partition: PartitionState, batch: TakenBatch): void {
    if (partition.taken !== batch) return
    partition.taken = null
    this.#moveTo(partition, batch.nextOffset)
    this.#settle(partition)
  }

  /** No more credit, and nothing more is delivered until `resume`; what is buffered stays. */
  pause(partition: PartitionState): void {
    partition.paused = true
  }

  /** Ends a pause. */
  resume(partition: PartitionState): void {
    if (!partition.paused) return
    partition.paused = false
    this.#replenish(partition)
    if (partition.deliverable || partition.taken !== null) this.#hooks.onReady(partition)
  }

  /**
   * A seek begins: the handle is stopped and what is buffered dropped, so that data under way for the old handle is
   * told apart. Ends a failure.
   */
  beginSeek(partition: PartitionState): void {
    this.#stop(partition)
    this.#release(partition, 'resolving')
    partition.generation++
    partition.queue.length = 0
    partition.bufferedBytes = 0
    partition.taken = null
    partition.failure = null
    partition.lastEpoch = -1
  }

  /** The seek's offset is known: the partition waits to be attached there. */
  endSeek(partition: PartitionState, offset: number): void {
    invariant(partition.phase === 'resolving', () => `end of a seek of a ${partition.phase} partition`)
    partition.position = offset
    partition.fetchPosition = offset
    partition.phase = partition.fetchedAll ? 'complete' : 'detached'
    this.#count(partition)
    if (partition.phase === 'complete') this.#hooks.onReady(partition)
  }

  /**
   * The out-of-range policy moves a detached partition: what is buffered is still delivered, behind it the position
   * jumps, forwards or backwards.
   */
  reset(partition: PartitionState, offset: number): void {
    invariant(partition.phase === 'detached', () => `reset of a ${partition.phase} partition`)
    partition.queue.push({ bytes: null, cursor: 0, nextOffset: offset })
    partition.fetchPosition = offset
    partition.lastEpoch = -1
    if (partition.fetchedAll) this.#release(partition, 'complete')
    this.#settle(partition)
  }

  /** Nothing more can be fetched: the error is delivered behind what is buffered, again and again until a seek. */
  fail(partition: PartitionState, error: StratalogError): void {
    this.#stop(partition)
    this.#release(partition, 'failed')
    partition.failure = error
    this.#hooks.onReady(partition)
  }

  /** What is at the position cannot be delivered: the error comes at once, and what is buffered behind is dropped. */
  failHere(partition: PartitionState, error: StratalogError): void {
    partition.queue.length = 0
    partition.bufferedBytes = 0
    partition.taken = null
    this.fail(partition, error)
  }

  /** The next whole batch without taking it, or null when there is none or its bytes are damaged. */
  peek(partition: PartitionState): { bytes: Buffer; bytePosition: number; header: BatchHeader } | null {
    const slice = partition.queue[0]
    if (slice === undefined || slice.bytes === null) return null
    try {
      const header = readWholeHeader(slice.bytes, slice.cursor)
      return { bytes: slice.bytes, bytePosition: slice.cursor, header }
    } catch {
      return null
    }
  }

  /** Throws InvariantError if a rule of this file is broken. For tests: O(partitions and buffered slices). */
  checkInvariants(): void {
    const sharing = this.#partitions.filter((partition) => partition.isSharing)
    invariant(sharing.length === this.#sharingCount, 'the count of sharing partitions is wrong')
    for (const partition of this.#partitions) {
      const isIdle = partition.bufferedBytes === 0 && (partition.phase === 'complete' || partition.phase === 'failed')
      invariant(partition.isSharing !== isIdle, 'a partition shares the budget without need, or not with need')
      let buffered = 0
      for (const slice of partition.queue) buffered += slice.bytes === null ? 0 : slice.bytes.length - slice.cursor
      invariant(buffered === partition.bufferedBytes, 'bufferedBytes does not match the queue')
      invariant((partition.handle !== null) === (partition.phase === 'attached'), 'a handle without being attached')
      const head = partition.queue[0]
      invariant(head?.bytes !== null || partition.taken !== null, 'an empty slice waits at the head')
      invariant((partition.failure !== null) === (partition.phase === 'failed'), 'a failure without its phase')
    }
  }

  /** Ends the credit and handle of a partition on this side. */
  #release(partition: PartitionState, phase: Exclude<PartitionPhase, 'attached'>): void {
    if (partition.handle !== null) this.#byHandle.delete(partition.handle)
    partition.handle = null
    partition.sessionId = null
    partition.outstandingBytes = 0
    partition.phase = phase
    this.#count(partition)
  }

  /** Keeps `sharingCount`: to be called after each change of a phase or of bufferedBytes from or to 0. */
  #count(partition: PartitionState): void {
    const { phase, bufferedBytes } = partition
    const isSharing = bufferedBytes > 0 || !IDLE_PHASES.has(phase)
    if (isSharing === partition.isSharing) return
    partition.isSharing = isSharing
    this.#sharingCount += isSharing ? 1 : -1
  }

  /** Asks the leader to end the handle. */
  #stop(partition: PartitionState): void {
    const { handle, sessionId } = partition
    if (handle !== null && sessionId !== null) this.#outbox.stop(sessionId, handle)
  }

  #complete(partition: PartitionState, stoppedByLeader: boolean): void {
    if (!stoppedByLeader) this.#stop(partition)
    this.#release(partition, 'complete')
  }

  /** `end_reached` without a position at the end would leave the reader short of it: the leader's word counts. */
  #reachEnd(partition: PartitionState): number {
    const endOffset = partition.endOffset ?? partition.fetchPosition
    if (partition.fetchPosition < endOffset) partition.queue.push({ bytes: null, cursor: 0, nextOffset: endOffset })
    return Math.max(partition.fetchPosition, endOffset)
  }

  /** Grants what the window has room for, in steps of at least half of it so that grants are few. */
  #replenish(partition: PartitionState): void {
    if (partition.phase !== 'attached' || partition.paused) return
    const { handle, sessionId } = partition
    invariant(handle !== null && sessionId !== null, 'attached without a handle')
    const windowBytes = this.windowBytes
    const room = windowBytes - partition.outstandingBytes - partition.bufferedBytes
    if (room <= 0 || (room < windowBytes / 2 && partition.outstandingBytes > 0)) return
    partition.outstandingBytes += room
    this.#outbox.grant(sessionId, handle, room)
  }

  /** Moves past slices without bytes at the head of the queue, and tells of what there is to deliver. */
  #settle(partition: PartitionState): void {
    if (partition.taken !== null) return
    for (let head = partition.queue[0]; head !== undefined && head.bytes === null; head = partition.queue[0]) {
      this.#moveTo(partition, head.nextOffset)
      partition.queue.shift()
    }
    if (partition.deliverable || partition.ended) this.#hooks.onReady(partition)
  }

  #moveTo(partition: PartitionState, offset: number): void {
    partition.position = partition.endOffset === null ? offset : Math.min(offset, partition.endOffset)
  }
}
