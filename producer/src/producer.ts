/**
 * The producer: takes records, waits for room, hands them to the accumulator, and tells what became of them.
 *
 * Order: records of one partition are written in the order of their `send`, `sendBatch` and `enqueue` calls.
 * Bound: bytes of records taken and not settled never exceed `bufferMemoryBytes`.
 */
import { tracingChannel } from 'node:diagnostics_channel'
import type { Writable } from 'node:stream'
import { type Client, type Logger, throwIfAborted, withAbort } from '@stratalog/client'
import { ProduceService, StratalogError } from '@stratalog/proto'
import { BufferMemory } from './buffer-memory.ts'
import { BuilderPool } from './builder-pool.ts'
import { type ProducerConfig, type ProducerOptions, resolveProducerConfig } from './config.ts'
import { BulkSend, type RejectAck, type ResolveAck } from './delivery.ts'
import { Idempotence } from './idempotence.ts'
import type { ProducerBatch } from './producer-batch.ts'
import { ProducerPort } from './producer-port.ts'
import { ProducerCounters, type ProducerStats } from './producer-stats.ts'
import type { ProducerRecord } from './record.ts'
import { RecordAccumulator } from './record-accumulator.ts'
import type { BatchAck, DeliveryFailure, RecordAck } from './record-ack.ts'
import { RecordPreparer } from './record-preparer.ts'
import { RecordWritable } from './record-writable.ts'
import { Sender } from './sender.ts'
import type { Bytes } from './serde.ts'
import { TopicDirectory } from './topic-directory.ts'
import type { PreparedRecord, TopicIntake } from './topic-intake.ts'

/**
 * Tracing channel of `send`, for OpenTelemetry and others: its context has `topic` and `record`, and `result` or
 * `error` at the end. Costs nothing while nobody listens.
 */
const SEND_TRACING = tracingChannel<'stratalog:producer:send', { topic: string; record: unknown }>(
  'stratalog:producer:send',
)

/** Of one send. */
export interface SendOptions {
  /** Ends the waiting with CANCELLED. A record that had room in the buffer by then may still be written. */
  readonly signal?: AbortSignal | undefined
}

const CLOSE_TIMEOUT_MS = 30_000

/** See the head of this file. Made by `createProducer`. */
export class Producer<K = Bytes, V = Bytes> implements AsyncDisposable {
  readonly client: Client
  readonly config: ProducerConfig
  readonly #ownsClient: boolean
  readonly #logger: Logger
  readonly #onError: (failure: DeliveryFailure) => void
  readonly #preparer: RecordPreparer<K, V>
  readonly #memory: BufferMemory
  readonly #accumulator: RecordAccumulator
  readonly #idempotence: Idempotence | null
  readonly #port: ProducerPort
  readonly #sender: Sender
  readonly #topics: TopicDirectory
  readonly #counters = new ProducerCounters()
  #resolveAck: ResolveAck = () => {}
  #rejectAck: RejectAck = () => {}
  readonly #capture = (resolve: ResolveAck, reject: RejectAck): void => {
    this.#resolveAck = resolve
    this.#rejectAck = reject
  }
  /** The largest record that `enqueue` refused since `ready` last resolved. */
  #refusedBytes = 0
  #flushCount = 0
  #closing: Promise<void> | null = null
  /** What everything fails with once `close` has given up waiting. */
  #ended: StratalogError | null = null

  constructor(client: Client, options: ProducerOptions<K, V>, ownsClient: boolean) {
    this.client = client
    this.config = resolveProducerConfig(options)
    this.#onError = options.onError ?? ((failure) => this.#logger.error(failure, 'records could not be delivered'))
    this.#ownsClient = ownsClient
    this.#logger = client.options.logger
    const { config } = this
    this.#preparer = new RecordPreparer(options, config)
    this.#memory = new BufferMemory(config.bufferMemoryBytes)
    this.#port = new ProducerPort(client)
    const pool = new BuilderPool(config.compression, config.compressionLevel)
    const queueOptions = { ...config, compresses: pool.compresses, random: this.#port.random }
    this.#accumulator = new RecordAccumulator(pool, queueOptions, {
      sealed: (batch) => this.#sender.compress(batch),
      acknowledged: (batch, ack) => this.#onAcknowledged(batch, ack),
      failed: (batch, error) => this.#onFailed(batch, error),
    })
    this.#idempotence = config.idempotent ? this.#makeIdempotence() : null
    this.#sender = new Sender({
      port: this.#port,
      accumulator: this.#accumulator,
      idempotence: this.#idempotence,
      pool,
      link: { acks: config.acks, requestTimeoutMs: config.requestTimeoutMs },
      urgent: () => this.#flushCount > 0 || this.#memory.waiterCount > 0,
      logger: this.#logger,
    })
    this.#topics = new TopicDirectory({
      metadata: client.metadata,
      accumulator: this.#accumulator,
      config,
      place: (intake, record) => this.#append(intake, record),
      release: (bytes) => this.#memory.release(bytes),
    })
  }

  /**
   * Sends one record. The promise is the backpressure: it waits for room in the buffer, then for the acknowledgement.
   *
   * Durability: as the acknowledgement says; with `acks: 'all'` a majority has the record, by the topic's flush policy.
   * Errors: DELIVERY_TIMED_OUT, RECORD_TOO_LARGE, SERIALIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION, CANCELLED,
   * CLIENT_CLOSED, and whatever the broker refuses for good.
   */
  send(record: ProducerRecord<K, V>, options: SendOptions = {}): Promise<RecordAck> {
    if (!SEND_TRACING.hasSubscribers) return this.#send(record, options)
    return SEND_TRACING.tracePromise(() => this.#send(record, options), { topic: record.topic, record })
  }

  /**
   * Sends records, waiting for room as needed, and waits for all acknowledgements, which come in the order given.
   * Errors: SendBatchError, which has the outcome of each record; CANCELLED; CLIENT_CLOSED.
   */
  async sendBatch(records: readonly ProducerRecord<K, V>[], options: SendOptions = {}): Promise<RecordAck[]> {
    const { signal } = options
    this.#check(signal)
    const bulk = new BulkSend(records.length)
    const done = withAbort(bulk.promise, signal)
    done.catch(() => {})
    for (let index = 0; index < records.length; index++) {
      const record = records[index]!
      try {
        throwIfAborted(signal)
        let prepared = this.#preparer.prepare(record, this.#port.now())
        if (!this.#memory.tryReserve(prepared.recordBytes)) {
          prepared = { ...prepared }
          this.#sender.wake()
          await this.#memory.reserve(prepared.recordBytes, signal)
        }
        this.#addToBulk(record.topic, prepared, bulk, index)
      } catch (error) {
        bulk.settle(index, error as StratalogError)
      }
    }
    return done
  }

  /**
   * Takes a record without a promise, for the highest rates; failures go to the `onError` option.
   *
   * @returns false when the buffer is full: the record was NOT taken; await `ready()` and give it again.
   * Errors, thrown: RECORD_TOO_LARGE, SERIALIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION, CLIENT_CLOSED.
   */
  enqueue(record: ProducerRecord<K, V>): boolean {
    this.#check(undefined)
    const prepared = this.#preparer.prepare(record, this.#port.now())
    if (!this.#memory.tryReserve(prepared.recordBytes)) {
      this.#refusedBytes = Math.max(this.#refusedBytes, prepared.recordBytes)
      this.#sender.wake()
      return false
    }
    const intake = this.#admit(record.topic, prepared)
    if (intake.partitionCount > 0) this.#append(intake, prepared).unawaited()
    else {
      this.#topics.wait(intake, prepared, {
        placed: (batch) => batch.unawaited(),
        failed: (error) => this.#onError({ topic: record.topic, partition: null, recordCount: 1, error }),
      })
    }
    return true
  }

  /**
   * Resolves when there is room for the record that `enqueue` refused, and for at least a tenth of the buffer, so that
   * a producer at its limit goes in strides. Errors: CANCELLED, CLIENT_CLOSED.
   */
  async ready(options: SendOptions = {}): Promise<void> {
    this.#check(options.signal)
    const roomBytes = Math.max(this.#refusedBytes, Math.ceil(this.config.bufferMemoryBytes / 10))
    if (!this.#memory.tryReserve(roomBytes)) {
      this.#sender.wake()
      await this.#memory.reserve(roomBytes, options.signal)
    }
    this.#refusedBytes = 0
    this.#memory.release(roomBytes)
  }

  /**
   * A Node stream into the producer. Its chunks are records; or values, when a topic is given. Writing waits for room;
   * `finish` comes after the last acknowledgement; a record that fails destroys the stream with its error.
   */
  writable(topic?: string): Writable {
    return new RecordWritable<K, V>(this, topic)
  }

  /**
   * Sends what has been taken without lingering; resolves once all of it is settled, well or not. With `acks: 'none'`
   * that is when it was handed to the socket; `close` waits until the broker has taken it.
   */
  async flush(options: SendOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    await withAbort(this.#flushAll(), options.signal)
  }

  /**
   * Takes no more records, sends what was taken, and ends; fails what is not acknowledged by then with CLIENT_CLOSED.
   *
   * @param options `timeoutMs`: how long to wait for acknowledgements, ms >= 0, default 30,000; 0 = not at all.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? CLOSE_TIMEOUT_MS)
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What the producer has done so far, and holds now. */
  stats(): ProducerStats {
    return this.#counters.read({
      retryCount: this.#sender.retryCount,
      bufferedBytes: this.#memory.usedBytes,
      outstandingBatchCount: this.#accumulator.outstandingCount,
      waitingSendCount: this.#memory.waiterCount,
    })
  }

  #check(signal: AbortSignal | undefined): void {
    if (this.#closing !== null) throw new StratalogError('CLIENT_CLOSED', 'the producer is closed')
    if (signal !== undefined) throwIfAborted(signal)
  }

  #send(record: ProducerRecord<K, V>, { signal }: SendOptions): Promise<RecordAck> {
    try {
      this.#check(signal)
      const prepared = this.#preparer.prepare(record, this.#port.now())
      if (!this.#memory.tryReserve(prepared.recordBytes)) return this.#sendLater(record.topic, { ...prepared }, signal)
      const promise = this.#sendNow(record.topic, prepared)
      return signal === undefined ? promise : withAbort(promise, signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #sendNow(topic: string, prepared: PreparedRecord): Promise<RecordAck> {
    const intake = this.#admit(topic, prepared)
    if (intake.partitionCount > 0) {
      const batch = this.#append(intake, prepared)
      const promise = new Promise<RecordAck>(this.#capture)
      batch.awaitedBy(prepared.timestamp, this.#resolveAck, this.#rejectAck)
      return promise
    }
    return new Promise((resolve, failed) => {
      const { timestamp } = prepared
      this.#topics.wait(intake, prepared, { placed: (batch) => batch.awaitedBy(timestamp, resolve, failed), failed })
    })
  }

  /** Waits for room first. Once there is room the record is sent even if the signal ends the waiting later. */
  async #sendLater(topic: string, prepared: PreparedRecord, signal: AbortSignal | undefined): Promise<RecordAck> {
    this.#sender.wake()
    await this.#memory.reserve(prepared.recordBytes, signal)
    return withAbort(this.#sendNow(topic, prepared), signal)
  }

  #addToBulk(topic: string, prepared: PreparedRecord, bulk: BulkSend, index: number): void {
    const intake = this.#admit(topic, prepared)
    const { timestamp } = prepared
    if (intake.partitionCount > 0) this.#append(intake, prepared).partOf(timestamp, bulk, index)
    else {
      this.#topics.wait(intake, prepared, {
        placed: (batch) => batch.partOf(timestamp, bulk, index),
        failed: (error) => bulk.settle(index, error),
      })
    }
  }

  /** The intake for a record with room; after the end there is none, though the record may have waited since before. */
  #admit(topic: string, prepared: PreparedRecord): TopicIntake {
    if (this.#ended === null) return this.#topics.intake(topic)
    this.#memory.release(prepared.recordBytes)
    throw this.#ended
  }

  /** Encodes the record into a batch of its partition. Its memory is reserved; given back when this throws. */
  #append(intake: TopicIntake, prepared: PreparedRecord): ProducerBatch {
    try {
      const queue = intake.queueFor(prepared, this.#port.random)
      const { recordBytes, takenMs } = prepared
      const batch = this.#accumulator.append(queue, prepared, recordBytes, intake.batchBytesMax, takenMs)
      this.#sender.wake()
      return batch
    } catch (error) {
      this.#memory.release(prepared.recordBytes)
      throw error
    }
  }

  #onAcknowledged(batch: ProducerBatch, ack: BatchAck): void {
    this.#counters.acknowledged(batch, ack)
    batch.acknowledge(ack)
    this.#memory.release(batch.reservedBytes)
  }

  #onFailed(batch: ProducerBatch, error: StratalogError): void {
    this.#counters.failed(batch)
    const { topic, partition, unawaitedCount } = batch
    batch.fail(error)
    this.#memory.release(batch.reservedBytes)
    if (unawaitedCount > 0) this.#onError({ topic, partition, recordCount: unawaitedCount, error })
  }

  #makeIdempotence(): Idempotence {
    return new Idempotence({
      init: async (previous) => {
        const { producerId = -1, producerEpoch = -1 } = previous ?? {}
        const answer = await this.client.call(ProduceService.initProducerId, { producerId, producerEpoch })
        return { producerId: answer.producerId, producerEpoch: answer.producerEpoch }
      },
      after: (ms, callback) => this.#port.after(ms, callback),
      random: this.#port.random,
      onIdentity: () => this.#sender.wake(),
      onRefused: (error) => this.#sender.failAll(error),
      logger: this.#logger,
    })
  }

  /** Zero bytes are granted after all who wait for room now, so that their records are placed by then. */
  async #flushAll(): Promise<void> {
    this.#flushCount++
    try {
      this.#sender.wake()
      await this.#memory.reserve(0)
      await this.#topics.described()
      await this.#accumulator.settled()
    } finally {
      this.#flushCount--
    }
  }

  async #close(timeoutMs: number): Promise<void> {
    if (timeoutMs > 0) {
      let timer: NodeJS.Timeout | undefined
      const timeout = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs)
      })
      await Promise.race([this.#flushAll().then(() => this.#sender.finish()), timeout])
      clearTimeout(timer)
    }
    const error = new StratalogError('CLIENT_CLOSED', 'the producer was closed before the acknowledgement came', {
      hint: 'The record may or may not have been written. Close with a longer timeoutMs, or await the sends first.',
    })
    this.#ended = error
    this.#memory.refuseWaiters(error)
    this.#topics.close(error)
    this.#sender.failAll(error)
    this.#sender.close()
    this.#idempotence?.close()
    this.#port.close()
    if (this.#ownsClient) await this.client.close()
  }
}
