/**
 * A broker's wire with faults that a sound broker does not have: it falls silent, refuses, drops streams, sends what it
 * should not. Logs and credit are the model's (log-model.ts); the calls are real gRPC on loopback.
 */
import { once } from 'node:events'
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js'
import {
  encodeStatusDetails,
  FetchService,
  GRPC_STATUS,
  invariant,
  MetadataService,
  STATUS_DETAILS_KEY,
  StratalogError,
  type stratalog,
  toErrorDetail,
} from '@stratalog/proto'
import { type ModelBatch, ModelLeader, visibleEndOf } from './log-model.ts'

type FetchCall = ServerDuplexStream<stratalog.v1.FetchRequest, stratalog.v1.FetchResponse.$Properties>

/** What a start of a handle is answered with instead of data; null = serve it. */
export type StartFault = (start: stratalog.v1.FetchStart.$Properties) => StratalogError | null

/** See the file's header. Serves topic `t` with one partition for each log. */
export class ScriptedBroker implements AsyncDisposable {
  readonly #server = new Server()
  readonly #streams = new Set<FetchCall>()
  logs: ModelBatch[][]
  topicId: Buffer = Buffer.alloc(16, 1)
  /** Port that metadata names as the leader's; its own unless set. */
  leaderPort: number | null = null
  leaderEpoch = 1
  /** Whether metadata knows the topic. */
  topicExists = true
  startFault: StartFault = () => null
  /** Takes everything and answers nothing. */
  isSilent = false
  port = 0
  streamsOpened = 0
  describeCalls = 0
  /** Every start seen, in order. */
  readonly starts: stratalog.v1.FetchStart.$Properties[] = []

  constructor(logs: ModelBatch[][]) {
    this.logs = logs
  }

  /** Starts one. */
  static async start(logs: ModelBatch[][]): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(logs)
    broker.#server.addService(FetchService as unknown as ServiceDefinition, {
      fetchStream: (call: FetchCall) => broker.#onStream(call),
      listOffsets: (call: { request: stratalog.v1.ListOffsetsRequest }, done: sendUnaryData<unknown>) =>
        done(null, { answers: call.request.queries.map((query) => broker.#answer(query)) }),
    })
    broker.#server.addService(MetadataService as unknown as ServiceDefinition, {
      describeCluster: (_: unknown, done: sendUnaryData<unknown>) => done(null, {}),
      describeTopics: (_: unknown, done: sendUnaryData<unknown>) => done(null, broker.#describe()),
      watchTopics: (call: { end(): void }) => call.end(),
    })
    broker.port = await new Promise<number>((resolve, reject) => {
      broker.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      )
    })
    return broker
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`
  }

  get openStreams(): number {
    return this.#streams.size
  }

  /** Ends every stream with an error. */
  dropStreams(error: StratalogError): void {
    const metadata = new Metadata()
    metadata.set(STATUS_DETAILS_KEY, encodeStatusDetails(error))
    for (const call of this.#streams) {
      call.emit('error', { code: GRPC_STATUS.UNAVAILABLE, details: error.message, metadata })
    }
    this.#streams.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown()
    await Promise.resolve()
  }

  #onStream(call: FetchCall): void {
    this.streamsOpened++
    this.#streams.add(call)
    const leader = new ModelLeader(this.logs)
    call.on('data', (request: stratalog.v1.FetchRequest) => {
      if (this.isSilent) return
      const data: stratalog.v1.FetchData.$Properties[] = []
      const starts: stratalog.v1.FetchStart.$Properties[] = []
      for (const start of request.starts) {
        this.starts.push(start)
        const fault = this.startFault(start)
        if (fault !== null) data.push({ handle: start.handle ?? 0, error: toErrorDetail(fault) })
        else starts.push(start)
      }
      leader.handle({ starts, credits: request.credits, stops: request.stops })
      for (const handle of leader.handles) {
        for (let next = leader.serve(handle, 4); next !== null; next = leader.serve(handle, 4)) data.push(next)
      }
      if (data.length > 0) call.write({ data })
    })
    const forget = (): void => {
      this.#streams.delete(call)
    }
    call.on('cancelled', forget)
    call.on('error', forget)
    call.on('end', () => call.end())
  }

  #describe(): stratalog.v1.DescribeTopicsResponse.$Properties {
    this.describeCalls++
    const endpoint = { brokerId: 1, host: '127.0.0.1', port: this.leaderPort ?? this.port }
    if (!this.topicExists) {
      const error = toErrorDetail(new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', 'topic t does not exist'))
      return { topics: [{ name: 't', error }], brokers: [endpoint] }
    }
    const partitions = this.logs.map((_, partition) => ({
      partition,
      leader: { leaderId: 1, leaderEpoch: this.leaderEpoch, endpoint },
      replicas: [1],
    }))
    return { topics: [{ name: 't', topicId: this.topicId, partitions }], brokers: [endpoint] }
  }

  #answer(query: stratalog.v1.OffsetQuery.$Properties): stratalog.v1.OffsetAnswer.$Properties {
    const log = this.logs[query.partition ?? 0]
    invariant(log !== undefined, 'a partition that exists')
    const visibleEnd = visibleEndOf(log)
    const { topic, partition } = query
    const highWatermark = (log.at(-1)?.lastOffset ?? -1) + 1
    return {
      topic: topic ?? '',
      partition: partition ?? 0,
      offset: visibleEnd,
      timestampMs: -1,
      leaderEpoch: 1,
      logStartOffset: 0,
      visibleEnd,
      highWatermark,
    }
  }
}

/** Waits for an event of an emitter, at most `timeoutMs`. */
export async function nextEvent<T>(emitter: NodeJS.EventEmitter, name: string, timeoutMs = 5_000): Promise<T> {
  const [event] = (await once(emitter, name, { signal: AbortSignal.timeout(timeoutMs) })) as [T]
  return event
}
