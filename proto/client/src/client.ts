/**
 * A connection to a cluster, shared by the producers and consumers made from it: channels, metadata, calls.
 *
 * Nothing is connected before it is needed. Several producers and consumers of one process should share one client.
 * Owner of every channel; `close()` ends all that was made from it.
 */
import { tracingChannel } from 'node:diagnostics_channel'
import { MetadataService, type RpcMethod, StratalogError } from '@stratalog/proto'
import { abortError, onAbort } from './abort.ts'
import { type BrokerAddress, formatAddress, fromEndpoint } from './address.ts'
import { AdminClient } from './admin-client.ts'
import { callAnyBroker } from './any-broker-call.ts'
import { BrokerStream, type StreamHandlers } from './broker-stream.ts'
import type { Purpose } from './connection.ts'
import { ConnectionPool } from './connection-pool.ts'
import { GroupCaller } from './group-call.ts'
import { type MetadataAnswer, MetadataCache } from './metadata-cache.ts'
import { type ClientOptions, type ResolvedClientOptions, resolveClientOptions } from './options.ts'
import { CALLS_THAT_CHANGE_NOTHING } from './read-only-calls.ts'
import { type TopicMetadata, toTopicMetadata } from './topic-metadata.ts'
import { type CallFailure, callOnce } from './unary-call.ts'

/**
 * Tracing channel of calls, for OpenTelemetry and others: its context has `path` and `request`, and `result` or
 * `error` at the end. Costs nothing while nobody listens.
 */
const CALL_TRACING = tracingChannel<'stratalog:client:call', { path: string; request: unknown }>(
  'stratalog:client:call',
)

/** Of one call: see {@link Client.call}. */
export interface ClientCallOptions {
  readonly signal?: AbortSignal | undefined
  /** Deadline of the whole call, in ms, connecting and other brokers included; default `requestTimeoutMs`. */
  readonly timeoutMs?: number | undefined
  /** Ask this broker only; default: any. */
  readonly broker?: BrokerAddress | undefined
}

/** Creates a client; connects when first used. Errors: INVALID_CONFIG naming the option. */
export function createClient(options: ClientOptions = {}): Client {
  return new Client(resolveClientOptions(options))
}

/** See the head of this file. */
export class Client implements AsyncDisposable {
  readonly options: ResolvedClientOptions
  readonly metadata: MetadataCache
  readonly admin: AdminClient
  /** Calls to the coordinators of consumer groups. */
  readonly groups: GroupCaller
  readonly #pool: ConnectionPool
  readonly #closing = new AbortController()
  readonly #streams = new Set<Pick<BrokerStream<unknown, unknown>, 'fail'>>()
  /** Where the last call succeeded: the first to be asked next time. */
  #preferred: BrokerAddress | null = null
  /** Brokers, as `host:port`, that did not know a leader when last asked for topics; the last one asked is the last. */
  readonly #doubtful = new Set<string>()

  /** Use {@link createClient}. */
  constructor(options: ResolvedClientOptions) {
    this.options = options
    this.#pool = new ConnectionPool(options)
    this.metadata = new MetadataCache((topics, signal) => this.#describeTopics(topics, signal))
    this.admin = new AdminClient(this)
    this.groups = new GroupCaller(this)
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#closing.signal.aborted
  }

  /**
   * Calls a method that has one answer.
   *
   * Without `broker` the brokers known are tried in turn: the next one when a broker cannot be reached or is not even
   * connected after a moment, and for calls that change nothing also when the connection broke, the broker is
   * stopping, or it is silent for a moment.
   * Errors: the broker's own; BROKER_NOT_AVAILABLE, NETWORK_EXCEPTION, REQUEST_TIMED_OUT, CANCELLED, CLIENT_CLOSED.
   */
  call<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    request: RequestIn,
    options: ClientCallOptions = {},
  ): Promise<ResponseOut> {
    if (!CALL_TRACING.hasSubscribers) return this.#call(method, request, options)
    return CALL_TRACING.tracePromise(() => this.#call(method, request, options), { path: method.path, request })
  }

  /**
   * Opens a stream to a broker on the channel for `purpose`; connects in the background. Also for methods where only
   * the broker streams: write the request, then `end()`.
   *
   * @param handlers `onEnd` is called exactly once unless the caller closes the stream.
   * Errors: CLIENT_CLOSED, thrown; everything else goes to `onEnd`.
   */
  openStream<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    broker: BrokerAddress,
    purpose: Exclude<Purpose, 'call'>,
    handlers: StreamHandlers<ResponseOut>,
    options: { readonly writeBufferBytesMax?: number } = {},
  ): BrokerStream<RequestIn, ResponseOut> {
    const connection = this.#pool.get(broker, purpose)
    const stream: BrokerStream<RequestIn, ResponseOut> = new BrokerStream(
      connection,
      method,
      {
        ...handlers,
        onEnd: (error) => {
          this.#streams.delete(stream)
          handlers.onEnd(error)
        },
      },
      { onClose: () => this.#streams.delete(stream), ...options },
    )
    this.#streams.add(stream)
    return stream
  }

  /** Connects to a broker that will probably be needed soon. A failure tells nothing and costs nothing. */
  prepare(broker: BrokerAddress, purpose: Purpose): void {
    if (!this.closed) this.#pool.get(broker, purpose).ready().catch(ignore)
  }

  /** Ends all calls and streams with CLIENT_CLOSED and closes every channel. Leaves nothing that holds the process. */
  close(): Promise<void> {
    if (!this.closed) {
      this.#closing.abort(new StratalogError('CLIENT_CLOSED'))
      this.metadata.close()
      for (const stream of [...this.#streams]) stream.fail(new StratalogError('CLIENT_CLOSED'))
      this.#pool.close()
    }
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #call<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    request: RequestIn,
    options: ClientCallOptions,
  ): Promise<ResponseOut> {
    const ending = new AbortController()
    const stopClosing = onAbort(this.#closing.signal, () => ending.abort(new StratalogError('CLIENT_CLOSED')))
    const { signal } = options
    const stopSignal = onAbort(signal, () => ending.abort(signal && abortError(signal)))
    try {
      if (ending.signal.aborted) throw abortError(ending.signal)
      const deadlineMs = Date.now() + (options.timeoutMs ?? this.options.requestTimeoutMs)
      const outcome = await callAnyBroker(
        options.broker === undefined ? this.#candidates() : [options.broker],
        (broker, attemptSignal, mayBegin) =>
          callOnce(this.#pool.get(broker, 'call'), method, request, deadlineMs, attemptSignal, mayBegin),
        {
          repeatable: CALLS_THAT_CHANGE_NOTHING.has(method.path),
          mayTryAnother: (failure) => mayTryAnother(method.path, failure),
          signal: ending.signal,
        },
      )
      if ('error' in outcome) throw outcome.error
      if (options.broker === undefined && outcome.broker !== undefined) this.#preferred = outcome.broker
      return outcome.response
    } finally {
      stopClosing()
      stopSignal()
    }
  }

  /**
   * The broker that answered last, then the bootstrap addresses, then those of the cluster; each once. Those that did not
   * know a leader when last asked come at the end, the one that was asked longest ago first.
   */
  #candidates(): readonly BrokerAddress[] {
    const preferred = this.#preferred === null ? [] : [this.#preferred]
    const byName = new Map<string, BrokerAddress>()
    for (const broker of [...preferred, ...this.options.bootstrap, ...this.metadata.brokers]) {
      const name = formatAddress(broker)
      if (!byName.has(name)) byName.set(name, broker)
    }
    for (const name of this.#doubtful) {
      const broker = byName.get(name)
      if (broker === undefined || !byName.delete(name)) this.#doubtful.delete(name)
      else byName.set(name, broker)
    }
    return [...byName.values()]
  }

  /**
   * A broker that is cut off from the others answers too, and knows no leaders; another one may. In an election none
   * does, and they are asked in turn.
   */
  #judge(topics: readonly TopicMetadata[]): void {
    if (this.#preferred === null) return
    const name = formatAddress(this.#preferred)
    this.#doubtful.delete(name)
    const isComplete = topics.every(({ partitions }) => partitions.every(({ leader }) => leader !== null))
    if (!isComplete) this.#doubtful.add(name)
  }

  async #describeTopics(topics: readonly string[], signal: AbortSignal): Promise<MetadataAnswer> {
    const response = await this.call(MetadataService.describeTopics, { topics: [...topics] }, { signal })
    const answers = response.topics.map((topic) => [topic.name ?? '', toTopicMetadata(topic)] as const)
    this.#judge(answers.flatMap(([, answer]) => (answer instanceof StratalogError ? [] : [answer])))
    return {
      topics: new Map(answers),
      brokers: response.brokers.map(fromEndpoint).filter((broker) => broker !== null),
    }
  }
}

function ignore(): void {}

function mayTryAnother(path: string, failure: CallFailure): boolean {
  const { code } = failure.error
  if (!failure.sent) return code === 'BROKER_NOT_AVAILABLE'
  // Nothing was done: it says that somebody else decides.
  if (code === 'NOT_CONTROLLER') return true
  return (code === 'NETWORK_EXCEPTION' || code === 'SHUTTING_DOWN') && CALLS_THAT_CHANGE_NOTHING.has(path)
}
