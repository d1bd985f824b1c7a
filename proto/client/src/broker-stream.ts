/**
 * One long-lived stream to one broker, with writes bounded in bytes.
 *
 * Invariant: `onEnd` is called exactly once, after the last `onMessage`; a stream that `close()` ended reports nothing.
 * Invariant: `unwrittenBytes` is what was given to `write` and is not yet handed to the socket; grpc-js itself would
 * count messages and accept any number of bytes.
 * Owner: who opened it. A stream does not reconnect: its owner knows what must be sent again.
 */
import { type ClientDuplexStream, type Client as GrpcClient, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { StratalogError } from '@stratalog/proto'
import type { BrokerAddress } from './address.ts'
import { fromCallError } from './call-error.ts'
import type { BrokerConnection } from './connection.ts'
import { tellFrame } from './frame-memory.ts'

/** What a stream needs of an RpcMethod. */
export interface StreamMethod<RequestIn, ResponseOut> {
  readonly path: string
  readonly requestSerialize: (message: RequestIn) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => ResponseOut
}

/** What happens on a stream. All are called from the event loop, never from within a method of the stream. */
export interface StreamHandlers<Out> {
  readonly onMessage: (message: Out) => void
  /** The stream is over: `null` when the broker ended it in order. */
  readonly onEnd: (error: StratalogError | null) => void
  /** Connected; what was written before is on its way. */
  readonly onOpen?: () => void
  /** There is room again after `write` returned false. */
  readonly onDrain?: () => void
}

/** Bytes that may wait to be written before `write` answers false, unless chosen otherwise. */
export const WRITE_BUFFER_BYTES_MAX: number = 4 * 1024 * 1024

/** What a stream's maker may set. */
export interface StreamOptions {
  /** Bytes that may wait to be written before `write` answers false; default 4 MiB. */
  readonly writeBufferBytesMax?: number
  /** Called when its owner closes the stream. */
  readonly onClose?: () => void
}

/** Told of one message on its way to the socket. */
export interface WriteListeners {
  /** It was handed to the socket. Never called when the stream ends first. */
  readonly onWritten?: () => void
  /** The buffer that it was copied into, which `freeFrame` may free later. */
  readonly onFramed?: (frame: Uint8Array) => void
}

const NO_LISTENERS: WriteListeners = {}

interface GivenMessage<RequestIn> {
  readonly message: RequestIn
  readonly bytes: number
  readonly listeners: WriteListeners
}

/** See the head of this file. */
export class BrokerStream<RequestIn, ResponseOut> {
  readonly address: BrokerAddress
  readonly #connection: BrokerConnection
  readonly #method: StreamMethod<RequestIn, ResponseOut>
  readonly #handlers: StreamHandlers<ResponseOut>
  readonly #writeBufferBytesMax: number
  readonly #onClose: () => void
  #call: ClientDuplexStream<GivenMessage<RequestIn>, ResponseOut> | null = null
  #channel: GrpcClient | null = null
  /** Written before the connection stood; bounded by callers that heed `write`. */
  #early: GivenMessage<RequestIn>[] = []
  #unwrittenBytes = 0
  #full = false
  #halfClosed = false
  #paused = false
  #over = false
  #drainWaiters: (() => void)[] = []

  constructor(
    connection: BrokerConnection,
    method: StreamMethod<RequestIn, ResponseOut>,
    handlers: StreamHandlers<ResponseOut>,
    options: StreamOptions = {},
  ) {
    this.address = connection.address
    this.#connection = connection
    this.#method = method
    this.#handlers = handlers
    this.#writeBufferBytesMax = options.writeBufferBytesMax ?? WRITE_BUFFER_BYTES_MAX
    this.#onClose = options.onClose ?? (() => {})
    connection.ready().then(
      (channel) => this.#open(channel),
      (error: StratalogError) => this.#finish(error),
    )
  }

  /** Bytes given to `write` and not yet handed to the socket. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes
  }

  /** Whether the stream is over, by either side. */
  get ended(): boolean {
    return this.#over
  }

  /**
   * Sends a message, at once or when connected; in order. Ignored on a stream that is over.
   *
   * @param bytes about its size on the wire; what backpressure counts.
   * @returns false when no more should be written before `onDrain` or `drained()`. The message itself is taken.
   */
  write(message: RequestIn, bytes: number, listeners: WriteListeners = NO_LISTENERS): boolean {
    if (this.#over || this.#halfClosed) return false
    this.#unwrittenBytes += bytes
    const given = { message, bytes, listeners }
    if (this.#call === null) this.#early.push(given)
    else this.#send(this.#call, given)
    if (this.#unwrittenBytes >= this.#writeBufferBytesMax) this.#full = true
    return !this.#full
  }

  /** Resolves when there is room to write, or when the stream is over. */
  drained(): Promise<void> {
    if (!this.#full || this.#over) return Promise.resolve()
    return new Promise((resolve) => this.#drainWaiters.push(resolve))
  }

  /** Says that nothing more will be written; the broker may still answer. */
  end(): void {
    this.#halfClosed = true
    this.#call?.end()
  }

  /** Takes no more messages until `resume()`; at most a window's bytes are buffered meanwhile. */
  pause(): void {
    this.#paused = true
    this.#call?.pause()
  }

  /** Ends a `pause()`. */
  resume(): void {
    this.#paused = false
    this.#call?.resume()
  }

  /**
   * Ends the stream at once; no handler is called any more.
   *
   * @param options `discardConnection` gives up the connection too, for one that has gone silent.
   */
  close(options: { readonly discardConnection?: boolean } = {}): void {
    const { discardConnection = false } = options
    this.#end()
    this.#call?.cancel()
    this.#onClose()
    if (discardConnection && this.#channel !== null) this.#connection.discard(this.#channel)
  }

  /** Ends the stream at once and tells its owner why. For the client that owns the channel. */
  fail(error: StratalogError): void {
    const wasOver = this.#over
    this.#end()
    this.#call?.cancel()
    if (!wasOver) this.#handlers.onEnd(error)
  }

  #open(channel: GrpcClient): void {
    if (this.#over) return
    this.#channel = channel
    const { path, requestSerialize, responseDeserialize } = this.#method
    const serialize = ({ message, listeners: { onFramed } }: GivenMessage<RequestIn>): Buffer => {
      const serialised = requestSerialize(message)
      return onFramed === undefined ? serialised : tellFrame(serialised, onFramed)
    }
    const call = channel.makeBidiStreamRequest(path, serialize, responseDeserialize, new Metadata())
    this.#call = call
    call.on('data', (message: ResponseOut) => {
      if (!this.#over) this.#handlers.onMessage(message)
    })
    call.on('error', (error: ServiceError) => this.#finish(fromCallError(error, this.address)))
    call.on('end', () => setImmediate(() => this.#finish(null)))
    if (this.#paused) call.pause()
    const early = this.#early
    this.#early = []
    this.#handlers.onOpen?.()
    for (const given of early) this.#send(call, given)
    if (this.#halfClosed) call.end()
  }

  #send(call: ClientDuplexStream<GivenMessage<RequestIn>, ResponseOut>, given: GivenMessage<RequestIn>): void {
    call.write(given, (error?: Error | null) => {
      this.#unwrittenBytes -= given.bytes
      if (!error && !this.#over) given.listeners.onWritten?.()
      if (this.#full && !this.#over && this.#unwrittenBytes < this.#writeBufferBytesMax / 2) this.#drain()
    })
  }

  #drain(): void {
    this.#full = false
    this.#wakeWaiters()
    this.#handlers.onDrain?.()
  }

  #wakeWaiters(): void {
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    for (const wake of waiters) wake()
  }

  #end(): void {
    this.#over = true
    this.#early = []
    this.#wakeWaiters()
  }

  #finish(error: StratalogError | null): void {
    if (this.#over) return
    this.#end()
    this.#handlers.onEnd(error)
  }
}
