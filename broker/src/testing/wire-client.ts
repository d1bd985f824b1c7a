/**
 * A client of one broker for tests of the wire: plain grpc-js with nothing in between, so that a test can send what no
 * client library of ours would.
 */
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  connectivityState,
  credentials,
  type ServiceError,
} from '@grpc/grpc-js'
import { decodeStatusDetails, type RpcMethod, STATUS_DETAILS_KEY, StratalogError } from '@stratalog/proto'

const WAIT_MS = 10_000

/** Waits until `condition` holds. Throws after ten seconds, naming what did not happen. */
export async function waitFor(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + WAIT_MS
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${WAIT_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The error of the broker in what grpc-js throws; what it threw when there is none. */
export function wireError(error: unknown): unknown {
  const [packed] = (error as ServiceError).metadata?.get(STATUS_DETAILS_KEY) ?? []
  return (Buffer.isBuffer(packed) ? decodeStatusDetails(packed) : null) ?? error
}

/** Messages of a stream, kept as they come. */
export class WireStream<In, Out> {
  readonly received: Out[] = []
  /** `undefined` while it is open, `null` after a good end. */
  ending: unknown
  readonly #stream: ClientDuplexStream<In, Out> | ClientReadableStream<Out>

  constructor(stream: ClientDuplexStream<In, Out> | ClientReadableStream<Out>) {
    this.#stream = stream
    stream.on('data', (message: Out) => this.received.push(message))
    stream.on('error', (error) => {
      this.ending ??= wireError(error)
    })
    stream.on('end', () => {
      this.ending ??= null
    })
  }

  send(message: In): void {
    ;(this.#stream as ClientDuplexStream<In, Out>).write(message)
  }

  halfClose(): void {
    ;(this.#stream as ClientDuplexStream<In, Out>).end()
  }

  /** Stops taking messages from the network. */
  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  cancel(): void {
    this.#stream.cancel()
  }

  /** The first message for which `find` gives something, and what it gives; also of those received before. */
  async next<Found>(find: (message: Out) => Found | undefined | false | null, what: string): Promise<Found> {
    let found: Found | undefined | false | null
    await waitFor(() => {
      for (const message of this.received) {
        found = find(message)
        if (found !== undefined && found !== false && found !== null) return true
      }
      if (this.ending !== undefined) throw new Error(`the stream ended before ${what}`, { cause: this.ending })
      return false
    }, what)
    return found as Found
  }

  /** Waits for the end and gives the error, or `null`. */
  async end(): Promise<unknown> {
    await waitFor(() => this.ending !== undefined, 'the end of the stream')
    return this.ending
  }
}

/** See the file's header. */
export class WireClient implements Disposable {
  readonly #client: Client

  constructor(bootstrap: string, options: Readonly<Record<string, string | number>> = {}) {
    this.#client = new Client(bootstrap, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    })
  }

  /** Whether the connection has been lost; asking does not make a new one. */
  get isCutOff(): boolean {
    return this.#client.getChannel().getConnectivityState(false) !== connectivityState.READY
  }

  /** Calls a unary method. Rejects with the broker's StratalogError, or with what grpc-js gives. */
  call<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    request: RequestIn,
  ): Promise<ResponseOut> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<RequestIn, ResponseOut>(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        { deadline: Date.now() + WAIT_MS },
        (error, response) => (error ? reject(wireError(error)) : resolve(response as ResponseOut)),
      )
    })
  }

  /** Calls a unary method that must fail, and gives the error. */
  async failure<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    request: RequestIn,
  ): Promise<StratalogError> {
    const error = await this.call(method, request).then(
      () => new Error(`${method.path} did not fail`),
      (thrown: unknown) => thrown,
    )
    if (error instanceof StratalogError) return error
    throw error
  }

  /** Opens a stream both ways. */
  stream<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
  ): WireStream<RequestIn, ResponseOut> {
    const { path, requestSerialize, responseDeserialize } = method
    return new WireStream(this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize))
  }

  /** Opens a stream of answers. */
  watch<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    request: RequestIn,
  ): WireStream<never, ResponseOut> {
    const { path, requestSerialize, responseDeserialize } = method
    return new WireStream(this.#client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request))
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}
