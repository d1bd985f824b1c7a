/**
 * What a handler sees of a call, whichever transport brought it. The gRPC side implements these (grpc/), and so do
 * the tests of the stream sessions, in memory.
 */
import type { StratalogError } from '@stratalog/proto'
import type { ByteBudget } from './byte-budget.ts'

/** A client's connection. */
export interface ClientConnection {
  /** Address and port of the client, for logs. */
  readonly peer: string
  /** The address of this broker that the client reached: what it is told when nothing is advertised. */
  readonly localHost: string
  readonly localPort: number
  /** Batches received over it and not yet answered. */
  readonly produceBudget: ByteBudget
  /** Data written to its streams and not yet taken by the network. */
  readonly fetchBudget: ByteBudget
  /** Closes it at once, with all its calls. */
  destroy(): void
}

/** The sending half of a streaming call. All listeners are called synchronously. */
export interface OutboundStream<Out> {
  readonly connection: ClientConnection
  /**
   * Queues a message; never blocks, so the caller heeds `unflushedBytes`. Does nothing once the call is over.
   *
   * @param bytes its size, or a near upper bound.
   */
  write(message: Out, bytes: number): void
  /** Bytes written and not yet taken by the network. 0 once the call is over. */
  readonly unflushedBytes: number
  /** Called when written bytes have been taken. */
  onFlush(listener: (bytes: number) => void): void
  /** Called once when the call is over for whatever reason; the client may be gone. */
  onClose(listener: () => void): void
  /** Ends the call well, after what was written. */
  end(): void
  /** Ends the call with an error, after what was written. */
  fail(error: StratalogError): void
}

/** A call with streams both ways. */
export interface StreamCall<In, Out> extends OutboundStream<Out> {
  onMessage(listener: (message: In) => void): void
  /** The client will send nothing more; it still reads. */
  onHalfClose(listener: () => void): void
  /** Stops reading; at most one message more arrives. */
  pause(): void
  resume(): void
}

/** What a unary handler knows beside its request. */
export interface UnaryContext {
  readonly connection: ClientConnection
  /**
   * Calls `listener` once nobody waits for the answer any more: the client has given up, or is gone. At once if that is so
   * already.
   */
  onGone(listener: () => void): void
}
