/**
 * The batches of one partition: in what order they are sent, sent again, and given up. Pure: time comes in as a
 * number, what happens goes out through `QueueEvents`.
 *
 * ```
 *   append -> open -> ready -> in flight -> acknowledged | failed
 *              (full or due)      |   ^
 *                                 v   |   all in flight answered, backoff over
 *                               resend
 * ```
 * Invariant: batches leave in the order of their ordinals. After a failure nothing is sent until every batch in flight
 * has been answered; then those to be repeated go first, in their old order, with their old sequences.
 * Invariant (idempotent): sequences of an identity are handed out without gaps. When a stamped batch is given up,
 * nothing new is stamped before another identity is adopted, and that happens only when nothing that may have been
 * written under the old one is outstanding.
 * Invariant (idempotent): the first batch after a start, a failure or a long pause travels alone, as a broker accepts
 * any sequence from a producer that it does not know: a second one could overtake the first and make it a duplicate.
 * Invariant: a batch of several records that is too large is split in its place; its parts have its sequences, and its
 * doubts, so that they fail rather than be written twice where an attempt of the whole was written after all.
 * Invariant (not idempotent): a batch that may have been written is never sent again.
 * Source: Kafka Sender and TransactionManager (idempotent part); KIP-360.
 */
import { type BackoffOptions, backoffDelayMs } from '@stratalog/client'
import { invariant, StratalogError } from '@stratalog/proto'
import type { ProducerIdentity } from './idempotence.ts'
import { leaderIsSuspect, verdictOf } from './outcome.ts'
import type { ProducerBatch } from './producer-batch.ts'
import type { BatchAck } from './record-ack.ts'
import { addSequence } from './sequence.ts'

/** Fixed properties of all queues of a producer. */
export interface QueueOptions {
  readonly idempotent: boolean
  readonly maxInFlight: number
  readonly lingerMs: number
  readonly deliveryTimeoutMs: number
  /** Batches take a turn in the thread pool before they can be sent. */
  readonly compresses: boolean
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** What a queue tells. Called synchronously. */
export interface QueueEvents {
  /** An uncompressed batch is complete and must be compressed; its `bytes` are awaited. */
  readonly sealed: (batch: ProducerBatch) => void
  /** A batch is to be split (ProducerBatch.split). Returns the parts, which are outstanding in its place. */
  readonly split: (batch: ProducerBatch, partCount: number) => readonly ProducerBatch[]
  readonly acknowledged: (batch: ProducerBatch, ack: BatchAck) => void
  readonly failed: (batch: ProducerBatch, error: StratalogError) => void
}

const BATCH_BACKOFF: BackoffOptions = { initialMs: 20, maxMs: 1_000 }
/** After an error that an election does away with. */
const LEADER_BACKOFF: BackoffOptions = { initialMs: 20, maxMs: 250 }
/** After a pause of this length the broker may have forgotten the producer. */
const PAUSE_MS = 60_000
const UNKNOWN_PLACE = {
  baseOffset: -1,
  leaderEpoch: 0,
  logAppendTimeMs: -1,
  durability: 'memory',
  duplicate: true,
} as const

/** See the head of this file. */
export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  /** The leader that is known has failed; nothing is sent before it was looked up again. */
  leaderSuspect = false
  /** The batch being filled. */
  open: ProducerBatch | null = null
  readonly #options: QueueOptions
  readonly #events: QueueEvents
  #ready: ProducerBatch[] = []
  #inFlight: ProducerBatch[] = []
  #resend: ProducerBatch[] = []
  #identity: ProducerIdentity | null = null
  #nextSequence = 0
  /** A sequence of `#identity` was given up: it may stamp nothing more. */
  #mustRenew = false
  /** A batch under `#identity` was acknowledged, lately, and nothing has failed since. */
  #established = false
  #lastAckMs = 0
  #failureCount = 0
  #retryAtMs = 0
  /** Term of the leader known last; 0 = none yet. */
  #leaderEpoch = 0

  constructor(topic: string, partition: number, options: QueueOptions, events: QueueEvents) {
    this.topic = topic
    this.partition = partition
    this.#options = options
    this.#events = events
  }

  /** Whether there is a batch that is not in flight. */
  get hasUnsent(): boolean {
    return this.open !== null || this.#ready.length > 0 || this.#resend.length > 0
  }

  /** Batches sent and not answered. */
  get inFlightCount(): number {
    return this.#inFlight.length
  }

  /** The identity to be given up, where another is needed before anything can be sent. */
  get identityToRenew(): ProducerIdentity | null {
    return this.#mustRenew ? this.#identity : null
  }

  /**
   * Takes note of the leader's term. A new leader need not be waited for as one that fails is.
   *
   * @returns whether it is a new one.
   */
  noteLeader(leaderEpoch: number): boolean {
    if (leaderEpoch === this.#leaderEpoch) return false
    const isNew = this.#leaderEpoch !== 0
    this.#leaderEpoch = leaderEpoch
    if (!isNew) return false
    this.#retryAtMs = 0
    this.#failureCount = Math.min(this.#failureCount, 1)
    return true
  }

  /** Takes the open batch out of filling; it will be sent after those before it. */
  seal(): void {
    const batch = this.open
    if (batch === null) return
    this.open = null
    this.#ready.push(batch)
    if (this.#options.compresses) this.#events.sealed(batch)
  }

  /**
   * Whether `take` may have a batch to give, identity aside. Seals the open batch when it is due: as long as the
   * batches in flight are as many as allowed it goes on filling instead.
   */
  prepare(nowMs: number, flushing: boolean): boolean {
    if (this.leaderSuspect || this.#resend.length > 0 || nowMs < this.#retryAtMs) return false
    if (this.#inFlight.length >= this.#window()) return false
    if (
      this.#ready.length === 0 &&
      this.open !== null &&
      (flushing || nowMs >= this.open.createdMs + this.#options.lingerMs)
    ) {
      this.seal()
    }
    const head = this.#ready[0]
    return head !== undefined && !head.encoding
  }

  /** The next batch to be sent, which is then in flight, stamped if idempotent; `null` when it must wait. */
  take(nowMs: number, identity: ProducerIdentity | null): ProducerBatch | null {
    const head = this.#ready[0]
    if (head === undefined || head.encoding) return null
    if (this.#options.idempotent && !this.#stamp(head, identity)) return null
    if (this.#inFlight.length === 0 && nowMs - this.#lastAckMs > PAUSE_MS) this.#established = false
    this.#ready.shift()
    this.#inFlight.push(head)
    head.attemptCount++
    head.sentAtMs = nowMs
    return head
  }

  /** When, after `nowMs`, a batch may become due by time alone; Infinity when it will not. */
  nextWakeMs(nowMs: number): number {
    if (nowMs < this.#retryAtMs) return this.#retryAtMs
    if (this.open === null || this.#ready.length > 0) return Infinity
    const dueMs = this.open.createdMs + this.#options.lingerMs
    return dueMs > nowMs ? dueMs : Infinity
  }

  /** The broker has written the batch. */
  onAck(batch: ProducerBatch, ack: BatchAck, nowMs: number): void {
    this.#leaveFlight(batch)
    this.#failureCount = 0
    this.#lastAckMs = nowMs
    if (this.#resend.length === 0 && batch.identity === this.#identity) this.#established = true
    this.#events.acknowledged(batch, ack)
    this.#maybeResume(nowMs)
  }

  /** The broker has answered the batch with an error. */
  onError(batch: ProducerBatch, error: StratalogError, nowMs: number): void {
    const verdict = verdictOf(error)
    batch.lastError = error
    if (verdict === 'written' && batch.uncertain) {
      this.onAck(batch, UNKNOWN_PLACE, nowMs)
      return
    }
    this.#leaveFlight(batch)
    this.#established = false
    switch (verdict) {
      case 'retry':
        this.#repeat(batch, true, error)
        break
      case 'refused':
        if (error.code === 'UNKNOWN_TOPIC_ID') this.#startAnew(batch)
        this.#repeat(batch, false, error)
        break
      case 'sequence':
      case 'written':
        this.#onSequenceRefused(batch, error)
        break
      case 'split':
        this.#split(batch, error)
        break
      case 'fatal':
        this.#giveUp(batch, error)
    }
    this.#maybeResume(nowMs, leaderIsSuspect(error) ? LEADER_BACKOFF : BATCH_BACKOFF)
  }

  /**
   * The connection broke, or never stood: then none of the batches was sent; else it is not known. How soon the broker
   * is tried again is not this queue's affair, and another one need not be waited for.
   */
  onConnectionLost(batches: readonly ProducerBatch[], error: StratalogError, nowMs: number): void {
    const doubtful = error.code !== 'BROKER_NOT_AVAILABLE'
    this.#established = false
    for (const batch of batches) {
      batch.lastError = error
      this.#leaveFlight(batch)
      this.#repeat(batch, doubtful, error)
    }
    this.#maybeResume(nowMs, null)
  }

  /** Gives up batches that are older than the delivery timeout. Returns whether there were any. */
  expire(nowMs: number): boolean {
    const limitMs = this.#options.deliveryTimeoutMs
    const expired = this.#all().filter((batch) => nowMs - batch.createdMs >= limitMs)
    for (const batch of expired) {
      const attempts = `${batch.attemptCount} attempt${batch.attemptCount === 1 ? '' : 's'}`
      const last =
        batch.lastError === null ? '' : `, the last error: ${batch.lastError.code}: ${batch.lastError.message}`
      this.#drop(
        batch,
        new StratalogError('DELIVERY_TIMED_OUT', `not acknowledged within ${limitMs} ms, after ${attempts}${last}`, {
          topic: this.topic,
          partition: this.partition,
          cause: batch.lastError ?? undefined,
        }),
      )
    }
    if (expired.length > 0) this.#maybeResume(nowMs)
    return expired.length > 0
  }

  /** Gives up every batch. */
  failAll(error: StratalogError): void {
    for (const batch of this.#all()) this.#drop(batch, error)
  }

  /** Gives up one batch that cannot be sent at all, such as one that cannot be compressed. */
  failBatch(batch: ProducerBatch, error: StratalogError): void {
    this.#drop(batch, error)
  }

  /** All batches, oldest first. */
  #all(): ProducerBatch[] {
    const open = this.open === null ? [] : [this.open]
    return [...this.#resend, ...this.#inFlight, ...this.#ready, ...open].sort((a, b) => a.ordinal - b.ordinal)
  }

  /** How many batches may be in flight now. */
  #window(): number {
    const alone = this.#options.idempotent ? !this.#established : this.#failureCount > 0
    return alone ? 1 : this.#options.maxInFlight
  }

  /** Gives the batch its identity and sequence, unless it has them; false when it must wait for an identity. */
  #stamp(head: ProducerBatch, current: ProducerIdentity | null): boolean {
    if (head.identity !== null) {
      invariant(head.identity === this.#identity, 'a repeated batch has the identity of its queue')
      return true
    }
    if (current === null) return false
    if (this.#identity !== current) {
      if (this.#inFlight.length > 0 || this.#ready.some((batch) => batch.identity !== null)) return false
      this.#identity = current
      this.#nextSequence = 0
      this.#mustRenew = false
      this.#established = false
    }
    if (this.#mustRenew) return false
    head.identity = current
    head.baseSequence = this.#nextSequence
    this.#nextSequence = addSequence(this.#nextSequence, head.recordCount)
    return true
  }

  #leaveFlight(batch: ProducerBatch): void {
    const index = this.#inFlight.indexOf(batch)
    invariant(index >= 0, 'only a batch in flight is answered')
    this.#inFlight.splice(index, 1)
  }

  #repeat(batch: ProducerBatch, doubtful: boolean, error: StratalogError): void {
    if (doubtful) batch.uncertain = true
    if (batch.uncertain && !this.#options.idempotent) this.#giveUp(batch, error)
    else this.#resend.push(batch)
  }

  /** Repeats the records in batches that should fit; a record that is too large by itself is given up. */
  #split(batch: ProducerBatch, error: StratalogError): void {
    const { recordCount, bytes } = batch
    if (recordCount === 1) {
      this.#giveUp(batch, error)
      return
    }
    const limitBytes = Number(error.metadata['limit'])
    const fitCount = limitBytes > 0 ? Math.ceil((bytes?.length ?? 0) / limitBytes) : 0
    const parts = this.#events.split(batch, Math.min(recordCount, Math.max(2, fitCount)))
    this.#resend.push(...parts)
    if (this.#options.compresses) for (const part of parts) this.#events.sealed(part)
  }

  /**
   * The broker does not take this sequence. Behind a batch that waits to be repeated that is no news. At the front
   * the broker has lost what came before, or does not know the producer.
   */
  #onSequenceRefused(batch: ProducerBatch, error: StratalogError): void {
    if (!this.#mustRenew && this.#resend.some((earlier) => earlier.ordinal < batch.ordinal)) {
      this.#resend.push(batch)
      return
    }
    const behindGap = this.#mustRenew
    this.#mustRenew = true
    const harmless = behindGap || error.code === 'UNKNOWN_PRODUCER_ID'
    if (harmless && !batch.uncertain) this.#resend.push(batch)
    else this.#giveUp(batch, error)
  }

  /** The topic is another one: nothing of this batch is in it, and sequences begin anew. */
  #startAnew(batch: ProducerBatch): void {
    batch.uncertain = false
    if (this.#options.idempotent) this.#mustRenew = true
  }

  #giveUp(batch: ProducerBatch, error: StratalogError): void {
    if (batch.identity !== null && batch.identity === this.#identity) this.#mustRenew = true
    this.#events.failed(batch, error)
  }

  #drop(batch: ProducerBatch, error: StratalogError): void {
    if (this.open === batch) this.open = null
    this.#ready = this.#ready.filter((other) => other !== batch)
    this.#resend = this.#resend.filter((other) => other !== batch)
    this.#inFlight = this.#inFlight.filter((other) => other !== batch)
    this.#giveUp(batch, error)
  }

  /** Once nothing is in flight, puts what must be repeated back to the front. */
  #maybeResume(nowMs: number, backoff: BackoffOptions | null = BATCH_BACKOFF): void {
    if (this.#inFlight.length > 0) return
    if (this.#mustRenew) this.#unstampRefused()
    if (this.#resend.length === 0) return
    this.#resend.sort((a, b) => a.ordinal - b.ordinal)
    this.#ready = [...this.#resend, ...this.#ready]
    this.#resend = []
    this.#failureCount++
    if (backoff !== null) this.#retryAtMs = nowMs + backoffDelayMs(this.#failureCount, backoff, this.#options.random)
  }

  /**
   * Frees batches from an identity that is to be given up. A batch that no attempt has written can be stamped anew,
   * and so can all behind it, for a broker takes no sequence whose predecessor is missing.
   */
  #unstampRefused(): void {
    const stamped = [...this.#resend, ...this.#ready].filter((batch) => batch.identity !== null)
    stamped.sort((a, b) => a.ordinal - b.ordinal)
    const firstRefused = stamped.findIndex((batch) => !batch.uncertain)
    if (firstRefused >= 0) for (const batch of stamped.slice(firstRefused)) batch.unstamp()
  }
}
