/**
 * One produce stream: batches in, acknowledgements out, in order per partition.
 *
 * Backpressure: every batch counts against the budgets of its connection and of the broker from its arrival to its
 * outcome; while either is over its limit, or the client does not take its answers, the stream is not read. Answers
 * of one turn of the event loop share a message.
 *
 * Invariant: every batch is answered once, unless the call is over or its acks are `none` and it succeeded.
 * Owner: one call; all methods run on its events.
 */
import { StratalogError, stratalog, toErrorDetail } from '@stratalog/proto'
import type { Acks, Durability, ProduceOptions, ProduceOutcome } from '../../partition/produce-outcome.ts'
import type { ByteBudget } from '../byte-budget.ts'
import type { StreamCall } from '../call.ts'
import type { TellError } from '../leader-wait.ts'
import type { PartitionLookup, WritablePartition } from '../partition-access.ts'

const v1 = stratalog.v1
type ProduceRequest = stratalog.v1.ProduceRequest
type ProduceAck = stratalog.v1.ProduceAck.$Properties
type ProduceBatch = stratalog.v1.ProduceBatch.$Properties

/** What a session is made of. */
export interface ProduceSessionOptions {
  readonly call: StreamCall<ProduceRequest, stratalog.v1.ProduceResponse.$Properties>
  readonly lookup: PartitionLookup<WritablePartition>
  /** Tells an error of a partition as the client is to see it, now or in a moment. */
  readonly tellError: (error: StratalogError, tell: TellError) => void
  /** Unanswered bytes of the whole broker. */
  readonly budget: ByteBudget
  readonly defaultTimeoutMs: number
  readonly maxTimeoutMs: number
}

/** Errors of a partition that are held back. */
interface HeldBack {
  count: number
  readonly behind: (() => void)[]
}

/** Charged for a batch beside its bytes: the objects that wait with it. */
const BATCH_OVERHEAD_BYTES = 256
/** Near upper bound of an acknowledgement on the wire. */
const ACK_BYTES = 64
/** Answers that a client may leave lying before its stream is no longer read. */
const UNTAKEN_ANSWER_BYTES_MAX = 1024 * 1024

/** See the file's header. */
export class ProduceSession {
  readonly #options: ProduceSessionOptions
  #acks: ProduceAck[] = []
  #ackBytes = 0
  #isFlushScheduled = false
  #isPaused = false
  #isDraining = false
  #isClosed = false
  #hasHalfClosed = false
  #unansweredCount = 0
  /** Partitions of which an error is held back, and what must not be answered before it. */
  readonly #heldBack = new Map<string, HeldBack>()
  /** Budgets that will call when they have room again. */
  readonly #awaited = new Set<ByteBudget>()

  constructor(options: ProduceSessionOptions) {
    this.#options = options
    const { call } = options
    call.onMessage((request) => this.#onRequest(request))
    call.onHalfClose(() => {
      this.#hasHalfClosed = true
      this.#finishIfDone()
    })
    call.onFlush(() => this.#maybeResume())
    call.onClose(() => {
      this.#isClosed = true
    })
  }

  /** Reads no more, answers what is under way, then ends the call with SHUTTING_DOWN. */
  drain(): void {
    this.#isDraining = true
    this.#options.call.pause()
    this.#finishIfDone()
  }

  #onRequest(request: ProduceRequest): void {
    const { call, defaultTimeoutMs, maxTimeoutMs } = this.#options
    const timeoutMs = Math.min(request.timeoutMs === 0 ? defaultTimeoutMs : request.timeoutMs, maxTimeoutMs)
    const options: ProduceOptions = { acks: acksOf(request.acks), timeoutMs }
    for (const batch of request.batches) this.#produce(batch, options)
    if (this.#mustWait && !this.#isPaused) {
      this.#isPaused = true
      call.pause()
      this.#awaitBudgets()
    }
  }

  #produce(batch: ProduceBatch, options: ProduceOptions): void {
    const { lookup, budget, call } = this.#options
    const correlationId = batch.correlationId ?? 0
    const error = faultOf(batch) ?? (this.#isDraining ? stopping(batch) : null)
    const partition = error ?? lookup(batch.topic ?? '', batch.partition ?? 0, topicIdOf(batch))
    const bytes = asBuffer(batch.recordBatch ?? NO_BYTES)
    const charge = bytes.length + BATCH_OVERHEAD_BYTES
    const connectionBudget = call.connection.produceBudget
    budget.take(charge)
    connectionBudget.take(charge)
    this.#unansweredCount++
    const settle = (ack: ProduceAck | null): void => {
      this.#unansweredCount--
      if (ack !== null) this.#answer(ack)
      connectionBudget.give(charge)
      budget.give(charge)
      this.#finishIfDone()
    }
    const refuse = (refusal: StratalogError): void =>
      this.#refuse(batch, refusal, (told) => settle({ correlationId, error: toErrorDetail(told) }))
    if (partition instanceof StratalogError) {
      refuse(partition)
      return
    }
    partition.produce(bytes, options, (outcome) => {
      if (outcome.kind === 'error') refuse(outcome.error)
      else this.#inOrder(batch, () => settle(options.acks === 'none' ? null : ackOf(correlationId, outcome)))
    })
  }

  /** Tells an error, now or in a moment. No later batch of the partition is answered before it: clients rely on that. */
  #refuse(batch: ProduceBatch, error: StratalogError, tell: TellError): void {
    let isHeld = false
    let isTold = false
    this.#options.tellError(error, (told) => {
      isTold = true
      if (!isHeld) {
        this.#inOrder(batch, () => tell(told))
        return
      }
      tell(told)
      this.#release(placeOf(batch))
    })
    if (isTold) return
    isHeld = true
    const place = placeOf(batch)
    const held = this.#heldBack.get(place) ?? { count: 0, behind: [] }
    held.count++
    this.#heldBack.set(place, held)
  }

  /** Gives an answer, behind the errors of its partition that are held back. */
  #inOrder(batch: ProduceBatch, give: () => void): void {
    const held = this.#heldBack.size === 0 ? undefined : this.#heldBack.get(placeOf(batch))
    if (held === undefined) give()
    else held.behind.push(give)
  }

  #release(place: string): void {
    const held = this.#heldBack.get(place)
    if (held === undefined || --held.count > 0) return
    this.#heldBack.delete(place)
    for (const give of held.behind) give()
  }

  #answer(ack: ProduceAck): void {
    if (this.#isClosed) return
    this.#acks.push(ack)
    this.#ackBytes += ACK_BYTES + (ack.error ? (ack.error.message?.length ?? 0) + (ack.error.hint?.length ?? 0) : 0)
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    setImmediate(() => {
      this.#isFlushScheduled = false
      this.#flush()
      this.#finishIfDone()
    })
  }

  #flush(): void {
    if (this.#acks.length === 0) return
    const acks = this.#acks
    const bytes = this.#ackBytes
    this.#acks = []
    this.#ackBytes = 0
    this.#options.call.write({ acks }, bytes)
  }

  get #mustWait(): boolean {
    const { call, budget } = this.#options
    return budget.isOver || call.connection.produceBudget.isOver || this.#hasUntakenAnswers
  }

  get #hasUntakenAnswers(): boolean {
    return this.#options.call.unflushedBytes + this.#ackBytes >= UNTAKEN_ANSWER_BYTES_MAX
  }

  #awaitBudgets(): void {
    const { call, budget } = this.#options
    for (const waitedFor of [budget, call.connection.produceBudget]) {
      if (!waitedFor.isOver || this.#awaited.has(waitedFor)) continue
      this.#awaited.add(waitedFor)
      waitedFor.whenHalf(() => {
        this.#awaited.delete(waitedFor)
        this.#maybeResume()
      })
    }
  }

  #maybeResume(): void {
    if (!this.#isPaused || this.#isDraining || this.#isClosed) return
    if (this.#mustWait) {
      this.#awaitBudgets()
      return
    }
    this.#isPaused = false
    this.#options.call.resume()
  }

  #finishIfDone(): void {
    const isDone = this.#unansweredCount === 0 && !this.#isFlushScheduled
    if (this.#isClosed || !isDone) return
    if (this.#hasHalfClosed) this.#options.call.end()
    else if (this.#isDraining) this.#options.call.fail(new StratalogError('SHUTTING_DOWN'))
  }
}

const NO_BYTES = Buffer.alloc(0)

/** Acks of the wire; a number that this release does not know is an error of the whole call. */
export function acksOf(acks: stratalog.v1.Acks): Acks {
  switch (acks) {
    case v1.Acks.ACKS_UNSPECIFIED:
    case v1.Acks.ACKS_ALL:
      return 'all'
    case v1.Acks.ACKS_LEADER:
      return 'leader'
    case v1.Acks.ACKS_NONE:
      return 'none'
    default:
      throw new StratalogError('INVALID_REQUEST', `acks is ${String(acks)}; it must be 0 to 3`, {
        metadata: { field: 'acks' },
      })
  }
}

/** Durability as the wire has it. */
export function durabilityOf(durability: Durability): stratalog.v1.Durability {
  switch (durability) {
    case 'memory':
      return v1.Durability.DURABILITY_MEMORY
    case 'replicated':
      return v1.Durability.DURABILITY_REPLICATED
    case 'fsynced':
      return v1.Durability.DURABILITY_FSYNCED
  }
}

function ackOf(correlationId: number, outcome: Exclude<ProduceOutcome, { kind: 'error' }>): ProduceAck {
  return {
    correlationId,
    baseOffset: outcome.baseOffset,
    leaderEpoch: outcome.leaderEpoch,
    logAppendTimeMs: outcome.logAppendTimeMs,
    logStartOffset: outcome.logStartOffset,
    durability: durabilityOf(outcome.durability),
    duplicate: outcome.duplicate,
  }
}

function faultOf(batch: ProduceBatch): StratalogError | null {
  const topic = batch.topic ?? ''
  const topicIdBytes = batch.topicId?.length ?? 0
  if (topic === '') return invalid('topic', 'a batch names no topic')
  if (topicIdBytes !== 0 && topicIdBytes !== 16)
    return invalid('topic_id', `a topic id has 16 bytes, not ${topicIdBytes}`)
  if ((batch.recordBatch?.length ?? 0) === 0) return invalid('record_batch', `a batch for ${topic} has no bytes`)
  return null
}

function placeOf({ topic, partition }: ProduceBatch): string {
  return `${topic}/${partition}`
}

/** Names the partition, so that the client can be told who leads it by now. */
function stopping({ topic, partition }: ProduceBatch): StratalogError {
  return new StratalogError('SHUTTING_DOWN', undefined, { topic: topic ?? '', partition: partition ?? 0 })
}

function invalid(field: string, message: string): StratalogError {
  return new StratalogError('INVALID_REQUEST', message, { metadata: { field } })
}

function topicIdOf(batch: ProduceBatch): Uint8Array | undefined {
  return batch.topicId && batch.topicId.length > 0 ? batch.topicId : undefined
}

/** The same memory as a Buffer: decoded payloads are views of the message, which belongs to this stream. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
