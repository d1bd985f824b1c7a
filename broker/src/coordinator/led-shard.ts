/**
 * The groups of a coordinator partition while this broker leads it: requests, timers, topics and checkpoints.
 *
 * ```
 *  command ─> shard (changed at once) ─> records ─> log ─> committed ─> answer
 * ```
 * What the shard holds is ahead of what is committed, so every answer waits for the records before it, also one that
 * made none: nobody is told what might be taken back. When a batch fails the whole shard is dropped (`onFailed`).
 * Owner: the coordinator partition, for one term.
 */
import { StratalogError } from '@stratalog/proto'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { CheckpointWriter } from './checkpoint-writer.ts'
import type { CoordinatorLog } from './coordinator-log.ts'
import type { FoldPosition } from './fold-position.ts'
import type { GroupChange, Result } from './group/group-api.ts'
import type { GroupShard } from './group/group-shard.ts'
import type { Topics, TopicsDelta } from './group/topics.ts'
import { MonotonicTime } from './monotonic-time.ts'
import { RecordAppender } from './record-appender.ts'

/** A request to the shard. Nothing may be awaited in it. */
export type ShardCommand<Response> = (shard: GroupShard, nowMs: number) => Result<Response>

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

/** How late a timeout may be noticed. */
const TICK_MS = 100
/** Records accepted and not committed; beyond it requests are OVERLOADED. */
const PENDING_BYTES_MAX = 8 * 1024 * 1024

/** See the file's header. */
export class LedShard {
  readonly #options: LedShardOptions
  readonly #time: MonotonicTime
  readonly #appender: RecordAppender
  readonly #checkpoints: CheckpointWriter
  readonly #stopTicking: () => void

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
    this.#stopTicking = clock.every(TICK_MS, () => this.#tick())
    this.#carryOut(shard.takeLead(topics, this.#time.nowMs()))
  }

  /** Runs a command; resolves when what it saw and did is committed. Errors: the command's, OVERLOADED, those of an end. */
  async run<Response>(groupId: string, command: ShardCommand<Response>): Promise<Response> {
    const { pendingBytes } = this.#appender
    if (pendingBytes > PENDING_BYTES_MAX) {
      const text = `${pendingBytes} bytes of this coordinator wait to be committed; the limit is ${PENDING_BYTES_MAX}`
      throw new StratalogError('OVERLOADED', text)
    }
    const result = command(this.#options.shard, this.#time.nowMs())
    if (result instanceof StratalogError) {
      await this.#appender.append([])
      throw result
    }
    this.#tell(groupId, result.events)
    await this.#appender.append(result.records)
    return result.response
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
  }

  #tick(): void {
    const { shard } = this.#options
    const deadlineMs = shard.nextDeadlineMs()
    const nowMs = this.#time.nowMs()
    if (deadlineMs !== null && deadlineMs <= nowMs) this.#carryOut(shard.tick(nowMs))
  }

  #carryOut(changes: readonly GroupChange[]): void {
    for (const { groupId, records, events } of changes) {
      this.#tell(groupId, events)
      // One that fails ends the shard; nobody waits for it here.
      this.#appender.append(records).catch(() => undefined)
    }
  }

  #tell(group: string, events: readonly string[]): void {
    for (const event of events) this.#options.logger.info({ group }, event)
  }
}
