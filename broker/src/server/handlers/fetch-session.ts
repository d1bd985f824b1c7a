/**
 * One fetch stream: the client starts partitions and grants credit, the broker pushes what is committed.
 *
 * ```
 *  news (commit, credit, start) -> look -> ready sets -> read (few at a time, round robin) -> outbox -> one message
 *                                          live, history: history last, and as the broker's replay gate lets it
 * ```
 * Bounded on this side by bytes: a read reserves its size in the outbox, the reservation becomes what was read, and it
 * is given back when the network has taken it.
 *
 * Owner: one call. A read is asynchronous: whatever was known before it is looked at again after it.
 */
import { StratalogError, type stratalog } from '@stratalog/proto'
import type { ByteBudget } from '../byte-budget.ts'
import type { StreamCall } from '../call.ts'
import type { TellError } from '../leader-wait.ts'
import type { PartitionLookup, ReadablePartition } from '../partition-access.ts'
import type { ReplayGate } from '../replay-gate.ts'
import { FetchOutbox, MESSAGE_TARGET_BYTES } from './fetch-outbox.ts'
import { checkCredit, checkFetchStart, FetchReader, failedHandle } from './fetch-reader.ts'

type FetchRequest = stratalog.v1.FetchRequest
type FetchStart = stratalog.v1.FetchStart.$Properties
type FetchData = stratalog.v1.FetchData.$Properties

/** What a session is made of. */
export interface FetchSessionOptions {
  readonly call: StreamCall<FetchRequest, stratalog.v1.FetchResponse.$Properties>
  /** The partitions that this broker leads. */
  readonly lookup: PartitionLookup<ReadablePartition>
  /** Its copies, whoever leads. */
  readonly lookupCopy: PartitionLookup<ReadablePartition>
  readonly replayGate: ReplayGate
  /** Bytes written and not yet taken by the network, of the whole broker. */
  readonly budget: ByteBudget
  readonly creditBytesMax: number
  readonly handlesMax: number
  readonly heartbeatMs: number
  readonly stallMs: number
  readonly nowMs: () => number
  /** Names an error of a read; logs what has no name. */
  readonly nameError: (error: unknown) => StratalogError
  /** Tells an error of a partition as the client is to see it, now or in a moment. */
  readonly tellError: (error: StratalogError, tell: TellError) => void
}

/** Near upper bound of the fields beside the batches. */
const DATA_OVERHEAD_BYTES = 80
const READS_IN_FLIGHT_MAX = 4
/** Handles over a stream's life: they are remembered, as none may be used twice. */
const HANDLES_EVER_MAX = 1_000_000

/** See the file's header. */
export class FetchSession {
  readonly #options: FetchSessionOptions
  readonly #readers = new Map<number, FetchReader>()
  readonly #usedHandles = new Set<number>()
  /** Readers with news to look at, and readers that may read, in the order in which they get their turn. */
  readonly #news = new Set<FetchReader>()
  readonly #ready = new Set<FetchReader>()
  /** Those of history that may read. */
  readonly #readyHistory = new Set<FetchReader>()
  readonly #outbox: FetchOutbox
  #readsInFlight = 0
  /** Errors that are told in a moment. */
  #untoldCount = 0
  readonly #onGate = (): void => this.#schedule()
  #isTurnScheduled = false
  #hasHalfClosed = false
  #isOver = false

  constructor(options: FetchSessionOptions) {
    this.#options = options
    const { call, budget, nowMs } = options
    this.#outbox = new FetchOutbox(call, budget, nowMs)
    call.onMessage((request) => this.#onRequest(request))
    call.onFlush((bytes) => {
      this.#outbox.onFlush(bytes)
      this.#schedule()
    })
    call.onHalfClose(() => {
      this.#hasHalfClosed = true
      this.#schedule()
    })
    call.onClose(() => this.#close())
  }

  /** Ends the call with an error, such as SHUTTING_DOWN. */
  fail(error: StratalogError): void {
    this.#options.call.fail(error)
    this.#close()
  }

  /** Sends signs of life to handles that have been silent; closes a connection that takes nothing. */
  tick(): void {
    const { nowMs, heartbeatMs, stallMs, call } = this.#options
    const now = nowMs()
    if (this.#outbox.stalledMs >= stallMs) {
      call.connection.destroy()
      return
    }
    for (const reader of this.#readers.values()) {
      if (now - reader.lastSentMs < heartbeatMs || this.#outbox.mustWait) continue
      const bounds = reader.partition.bounds()
      if (!this.#endIfFaulty(reader)) this.#put(reader.data(bounds, null), DATA_OVERHEAD_BYTES, reader)
    }
  }

  #onRequest(request: FetchRequest): void {
    for (const start of request.starts) this.#start(start)
    for (const { handle, bytes } of request.credits) this.#grant(handle ?? 0, bytes ?? 0)
    for (const { handle } of request.stops) this.#stop(handle ?? 0)
  }

  #start(start: FetchStart): void {
    const { lookup, lookupCopy, creditBytesMax, handlesMax, nowMs } = this.#options
    const handle = start.handle ?? 0
    if (this.#usedHandles.has(handle)) {
      throw new StratalogError('INVALID_REQUEST', `handle ${handle} was used before on this stream`, {
        metadata: { field: 'handle' },
      })
    }
    if (this.#usedHandles.size >= HANDLES_EVER_MAX) {
      throw new StratalogError('OVERLOADED', `${HANDLES_EVER_MAX} handles were used on this stream; open a new one`)
    }
    this.#usedHandles.add(handle)
    const error = checkFetchStart(start, creditBytesMax) ?? this.#handleLimitFault(handlesMax)
    const topicId = start.topicId && start.topicId.length > 0 ? start.topicId : undefined
    const find = start.anyReplica ? lookupCopy : lookup
    const partition = error ?? find(start.topic ?? '', start.partition ?? 0, topicId)
    if (partition instanceof StratalogError) {
      this.#tellFailed(handle, partition)
      return
    }
    const reader = new FetchReader(start, partition, nowMs())
    const bounds = partition.bounds()
    const fault = reader.startFault(bounds, start.lastEpoch ?? 0)
    if (fault !== null) {
      this.#tellFailed(handle, fault)
      return
    }
    this.#readers.set(handle, reader)
    reader.stopListening = partition.onAdvance(() => {
      reader.isWaitingForNews = false
      this.#news.add(reader)
      this.#schedule()
    })
    this.#put(reader.data(bounds, null), DATA_OVERHEAD_BYTES, reader)
    if (reader.hasReachedEnd) this.#remove(reader)
    else this.#news.add(reader)
    this.#schedule()
  }

  #handleLimitFault(handlesMax: number): StratalogError | null {
    if (this.#readers.size < handlesMax) return null
    return new StratalogError('OVERLOADED', `this stream reads ${handlesMax} partitions already, which is the limit`)
  }

  #grant(handle: number, bytes: number): void {
    const reader = this.#readers.get(handle)
    if (reader === undefined) {
      this.#refuseUnknown(handle)
      return
    }
    const fault = checkCredit(reader.creditBytes + bytes, this.#options.creditBytesMax)
    if (fault !== null) {
      this.#endWith(reader, fault)
      return
    }
    reader.creditBytes += bytes
    this.#news.add(reader)
    this.#schedule()
  }

  #stop(handle: number): void {
    const reader = this.#readers.get(handle)
    if (reader === undefined) this.#refuseUnknown(handle)
    else this.#remove(reader)
    this.#schedule()
  }

  /** Credit and stops may cross the end of a handle on their way: only a handle that never was is an error. */
  #refuseUnknown(handle: number): void {
    if (this.#usedHandles.has(handle)) return
    const error = new StratalogError('UNKNOWN_CONSUMER_HANDLE', `handle ${handle} was never started on this stream`)
    this.#tellFailed(handle, error)
  }

  #schedule(): void {
    if (this.#isTurnScheduled || this.#isOver) return
    this.#isTurnScheduled = true
    setImmediate(() => {
      this.#isTurnScheduled = false
      if (!this.#isOver) this.#turn()
    })
  }

  #turn(): void {
    for (const reader of this.#news) {
      this.#news.delete(reader)
      this.#look(reader)
    }
    this.#readOn()
    this.#readHistory()
    this.#outbox.send()
    if (this.#hasHalfClosed) this.#endIfNothingMoreCanCome()
  }

  #look(reader: FetchReader): void {
    if (reader.isEnded || this.#endIfFaulty(reader)) return
    if (!reader.canRead(reader.partition.bounds())) return
    const ready = reader.isReplay ? this.#readyHistory : this.#ready
    ready.add(reader)
  }

  #readOn(): void {
    for (const reader of this.#ready) {
      if (this.#readsInFlight >= READS_IN_FLIGHT_MAX) return
      if (this.#outbox.mustWait) {
        this.#outbox.whenRoom(() => this.#schedule())
        return
      }
      this.#ready.delete(reader)
      if (reader.canRead(reader.partition.bounds())) void this.#readLive(reader)
    }
  }

  /** Only when no live read of this stream waits. */
  #readHistory(): void {
    const { replayGate } = this.#options
    if (this.#ready.size > 0) return
    for (const reader of this.#readyHistory) {
      if (this.#readsInFlight >= READS_IN_FLIGHT_MAX) return
      if (this.#outbox.mustWait) {
        this.#outbox.whenRoom(() => this.#schedule())
        return
      }
      const mayRead = reader.canRead(reader.partition.bounds())
      if (mayRead && !replayGate.tryBegin(this.#onGate)) return
      this.#readyHistory.delete(reader)
      if (mayRead) void this.#read(reader, replayGate.readBytesMax).then((bytes) => replayGate.ended(bytes))
    }
  }

  async #readLive(reader: FetchReader): Promise<void> {
    const { replayGate } = this.#options
    replayGate.liveBegan()
    await this.#read(reader, MESSAGE_TARGET_BYTES)
    replayGate.liveEnded()
  }

  /** Never rejects. @returns the bytes that were read. */
  async #read(reader: FetchReader, bytesMax: number): Promise<number> {
    const maxBytes = Math.min(reader.creditBytes, bytesMax)
    reader.isReading = true
    this.#readsInFlight++
    this.#outbox.take(maxBytes)
    try {
      const { bytes, nextOffset } = await reader.partition.read(reader.position, maxBytes)
      this.#onRead(reader, bytes, nextOffset)
      return bytes?.length ?? 0
    } catch (error) {
      if (!reader.isEnded) this.#endWith(reader, this.#options.nameError(error))
      return 0
    } finally {
      this.#readsInFlight--
      reader.isReading = false
      this.#outbox.give(maxBytes)
      this.#news.add(reader)
      this.#schedule()
    }
  }

  #onRead(reader: FetchReader, bytes: Buffer | null, nextOffset: number): void {
    if (reader.isEnded || this.#isOver) return
    reader.isWaitingForNews = bytes === null && nextOffset === reader.position
    reader.position = nextOffset
    const isEnd = reader.hasReachedEnd
    if (bytes !== null || isEnd) {
      reader.creditBytes -= bytes?.length ?? 0
      this.#put(reader.data(reader.partition.bounds(), bytes), DATA_OVERHEAD_BYTES + (bytes?.length ?? 0), reader)
    }
    if (isEnd) this.#remove(reader)
  }

  #endIfFaulty(reader: FetchReader): boolean {
    const fault = reader.fault(reader.partition.bounds())
    if (fault !== null) this.#endWith(reader, fault)
    return fault !== null
  }

  #endWith(reader: FetchReader, error: StratalogError): void {
    this.#remove(reader)
    this.#tellFailed(reader.handle, error)
  }

  #tellFailed(handle: number, error: StratalogError): void {
    this.#untoldCount++
    this.#options.tellError(error, (told) => {
      this.#untoldCount--
      this.#put(failedHandle(handle, told), DATA_OVERHEAD_BYTES + told.message.length + told.hint.length, null)
      this.#schedule()
    })
  }

  #remove(reader: FetchReader): void {
    reader.isEnded = true
    reader.stopListening()
    this.#readers.delete(reader.handle)
    this.#ready.delete(reader)
    this.#readyHistory.delete(reader)
    this.#news.delete(reader)
  }

  #put(data: FetchData, bytes: number, reader: FetchReader | null): void {
    if (this.#isOver) return
    if (reader !== null) reader.lastSentMs = this.#options.nowMs()
    if (!this.#outbox.put(data, bytes)) this.#schedule()
  }

  #endIfNothingMoreCanCome(): void {
    if (this.#readsInFlight + this.#untoldCount > 0 || !this.#outbox.isEmpty) return
    for (const reader of this.#readers.values()) if (reader.creditBytes > 0) return
    this.#options.call.end()
  }

  #close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#options.replayGate.forget(this.#onGate)
    this.#outbox.close()
    for (const reader of [...this.#readers.values()]) this.#remove(reader)
  }
}
