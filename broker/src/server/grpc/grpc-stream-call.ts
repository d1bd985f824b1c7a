/**
 * A streaming call of grpc-js in the shape that handlers see.
 *
 * It counts what was written and not yet taken by the network (grpc-js calls back at the HTTP/2 flush), reads one
 * message ahead at most, and makes "over" one event whether the call ended, failed, was cancelled or lost its client.
 */
import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js'
import { invariant, type StratalogError } from '@stratalog/proto'
import type { ClientConnection, OutboundStream, StreamCall } from '../call.ts'
import { statusOf } from './call-status.ts'

/** Runs a listener and takes what it throws: the edge that decides about errors. */
export type Guard = (work: () => void) => void

/** The sending half: server streaming. */
export class GrpcOutboundStream<Out> implements OutboundStream<Out> {
  readonly connection: ClientConnection
  protected readonly guard: Guard
  readonly #call: ServerWritableStream<unknown, Out> | ServerDuplexStream<unknown, Out>
  #unflushedBytes = 0
  #isEnding = false
  #isOver = false
  readonly #flushListeners: Array<(bytes: number) => void> = []
  readonly #closeListeners: Array<() => void> = []

  constructor(
    call: ServerWritableStream<unknown, Out> | ServerDuplexStream<unknown, Out>,
    connection: ClientConnection,
    guard: Guard,
  ) {
    this.#call = call
    this.connection = connection
    this.guard = guard
    call.once('cancelled', () => this.#close())
    call.once('close', () => this.#close())
  }

  get unflushedBytes(): number {
    return this.#unflushedBytes
  }

  protected get isEnding(): boolean {
    return this.#isEnding || this.#isOver
  }

  write(message: Out, bytes: number): void {
    if (this.isEnding) return
    this.#unflushedBytes += bytes
    this.#call.write(message, () => this.#flushed(bytes))
  }

  onFlush(listener: (bytes: number) => void): void {
    this.#flushListeners.push(listener)
  }

  onClose(listener: () => void): void {
    this.#closeListeners.push(listener)
  }

  end(): void {
    if (this.isEnding) return
    this.#isEnding = true
    this.#call.end()
  }

  fail(error: StratalogError): void {
    if (this.isEnding) return
    this.#isEnding = true
    this.#call.emit('error', statusOf(error))
  }

  #flushed(bytes: number): void {
    if (this.#isOver) return
    this.#unflushedBytes -= bytes
    this.guard(() => {
      for (const listener of this.#flushListeners) listener(bytes)
    })
  }

  #close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#unflushedBytes = 0
    this.guard(() => {
      for (const listener of this.#closeListeners) listener()
    })
  }
}

/** Both halves: bidirectional streaming. */
export class GrpcStreamCall<In, Out> extends GrpcOutboundStream<Out> implements StreamCall<In, Out> {
  readonly #duplex: ServerDuplexStream<In, Out>
  #check: (message: unknown) => In = (message) => message as In

  constructor(call: ServerDuplexStream<In, Out>, connection: ClientConnection, guard: Guard) {
    super(call as ServerDuplexStream<unknown, Out>, connection, guard)
    this.#duplex = call
    readNothingAhead(call)
  }

  /** @param check gives each message back, or throws the error that the call ends with. */
  checkMessages(check: (message: unknown) => In): void {
    this.#check = check
  }

  onMessage(listener: (message: In) => void): void {
    this.#duplex.on('data', (message: In) => {
      if (!this.isEnding) this.guard(() => listener(this.#check(message)))
    })
  }

  onHalfClose(listener: () => void): void {
    this.#duplex.once('end', () => {
      if (!this.isEnding) this.guard(listener)
    })
  }

  pause(): void {
    this.#duplex.pause()
  }

  resume(): void {
    this.#duplex.resume()
  }
}

/**
 * grpc-js makes its streams with Node's default of 16 objects read ahead, here messages of up to 64 MiB each. With a
 * high-water mark of 0 a paused stream asks for nothing more and the rest waits in the HTTP/2 window.
 */
function readNothingAhead(call: ServerDuplexStream<unknown, unknown>): void {
  const state = (call as unknown as { _readableState?: { highWaterMark: number } })._readableState
  invariant(state !== undefined && typeof state.highWaterMark === 'number', 'Node keeps its read-ahead elsewhere')
  state.highWaterMark = 0
}
