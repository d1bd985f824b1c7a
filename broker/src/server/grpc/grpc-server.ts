/**
 * The gRPC face of the broker: grpc-js with the windows, limits and bindings that it needs.
 *
 * Errors have one edge, here: a StratalogError becomes the call's status; anything else is logged once and answered
 * with UNKNOWN_SERVER_ERROR; a broken invariant stops the process, for it can no longer vouch for its data.
 */
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { InvariantError, isStratalogError, type RpcMethod, StratalogError } from '@stratalog/proto'
import type { Logger } from '../../observability/logger.ts'
import type { ClientConnection, OutboundStream, StreamCall, UnaryContext } from '../call.ts'
import { statusOf } from './call-status.ts'
import { type ConnectionLimits, ConnectionTable } from './connection-table.ts'
import { GrpcOutboundStream, GrpcStreamCall, type Guard } from './grpc-stream-call.ts'
import { openConnectionWindows, openStreamWindows } from './http2-windows.ts'
import { CONTROL_REQUEST, checkRequestShape, type RequestShape } from './request-shape.ts'

/** Options of {@link GrpcServer}. */
export interface GrpcServerOptions {
  readonly limits: ConnectionLimits & { readonly streamsPerConnectionMax: number; readonly messageBytesMax: number }
  readonly logger: Logger
  /** Called with a broken invariant; must end the process or, in tests, take note. */
  readonly onInvariantBroken: (error: InvariantError) => void
}

const KEEPALIVE_TIME_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 10_000

/** A request that is not the message that it should be; the handler never sees it. */
class MalformedRequest {
  readonly error: StratalogError

  constructor(error: StratalogError) {
    this.error = error
  }
}

/** The server of all gRPC services of a broker. */
export class GrpcServer {
  /** For services that bring their own registration (reflection). */
  readonly server: Server
  readonly connections: ConnectionTable
  readonly #options: GrpcServerOptions
  readonly #injector: ConnectionInjector
  #stopping: Promise<void> | null = null

  constructor(options: GrpcServerOptions) {
    this.#options = options
    const { limits } = options
    this.server = new Server({
      'grpc.max_receive_message_length': limits.messageBytesMax,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': limits.streamsPerConnectionMax,
      'grpc.enable_channelz': 0,
      'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    })
    openStreamWindows(this.server)
    this.#injector = this.server.createConnectionInjector(ServerCredentials.createInsecure())
    openConnectionWindows(this.server)
    this.connections = new ConnectionTable(limits, options.logger, (socket) => this.#injector.injectConnection(socket))
  }

  /** Binds a method with one request and one answer. @param shape what a request may be. */
  unary<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    handler: (request: RequestOut, context: UnaryContext) => ResponseIn | Promise<ResponseIn>,
    shape: RequestShape = CONTROL_REQUEST,
  ): void {
    const handle = async (call: ServerUnaryCall<unknown, ResponseIn>, callback: sendUnaryData<ResponseIn>) => {
      try {
        const context = contextOf(call, this.connections.find(call.getPeer()))
        callback(null, await handler(wellFormed<RequestOut>(call.request), context))
      } catch (error) {
        callback(statusOf(this.nameError(error, method.path)))
      }
    }
    this.server.register(method.path, handle, method.responseSerialize, tolerant(method, shape), 'unary')
  }

  /** Binds a method with one request and a stream of answers. */
  serverStream<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    handler: (request: RequestOut, stream: OutboundStream<ResponseIn>) => void,
  ): void {
    const handle = (call: ServerWritableStream<unknown, ResponseIn>) => {
      const stream = new GrpcOutboundStream<ResponseIn>(call, this.connections.find(call.getPeer()), (work) =>
        this.#guarded(stream, method.path, work),
      )
      this.#guarded(stream, method.path, () => handler(wellFormed<RequestOut>(call.request), stream))
    }
    this.server.register(
      method.path,
      handle,
      method.responseSerialize,
      tolerant(method, CONTROL_REQUEST),
      'serverStream',
    )
  }

  /** Binds a method with streams both ways. The handler sets its listeners before it returns. @param shape what a message may be. */
  bidirectional<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    handler: (call: StreamCall<RequestOut, ResponseIn>) => void,
    shape: RequestShape = CONTROL_REQUEST,
  ): void {
    const handle = (duplex: ServerDuplexStream<RequestOut, ResponseIn>) => {
      const guard: Guard = (work) => this.#guarded(call, method.path, work)
      const call = new GrpcStreamCall<RequestOut, ResponseIn>(duplex, this.connections.find(duplex.getPeer()), guard)
      call.checkMessages(wellFormed)
      guard(() => handler(call))
    }
    this.server.register(method.path, handle, method.responseSerialize, tolerant(method, shape), 'bidi')
  }

  /** Begins to listen; calls are served from {@link admit} on. Errors: StartupError PORT_IN_USE, LISTEN_FAILED. */
  listen(host: string, port: number): Promise<{ host: string; port: number }> {
    return this.connections.listen(host, port)
  }

  /** Serves those who have connected and those who will. */
  admit(): void {
    this.connections.admit()
  }

  /** Accepts no more and lets calls end; after `graceMs` they are cut off. Further calls wait for the first one. */
  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(graceMs)
    return this.#stopping
  }

  /**
   * GOAWAY and a half-close tell clients to go; each connection ends when its client has. Destroying it at once would
   * send a reset that overtakes the last answers. grpc-js's own waiting is of no use: since Node closes the sessions
   * of a closed server itself, `tryShutdown` finds them closed already and calls back before they are.
   */
  async #stop(graceMs: number): Promise<void> {
    this.connections.close()
    this.server.tryShutdown(() => {})
    const force = setTimeout(() => {
      this.server.forceShutdown()
      this.connections.destroyAll()
    }, graceMs)
    await this.connections.whenEmpty()
    clearTimeout(force)
  }

  #guarded(stream: OutboundStream<never>, path: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      stream.fail(this.nameError(error, path))
    }
  }

  /**
   * The error that a client is told. One that is not ours is logged, and a broken invariant reported, on the way.
   *
   * @param what was being done: a method's path, or words.
   */
  nameError(error: unknown, what: string): StratalogError {
    if (isStratalogError(error)) return error
    if (error instanceof InvariantError) {
      this.#options.onInvariantBroken(error)
    } else {
      this.#options.logger.error({ error, during: what }, 'a call failed in a way that has no name')
    }
    return new StratalogError(
      'UNKNOWN_SERVER_ERROR',
      `${what} failed: ${error instanceof Error ? error.message : error}`,
    )
  }
}

function contextOf(call: ServerUnaryCall<unknown, unknown>, connection: ClientConnection): UnaryContext {
  return {
    connection,
    onGone: (listener) => {
      if (call.cancelled) listener()
      else call.once('cancelled', listener)
    },
  }
}

/** A deserialiser that does not throw: grpc-js would answer INTERNAL without saying why. */
function tolerant<Out>(
  method: { readonly path: string; readonly requestDeserialize: (bytes: Buffer) => Out },
  shape: RequestShape,
): (bytes: Buffer) => Out {
  const { path, requestDeserialize } = method
  return (bytes) => {
    try {
      checkRequestShape(path, bytes, shape)
      return requestDeserialize(bytes)
    } catch (cause) {
      const error = isStratalogError(cause) ? cause : notProtobuf(path, cause)
      return new MalformedRequest(error) as Out
    }
  }
}

function notProtobuf(path: string, cause: unknown): StratalogError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new StratalogError('INVALID_REQUEST', `the request of ${path} is not valid protobuf: ${reason}`, { cause })
}

function wellFormed<Out>(request: unknown): Out {
  if (request instanceof MalformedRequest) throw request.error
  return request as Out
}
