/**
 * Decides on commands while this broker leads the metadata group.
 *
 * ```
 *  queue ─> decide on the image ─> append one batch ─> committed ─> applied ─> answer
 * ```
 * Invariant: nothing is decided unless the image contains everything that can ever be committed before the decision's own
 * records: all that was in the log when this broker began to lead, and all that it has appended since. So a decision is
 * followed by the next one only once its batch is applied; when it is not known what becomes of a batch, decisions wait
 * until it is applied or another term has begun.
 * Commands that cannot touch what one of them has just made share a batch. Owner: the controller.
 */
import { invariant, StratalogError } from '@stratalog/proto'
import { deferred } from '../partition/deferred.ts'
import type { Clock } from '../replication/tick-loop.ts'
import type { Command, DecisionContext } from './commands.ts'
import type { ControllerAnswer } from './controller-protocol.ts'
import { decideOnce } from './decide.ts'
import { MetadataError } from './metadata-error.ts'
import { encodeRecords, type MetadataGroup } from './metadata-group.ts'
import type { MetadataImage, TopicImage } from './metadata-image.ts'
import { replay } from './metadata-replay.ts'
import { METADATA_BATCH_BYTES_MAX } from './metadata-topic.ts'

/** A command to decide on. */
export interface PendingCommand {
  readonly commandId: string
  readonly command: Command
  /** Check and answer as if it had been done. */
  readonly validateOnly: boolean
  /** How long the answer may take, ms > 0. */
  readonly timeoutMs: number
}

/** What a decision loop is made of. */
export interface DecisionLoopOptions {
  readonly brokerId: number
  readonly group: MetadataGroup
  readonly clock: Clock
  readonly context: DecisionContext
  /** Commands waiting, at most; the next one is OVERLOADED. */
  readonly pendingCountMax: number
}

/** Commands that share a batch. None of them concerns what another of them makes. */
const SHARING: ReadonlySet<Command['type']> = new Set<Command['type']>([
  'create-topic',
  'allocate-producer-ids',
  'complete-reassignment',
  'renew-replica',
  'barrier',
])
const SHARING_COUNT_MAX = 64
const SHARED_BYTES_MAX = 1024 * 1024
/** Room for the batch's header, and for what a record takes beside its value. */
const BATCH_OVERHEAD_BYTES = 1024
const RECORD_OVERHEAD_BYTES = 32

interface Waiting extends PendingCommand {
  readonly resolve: (answer: ControllerAnswer) => void
  readonly reject: (error: unknown) => void
}

type Outcome =
  | { readonly kind: 'answer'; readonly waiting: Waiting; readonly result: Decided }
  | { readonly kind: 'refusal'; readonly waiting: Waiting; readonly error: StratalogError }

type Decided = Pick<ControllerAnswer, 'result' | 'topic'>

/** What was decided together. */
interface Decisions {
  readonly outcomes: readonly Outcome[]
  readonly records: readonly Buffer[]
  readonly clusterId: string
}

/** See the file's header. */
export class DecisionLoop {
  readonly #options: DecisionLoopOptions
  readonly #stopListening: () => void
  #queue: Waiting[] = []
  /** Those that wait for anything: in the queue, or for their commit. */
  readonly #pending = new Set<Waiting>()
  #closed = false
  /** Nothing is decided in this term before the image has reached the end. */
  #barrier = { leaderEpoch: -1, endOffset: 0 }

  constructor(options: DecisionLoopOptions) {
    this.#options = options
    this.#stopListening = options.group.onAdvance(() => this.#advance())
  }

  /**
   * Queues a command; resolves once its records are applied here.
   *
   * Errors: those of the decision; NOT_CONTROLLER, of which it is not known whether the command took effect unless it is
   * repeated under its id; REQUEST_TIMED_OUT likewise; OVERLOADED, SHUTTING_DOWN.
   */
  async submit(command: PendingCommand): Promise<ControllerAnswer> {
    const { pendingCountMax, clock } = this.#options
    if (this.#closed) throw new StratalogError('SHUTTING_DOWN')
    if (this.#pending.size >= pendingCountMax) {
      throw new StratalogError('OVERLOADED', `${pendingCountMax} changes of metadata are waiting already`)
    }
    const { promise, resolve, reject } = deferred<ControllerAnswer>()
    const waiting: Waiting = { ...command, resolve, reject }
    const cancelDeadline = clock.schedule(command.timeoutMs, () => {
      this.#queue = this.#queue.filter((other) => other !== waiting)
      reject(timedOut(command))
    })
    this.#pending.add(waiting)
    this.#queue.push(waiting)
    this.#advance()
    try {
      return await promise
    } finally {
      cancelDeadline()
      this.#pending.delete(waiting)
    }
  }

  /** Refuses further commands. Those that wait are answered with SHUTTING_DOWN; they may take effect yet. */
  close(): void {
    this.#closed = true
    this.#stopListening()
    this.#queue = []
    for (const { reject } of this.#pending) reject(new StratalogError('SHUTTING_DOWN'))
  }

  #advance(): void {
    const { group } = this.#options
    if (this.#queue.length === 0 || this.#closed) return
    if (!group.isLeader) {
      this.#rejectQueued(notController(group))
      return
    }
    while (this.#queue.length > 0 && group.isLeader && this.#isCurrent()) this.#decideNext()
  }

  /** Whether the image contains all that comes before the next decision. */
  #isCurrent(): boolean {
    const { group } = this.#options
    const { leaderEpoch, logEndOffset } = group
    const { metadataOffset } = group.image
    if (metadataOffset > logEndOffset) {
      const text = `the metadata is known up to offset ${metadataOffset}, but the log of its leader ends at ${logEndOffset}`
      group.fail(new MetadataError('METADATA_LOG_MISMATCH', text))
      return false
    }
    if (this.#barrier.leaderEpoch !== leaderEpoch) this.#barrier = { leaderEpoch, endOffset: logEndOffset }
    return metadataOffset >= this.#barrier.endOffset
  }

  /** Decides on the first commands of the queue and appends what comes of it; must not wait in between. */
  #decideNext(): void {
    const { group } = this.#options
    const { outcomes, records, clusterId } = this.#decide(group.image)
    if (records.length === 0) {
      settle(outcomes, clusterId, group.image.metadataOffset)
      return
    }
    const { place, committed } = group.append(records)
    if (place !== null) this.#barrier = place
    committed
      .then(async () => {
        invariant(place !== null, 'what is committed has a place')
        await group.reached(place.endOffset)
        settle(outcomes, clusterId, place.endOffset)
      })
      .catch((error: unknown) => {
        const shown = asNotController(error, group)
        for (const { waiting } of outcomes) waiting.reject(shown)
      })
  }

  /** Takes at least one command off the queue. */
  #decide(image: MetadataImage): Decisions {
    const outcomes: Outcome[] = []
    const records: Buffer[] = []
    let bytes = 0
    let next = image
    while (this.#queue.length > 0 && outcomes.length < SHARING_COUNT_MAX && bytes < SHARED_BYTES_MAX) {
      const waiting = this.#queue[0]!
      const shares = SHARING.has(waiting.command.type)
      if (outcomes.length > 0 && !shares) break
      this.#queue.shift()
      const decision = decideOnce(next, waiting.commandId, waiting.command, this.#options.context)
      if (decision instanceof StratalogError) {
        outcomes.push({ kind: 'refusal', waiting, error: decision })
        continue
      }
      const after = replay(next, decision.records)
      if (waiting.validateOnly) {
        const topic = topicOf(after, decision.result['topicId'])
        outcomes.push({ kind: 'answer', waiting, result: { result: decision.result, topic } })
        continue
      }
      const encoded = encodeRecords(decision.records)
      const addedBytes = encoded.reduce((sum, record) => sum + record.length + RECORD_OVERHEAD_BYTES, 0)
      if (addedBytes > METADATA_BATCH_BYTES_MAX - SHARED_BYTES_MAX - BATCH_OVERHEAD_BYTES) {
        const text = `the change takes ${addedBytes} bytes of metadata at once; split it`
        outcomes.push({ kind: 'refusal', waiting, error: new StratalogError('INVALID_REQUEST', text) })
        continue
      }
      next = after
      bytes += addedBytes
      records.push(...encoded)
      outcomes.push({ kind: 'answer', waiting, result: { result: decision.result, topic: null } })
      if (!shares) break
    }
    return { outcomes, records, clusterId: next.clusterId ?? '' }
  }

  #rejectQueued(error: StratalogError): void {
    for (const { reject } of this.#queue.splice(0)) reject(error)
  }
}

/** Refusals are given at the same time: they may rest on what was decided just before. */
function settle(outcomes: readonly Outcome[], clusterId: string, metadataOffset: number): void {
  for (const outcome of outcomes) {
    if (outcome.kind === 'refusal') outcome.waiting.reject(outcome.error)
    else outcome.waiting.resolve({ clusterId, metadataOffset, ...outcome.result })
  }
}

function topicOf(image: MetadataImage, topicId: unknown): TopicImage | null {
  return typeof topicId === 'string' ? (image.topicsById.get(topicId) ?? null) : null
}

/** NOT_CONTROLLER, with who is as far as this broker knows. */
export function notController({ leaderId, leaderEpoch }: MetadataGroup): StratalogError {
  return new StratalogError('NOT_CONTROLLER', undefined, { leader: { leaderId, leaderEpoch, host: null, port: null } })
}

/** What a partition says when it leads no more, or never will. */
const LEADS_NO_MORE: ReadonlySet<string> = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'PARTITION_DAMAGED',
  'STORAGE_ERROR',
])

/** The same in the words of a controller: another one will lead. */
function asNotController(error: unknown, group: MetadataGroup): unknown {
  return error instanceof StratalogError && LEADS_NO_MORE.has(error.code) ? notController(group) : error
}

function timedOut({ command, timeoutMs }: PendingCommand): StratalogError {
  const text = `${command.type} was not committed within ${timeoutMs} ms; it may take effect yet`
  return new StratalogError('REQUEST_TIMED_OUT', text)
}
