/**
 * One partition's range over one fetch stream to one broker, pulled: what has come waits until it is taken, and credit
 * goes back for what was taken.
 *
 * Memory: at most the credit and one batch. Owner: one attempt of a split's reader; it does not reconnect.
 */
import { type BrokerAddress, type BrokerStream, type Client, formatAddress, onAbort } from '@stratalog/client'
import { FetchService, fromErrorDetail, StratalogError, stratalog } from '@stratalog/proto'

type FetchData = stratalog.v1.FetchData.$Properties
type FetchStream = BrokerStream<stratalog.v1.FetchRequest.$Properties, stratalog.v1.FetchResponse>

/** Signs of life without progress for this many times the stall timeout: a copy that is stuck, and another may not be. */
const STUCK_FACTOR = 4
/** Looks at the clock in a stall timeout. */
const WATCH_FACTOR = 10
const START_BYTES = 160
const CREDIT_BYTES = 24
/** The one handle of the stream. */
const HANDLE = 1

/** What is read. */
export interface PullOptions {
  readonly broker: BrokerAddress
  readonly topic: string
  readonly partition: number
  readonly topicId: Buffer
  readonly fromOffset: number
  readonly endOffset: number
  /** Epoch of the last batch read, 0 = none. */
  readonly lastEpoch: number
  /** Whether a copy that does not lead will do. */
  readonly anyReplica: boolean
  readonly creditBytes: number
  /** Brokers send signs of life every few seconds: silence for this long means that the connection is dead. */
  readonly stallTimeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** Some of the range. */
export interface PulledData {
  readonly bytes: Buffer
  readonly nextOffset: number
}

/**
 * The range in order, until its end. Errors: the broker's for the partition or the stream; STALLED.
 */
export async function* pull(client: Client, options: PullOptions): AsyncGenerator<PulledData, void, undefined> {
  const inbox = new Inbox(options)
  const stream: FetchStream = client.openStream(FetchService.fetchStream, options.broker, 'fetch', {
    onMessage: (response) => inbox.put(response.data),
    onEnd: (error) => inbox.fail(error ?? endedEarly(options)),
  })
  const watch = setInterval(() => inbox.watch(), options.stallTimeoutMs / WATCH_FACTOR)
  const stopListening = onAbort(options.signal, () => inbox.fail(new StratalogError('CANCELLED')))
  try {
    stream.write({ starts: [startOf(options)] }, START_BYTES)
    for (let data = await inbox.take(); data !== null; data = await inbox.take()) {
      yield data
      const { length } = data.bytes
      if (length > 0) stream.write({ credits: [{ handle: HANDLE, bytes: length }] }, CREDIT_BYTES)
    }
  } finally {
    stopListening()
    clearInterval(watch)
    stream.close({ discardConnection: inbox.isSilent })
  }
}

function startOf(options: PullOptions): stratalog.v1.FetchStart.$Properties {
  const { topic, partition, topicId, fromOffset, endOffset, creditBytes, lastEpoch, anyReplica } = options
  return {
    handle: HANDLE,
    topic,
    partition,
    topicId,
    offset: fromOffset,
    endOffset,
    creditBytes,
    lastEpoch: lastEpoch > 0 ? lastEpoch : -1,
    readClass: stratalog.v1.ReadClass.READ_CLASS_REPLAY,
    anyReplica,
  }
}

/** What has come and was not taken yet, and how it ended. */
class Inbox {
  readonly #options: PullOptions
  readonly #waiting: PulledData[] = []
  #position: number
  #error: StratalogError | null = null
  #wake: (() => void) | null = null
  #heardMs = performance.now()
  #progressMs = performance.now()
  /** The broker was not heard for too long. */
  isSilent = false

  constructor(options: PullOptions) {
    this.#options = options
    this.#position = options.fromOffset
  }

  put(entries: readonly FetchData[]): void {
    this.#heardMs = performance.now()
    for (const entry of entries) {
      if (entry.handle !== HANDLE) continue
      if (entry.error) {
        const { topic, partition } = this.#options
        this.fail(fromErrorDetail(entry.error, { topic, partition }))
        return
      }
      const nextOffset = Math.max(this.#position, entry.nextOffset ?? 0)
      const bytes = toBuffer(entry.recordBatches)
      if (bytes.length === 0 && nextOffset === this.#position) continue
      this.#position = nextOffset
      this.#progressMs = this.#heardMs
      this.#waiting.push({ bytes, nextOffset })
    }
    this.#wakeUp()
  }

  /** The first reason counts; what came before it is still given out. */
  fail(error: StratalogError): void {
    this.#error ??= error
    this.#wakeUp()
  }

  /** The next data, or null at the end of the range. */
  async take(): Promise<PulledData | null> {
    for (;;) {
      const data = this.#waiting.shift()
      if (data !== undefined) {
        this.#progressMs = performance.now()
        return data
      }
      if (this.#position >= this.#options.endOffset) return null
      if (this.#error !== null) throw this.#error
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Ends a wait that will not end by itself. */
  watch(): void {
    const nowMs = performance.now()
    // Nothing is owed while what came waits to be taken.
    if (this.#waiting.length > 0) return
    const { broker, stallTimeoutMs } = this.#options
    const name = formatAddress(broker)
    if (nowMs - this.#heardMs > stallTimeoutMs) {
      this.isSilent = true
      this.fail(new StratalogError('STALLED', `nothing was heard from ${name} for ${stallTimeoutMs} ms`))
    } else if (nowMs - this.#progressMs > STUCK_FACTOR * stallTimeoutMs) {
      const text = `${name} has been at offset ${this.#position} for ${STUCK_FACTOR * stallTimeoutMs} ms`
      this.fail(new StratalogError('STALLED', text))
    }
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

function endedEarly({ topic, partition, broker }: PullOptions): StratalogError {
  const text = `${formatAddress(broker)} ended the stream before the range was read`
  return new StratalogError('NETWORK_EXCEPTION', text, { topic, partition })
}

function toBuffer(bytes: Uint8Array | null | undefined): Buffer {
  if (!bytes) return Buffer.alloc(0)
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
