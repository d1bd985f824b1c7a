/**
 * The stream to one broker and the batches on it: several partitions' batches in one message, answers by number.
 *
 * Invariant: a batch is in `#awaited` from the message that carries it to its answer, or to the end of the stream.
 * Without acknowledgements the answer is that the message was handed to the socket; `finish` sees it through to the
 * broker, as a call that is cancelled discards what the socket has not sent.
 * Invariant: after a stream that failed the next is opened no sooner than a capped, jittered backoff allows, unless the
 * broker is known to be back.
 * Owner: the sender; batches belong to their queues.
 */
import { type BrokerAddress, backoffDelayMs, durabilityName, formatAddress, RETRY_BACKOFF } from '@stratalog/client'
import { fromErrorDetail, invariant, StratalogError, stratalog } from '@stratalog/proto'
import type { AcksName } from './config.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { ProducerBatch } from './producer-batch.ts'
import type { BatchAck } from './record-ack.ts'
import type { ProduceStream, SenderPort } from './sender-port.ts'
import { SentFrame } from './sent-frame.ts'

/** A batch on the stream. */
export interface AwaitedBatch {
  readonly queue: PartitionQueue
  readonly batch: ProducerBatch
}

/** What a link tells its sender. */
export interface LinkEvents {
  readonly onAck: (awaited: AwaitedBatch, ack: BatchAck) => void
  readonly onError: (awaited: AwaitedBatch, error: StratalogError) => void
  /** The broker refused a batch that it was not asked to acknowledge. */
  readonly onRefused: (error: StratalogError) => void
  /** The stream is over; what became of these batches is not known. */
  readonly onLost: (awaited: readonly AwaitedBatch[], error: StratalogError) => void
  /** More can be written. */
  readonly onRoom: () => void
}

/** Fixed properties of all links of a producer. */
export interface LinkOptions {
  readonly acks: AcksName
  readonly requestTimeoutMs: number
}

/** A message is written when it has grown to this; one batch may make it larger. */
const MESSAGE_BYTES = 1024 * 1024
/** The broker itself answers when `requestTimeoutMs` is over; how much later its answer may arrive. */
const ANSWER_GRACE_MS = 2_000
/** A broker that has said nothing for so long, while an answer is due, may not be the leader any more. */
const SILENCE_MS = 1_000
/** Of a batch beside its bytes: topic, id, lengths. */
const BATCH_OVERHEAD_BYTES = 64

const ACKS: Readonly<Record<AcksName, stratalog.v1.Acks>> = {
  all: stratalog.v1.Acks.ACKS_ALL,
  leader: stratalog.v1.Acks.ACKS_LEADER,
  none: stratalog.v1.Acks.ACKS_NONE,
}
const NOT_TOLD: BatchAck = { baseOffset: -1, leaderEpoch: 0, logAppendTimeMs: -1, durability: 'none', duplicate: false }

/** See the head of this file. */
export class BrokerLink {
  readonly broker: BrokerAddress
  readonly #port: SenderPort
  readonly #options: LinkOptions
  readonly #events: LinkEvents
  readonly #awaited = new Map<number, AwaitedBatch & { readonly frame: SentFrame }>()
  #stream: ProduceStream | null = null
  #room = true
  #nextCorrelationId = 1
  #message: stratalog.v1.ProduceBatch.$Properties[] = []
  #messageBytes = 0
  #frame = new SentFrame()
  /** Called when the stream that was told to finish is over. */
  #onFinished: (() => void) | null = null
  #failureCount = 0
  #retryAtMs = 0
  #lastHeardMs = 0

  constructor(broker: BrokerAddress, port: SenderPort, options: LinkOptions, events: LinkEvents) {
    this.broker = broker
    this.#port = port
    this.#options = options
    this.#events = events
  }

  /** When the link may be used again after a failure, ms since 1970; not in the future when it may be used now. */
  get retryAtMs(): number {
    return this.#stream === null ? this.#retryAtMs : 0
  }

  /** The stream broke, or none could be opened, and it is too soon for another. */
  isDown(nowMs: number): boolean {
    return nowMs < this.retryAtMs
  }

  /** The broker was elected: whatever failed before does not count. */
  expectBack(): void {
    this.#retryAtMs = 0
  }

  /** Partitions that wait for an answer while the broker is silent. */
  silentQueues(nowMs: number): Set<PartitionQueue> {
    const silent = new Set<PartitionQueue>()
    if (this.#options.acks === 'none' || nowMs - this.#lastHeardMs < SILENCE_MS) return silent
    for (const { queue, batch } of this.#awaited.values()) if (nowMs - batch.sentAtMs >= SILENCE_MS) silent.add(queue)
    return silent
  }

  /** Waits no more for a partition's answers: another broker leads it. What became of the batches is not known. */
  abandon(queue: PartitionQueue): AwaitedBatch[] {
    const abandoned: AwaitedBatch[] = []
    for (const [correlationId, awaited] of this.#awaited) {
      if (awaited.queue !== queue) continue
      this.#awaited.delete(correlationId)
      if (!awaited.batch.done) abandoned.push(awaited)
    }
    return abandoned
  }

  /** Whether a batch may be added now. */
  hasRoom(nowMs: number): boolean {
    return this.#room && nowMs >= this.retryAtMs
  }

  /** Adds a batch, stamped and encoded, to the message; writes the message when it is large enough. */
  add(queue: PartitionQueue, batch: ProducerBatch, bytes: Buffer, topicId: Uint8Array): void {
    const correlationId = this.#nextCorrelationId++
    this.#awaited.set(correlationId, { queue, batch, frame: this.#frame })
    const { topic, partition } = batch
    this.#message.push({ correlationId, topic, partition, topicId, recordBatch: bytes })
    this.#messageBytes += bytes.length + BATCH_OVERHEAD_BYTES
    if (this.#messageBytes >= MESSAGE_BYTES) this.flush()
  }

  /** Writes what was added. */
  flush(): void {
    if (this.#message.length === 0) return
    const batches = this.#message
    const bytes = this.#messageBytes
    this.#message = []
    this.#messageBytes = 0
    this.#stream ??= this.#open()
    const { acks, requestTimeoutMs } = this.#options
    const message = { acks: ACKS[acks], timeoutMs: requestTimeoutMs, batches }
    const frame = this.#frame
    this.#frame = new SentFrame()
    const listeners = acks === 'none' ? { onWritten: this.#onWritten(this.#stream, batches) } : frame
    this.#room = this.#stream.write(message, bytes, listeners)
  }

  /** Ends the stream when its oldest batch has waited too long for an answer. */
  checkStall(nowMs: number): void {
    const limitMs = this.#options.requestTimeoutMs + ANSWER_GRACE_MS
    for (const { batch } of this.#awaited.values()) {
      if (nowMs - batch.sentAtMs < limitMs) return
      const name = formatAddress(this.broker)
      const error = new StratalogError('NETWORK_EXCEPTION', `broker ${name} did not answer within ${limitMs} ms`)
      this.#stream?.close({ discardConnection: true })
      this.#lost(error)
      return
    }
  }

  /** Says that nothing more comes; resolves when the broker has taken all that was written, or the stream is lost. */
  finish(): Promise<void> {
    const stream = this.#stream
    if (stream === null || this.#options.acks !== 'none') return Promise.resolve()
    return new Promise((resolve) => {
      this.#onFinished = resolve
      stream.end()
    })
  }

  /** Ends the stream. */
  close(): void {
    this.#stream?.close({ discardConnection: false })
    this.#stream = null
    this.#awaited.clear()
    this.#finished()
  }

  /** What counts as the answer where the broker gives none. */
  #onWritten(stream: ProduceStream, batches: readonly stratalog.v1.ProduceBatch.$Properties[]): () => void {
    return () => {
      if (this.#stream !== stream) return
      this.#failureCount = 0
      for (const batch of batches) {
        const correlationId = batch.correlationId ?? 0
        const awaited = this.#awaited.get(correlationId)
        if (awaited === undefined) continue
        this.#awaited.delete(correlationId)
        if (!awaited.batch.done) this.#events.onAck(awaited, NOT_TOLD)
      }
    }
  }

  #finished(): void {
    this.#onFinished?.()
    this.#onFinished = null
  }

  #open(): ProduceStream {
    const stream: ProduceStream = this.#port.openStream(this.broker, {
      onMessage: (message) => {
        if (this.#stream !== stream) return
        this.#lastHeardMs = this.#port.now()
        for (const ack of message.acks ?? []) this.#onAnswer(ack)
      },
      onDrain: () => {
        if (this.#stream !== stream) return
        this.#room = true
        this.#events.onRoom()
      },
      onEnd: (error) => {
        if (this.#stream !== stream) return
        if (this.#onFinished !== null && this.#awaited.size === 0) {
          this.#stream = null
          this.#finished()
          return
        }
        const name = formatAddress(this.broker)
        this.#lost(error ?? new StratalogError('NETWORK_EXCEPTION', `broker ${name} ended the stream`))
      },
    })
    return stream
  }

  #onAnswer(answer: stratalog.v1.ProduceAck.$Properties): void {
    const correlationId = answer.correlationId ?? 0
    const awaited = this.#awaited.get(correlationId)
    if (awaited === undefined) {
      if (answer.error && this.#options.acks === 'none') this.#events.onRefused(fromErrorDetail(answer.error))
      return
    }
    this.#awaited.delete(correlationId)
    awaited.frame.answered()
    if (awaited.batch.done) return
    if (answer.error) {
      const { topic, partition } = awaited.batch
      this.#events.onError(awaited, fromErrorDetail(answer.error, { topic, partition }))
      return
    }
    this.#failureCount = 0
    this.#events.onAck(awaited, {
      baseOffset: answer.baseOffset ?? 0,
      leaderEpoch: answer.leaderEpoch ?? 0,
      logAppendTimeMs: answer.logAppendTimeMs ?? -1,
      durability: durabilityName(answer.durability),
      duplicate: answer.duplicate ?? false,
    })
  }

  #lost(error: StratalogError): void {
    invariant(this.#message.length === 0, 'a message is written in the turn in which it is begun')
    this.#stream = null
    this.#room = true
    this.#failureCount++
    this.#retryAtMs = this.#port.now() + backoffDelayMs(this.#failureCount, RETRY_BACKOFF, this.#port.random)
    const lost = [...this.#awaited.values()].filter(({ batch }) => !batch.done)
    this.#awaited.clear()
    this.#finished()
    this.#events.onLost(lost, error)
  }
}
