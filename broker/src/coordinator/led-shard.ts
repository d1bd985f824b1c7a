/**
 * The groups of a coordinator partition while this broker leads it: requests, timers, topics and checkpoints.
 *
 * ```
 *  command ─> shard (changed at once) ─> records ─> log ─> committed ─> answer
 * ```
 * What the shard holds is ahead of what is committed, so every answer waits for the records before it, also one that
 * made none: nobody is told what might be taken back. When a batch fails the whole shard is dropped (`onFailed`).
 *
 * A heartbeat that brings nothing may be parked: it is answered when an event has news for its member, for which it is
 * handled again, or when its time is up. So what moves does not wait for the next heartbeat.
 * Owner: the coordinator partition, for one term.
 */
import { StratalogError } from '@stratalog/proto'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { CheckpointWriter } from './checkpoint-writer.ts'
import type { CoordinatorLog } from './coordinator-log.ts'
import type { FoldPosition } from './fold-position.ts'
import type { GroupChange, HeartbeatRequest, HeartbeatResponse, Result } from './group/group-api.ts'
import type { GroupShard } from './group/group-shard.ts'
import type { Topics, TopicsDelta } from './group/topics.ts'
import { MonotonicTime } from './monotonic-time.ts'
import { type Parked, ParkedHeartbeats } from './parked-heartbeats.ts'
import { RecordAppender } from './record-appender.ts'

/** A request to the shard. Nothing may be awaited in it. */
export type ShardCommand<Response> = (shard: GroupShard, nowMs: number) => Result<Response>

/** How long whoever sent a heartbeat waits for the answer. */
export interface Patience {
  /** At most so long the answer may be held back for news; 0 = not at all. */
  readonly maxWaitMs: number
  /** Calls `listener` once nobody waits for the answer any more; at once if that is so already. */
  readonly onGone: (listener: () => void) => void
}

/** What became of a command; to be told once `committed` has resolved. */
interface Executed<Response> {
  readonly outcome: Response | StratalogError
  readonly committed: Promise<void>
}

interface ParkedHeartbeat extends Parked {
  readonly request: HeartbeatRequest
  readonly arrivedMs: number
  /** What it is answered when nothing comes. */
  readonly executed: Executed<HeartbeatResponse>
  readonly answer: (answer: Promise<HeartbeatResponse>) => void
}

/** What a led shard is made of. */
export interface LedShardOptions {
  /** All that is committed is folded into it. */
  readonly shard: GroupShard
  readonly log: CoordinatorLog
  readonly clock: Clock
  readonly topics: Topics
  /** See CheckpointWriterOptions.bytesMin. */
  readonly checkpointBytesMin: number
  /** The shard does not stand any more. Called once, with the reason. */
  readonly onFailed: (error: StratalogError) => void
  readonly logger: PartitionLogger
}

/** How late a timeout may be noticed, and that a parked heartbeat's time is up. */
const TICK_MS = 100
/** From this lateness of a tick on, the process has stood still, or was that busy: members are not blamed for it. */
const STANDSTILL_MS = 200
/** Records accepted and not committed; beyond it requests are OVERLOADED. */
const PENDING_BYTES_MAX = 8 * 1024 * 1024

/** See the file's header. */
export class LedShard {
  readonly #options: LedShardOptions
  readonly #time: MonotonicTime
  readonly #appender: RecordAppender
  readonly #checkpoints: CheckpointWriter
  readonly #parked = new ParkedHeartbeats<ParkedHeartbeat>(TICK_MS)
  readonly #stopTicking: () => void
  #tickDueMs: number
  /** Set when none may be parked any more. */
  #parkingError: StratalogError | null = null

  /** Takes the lead. */
  constructor(options: LedShardOptions) {
    const { shard, log, clock, topics, checkpointBytesMin, onFailed } = options
    this.#options = options
    this.#time = new MonotonicTime(clock)
    this.#appender = new RecordAppender({ log, nowMs: () => clock.nowMs(), onFailed })
    this.#checkpoints = new CheckpointWriter({
      shard,
      log,
      clock,
      append: (records) => this.#appender.append(records),
      bytesMin: checkpointBytesMin,
    })
    this.#tickDueMs = this.#time.nowMs() + TICK_MS
    this.#stopTicking = clock.every(TICK_MS, () => this.#tick())
    this.#carryOut(shard.takeLead(topics, this.#time.nowMs()))
  }

  /** Runs a command; resolves when what it saw and did is committed. Errors: the command's, OVERLOADED, those of an end. */
  async run<Response>(groupId: string, command: ShardCommand<Response>): Promise<Response> {
    this.#refuseOverload()
    return await answerOf(this.#execute(groupId, command))
  }

  /**
   * Handles a heartbeat. One that brings nothing is answered when something comes, or its time is up; a former one of the
   * same member that still waits is answered at once. Errors: as {@link run}.
   */
  async heartbeat(request: HeartbeatRequest, { maxWaitMs, onGone }: Patience): Promise<HeartbeatResponse> {
    this.#refuseOverload()
    const { groupId, memberId } = request
    const former = this.#parked.take(groupId, memberId)
    former?.answer(answerOf(former.executed))
    const arrivedMs = this.#time.nowMs()
    const executed = this.#execute(groupId, (shard, nowMs) => shard.heartbeat(request, nowMs))
    const { outcome } = executed
    const waitMs = outcome instanceof StratalogError ? 0 : Math.min(maxWaitMs, outcome.holdMs)
    if (waitMs <= 0) return await answerOf(executed)
    // What fails ends the shard, which answers all that are parked.
    executed.committed.catch(() => undefined)
    if (this.#parkingError !== null) throw this.#parkingError
    return await new Promise((answer) => {
      const deadlineMs = arrivedMs + waitMs
      const parked = { groupId, memberId, deadlineMs, request, arrivedMs, executed, answer }
      this.#parked.put(parked)
      onGone(() => {
        // Nobody reads it; it must not stay unsettled.
        if (this.#parked.remove(parked)) answer(answerOf(executed))
      })
    })
  }

  /** Parks nothing any more: heartbeats that wait, or would, are told `error`, so that their members look elsewhere. */
  endParking(error: StratalogError): void {
    this.#parkingError = error
    for (const { answer } of this.#parked.takeAll()) answer(Promise.reject(error))
  }

  /** The topics of the cluster changed. */
  topicsChanged(delta: TopicsDelta): void {
    this.#carryOut(this.#options.shard.topicsChanged(delta, this.#time.nowMs()))
  }

  /** More is folded into the rows. */
  folded(position: FoldPosition): void {
    this.#checkpoints.maybeBegin(position)
  }

  /** Ends it: whoever waits is told `error`. */
  end(error: StratalogError): void {
    this.#stopTicking()
    this.#appender.end(error)
    this.endParking(error)
  }

  #tick(): void {
    const { shard } = this.#options
    const nowMs = this.#time.nowMs()
    const lateMs = nowMs - this.#tickDueMs
    this.#tickDueMs = nowMs + TICK_MS
    if (lateMs >= STANDSTILL_MS) shard.stoodStill(lateMs, nowMs)
    const deadlineMs = shard.nextDeadlineMs()
    if (deadlineMs !== null && deadlineMs <= nowMs) this.#carryOut(shard.tick(nowMs))
    for (const { answer, executed } of this.#parked.takeDue(nowMs)) answer(answerOf(executed))
  }

  #execute<Response>(groupId: string, command: ShardCommand<Response>): Executed<Response> {
    const result = command(this.#options.shard, this.#time.nowMs())
    if (result instanceof StratalogError) return { outcome: result, committed: this.#appender.append([]) }
    this.#tell(groupId, result.events)
    const committed = this.#appender.append(result.records)
    this.#wake(groupId, result.wakes)
    return { outcome: result.response, committed }
  }

  /** There is news for these members: those that wait for it get it. */
  #wake(groupId: string, memberIds: readonly string[]): void {
    for (const memberId of memberIds) {
      const parked = this.#parked.take(groupId, memberId)
      if (parked === null) continue
      const { request, arrivedMs, answer } = parked
      answer(answerOf(this.#execute(groupId, (shard, nowMs) => shard.heartbeat(request, nowMs, arrivedMs))))
    }
  }

  #refuseOverload(): void {
    const { pendingBytes } = this.#appender
    if (pendingBytes <= PENDING_BYTES_MAX) return
    const text = `${pendingBytes} bytes of this coordinator wait to be committed; the limit is ${PENDING_BYTES_MAX}`
    throw new StratalogError('OVERLOADED', text)
  }

  #carryOut(changes: readonly GroupChange[]): void {
    for (const { groupId, records, wakes, events } of changes) {
      this.#tell(groupId, events)
      // One that fails ends the shard; nobody waits for it here.
      this.#appender.append(records).catch(() => undefined)
      this.#wake(groupId, wakes)
    }
  }

  #tell(group: string, events: readonly string[]): void {
    for (const event of events) this.#options.logger.info({ group }, event)
  }
}

/** The answer to a command, once it is committed. */
async function answerOf<Response>({ outcome, committed }: Executed<Response>): Promise<Response> {
  await committed
  if (outcome instanceof StratalogError) throw outcome
  return outcome
}
