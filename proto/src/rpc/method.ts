/**
 * RPC methods as data: path, kind and (de)serialisers, in the shape of grpc-js's `MethodDefinition`, so that this
 * package needs no gRPC implementation and both sides share one table.
 */
import type { GatheredMessage } from './gathered-message.ts'

/** A method; `In` is what a sender gives (fields optional), `Out` what a receiver gets (defaults filled in). */
export interface RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut> {
  /** `/package.Service/Method`. */
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly requestSerialize: (message: RequestIn) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => RequestOut
  readonly responseSerialize: (message: ResponseIn) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => ResponseOut
}

/** Static members of a generated message class. */
interface MessageType<In, Out> {
  encode(message: In): { finish(): Uint8Array }
  decode(bytes: Uint8Array): Out
}

interface RpcMethodOptions<RequestIn, ResponseIn> {
  readonly requestStream?: boolean
  readonly responseStream?: boolean
  /** In place of the generated encoder. */
  readonly gatherRequest?: (message: RequestIn) => GatheredMessage
  readonly gatherResponse?: (message: ResponseIn) => GatheredMessage
}

/** Defines a method from two generated message classes. */
export function defineMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>(
  path: string,
  request: MessageType<RequestIn, RequestOut>,
  response: MessageType<ResponseIn, ResponseOut>,
  options: RpcMethodOptions<RequestIn, ResponseIn> = {},
): RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut> {
  return {
    path,
    requestStream: options.requestStream ?? false,
    responseStream: options.responseStream ?? false,
    requestSerialize: options.gatherRequest ? asBuffer(options.gatherRequest) : encoder(request),
    requestDeserialize: (bytes) => request.decode(bytes),
    responseSerialize: options.gatherResponse ? asBuffer(options.gatherResponse) : encoder(response),
    responseDeserialize: (bytes) => response.decode(bytes),
  }
}

function encoder<In>(type: MessageType<In, unknown>): (message: In) => Buffer {
  return (message) => {
    const bytes = type.encode(message).finish()
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

/** grpc-js types serialisers as returning a Buffer, of which it uses what GatheredMessage has. */
function asBuffer<In>(gather: (message: In) => GatheredMessage): (message: In) => Buffer {
  return gather as unknown as (message: In) => Buffer
}
