/**
 * The standard health service (grpc.health.v1): the whole broker under the empty name, and each service under its own.
 *
 * All share one state: SERVING from readiness until the stop begins. Which partitions are not served is told by
 * DescribeCluster's problems, since a broker with one bad partition still serves the others.
 */
import { type grpc, HealthService, StratalogError } from '@stratalog/proto'
import type { OutboundStream } from '../call.ts'
import type { GrpcServer } from '../grpc/grpc-server.ts'

type Answer = grpc.health.v1.HealthCheckResponse.$Properties
type Request = grpc.health.v1.HealthCheckRequest

const SERVING = 1
const NOT_SERVING = 2
const SERVICE_UNKNOWN = 3
const ANSWER_BYTES = 8

/** State and handlers of the health service. */
export class Health {
  readonly #services: ReadonlySet<string>
  readonly #watches = new Map<OutboundStream<Answer>, string>()
  #isServing = false

  /** @param services full names, such as `stratalog.v1.Produce`. */
  constructor(services: readonly string[]) {
    this.#services = new Set(['', 'grpc.health.v1.Health', ...services])
  }

  get isServing(): boolean {
    return this.#isServing
  }

  /** Changes the state and tells those who watch. */
  setServing(isServing: boolean): void {
    if (this.#isServing === isServing) return
    this.#isServing = isServing
    for (const [stream, service] of this.#watches) stream.write({ status: this.#statusOf(service) }, ANSWER_BYTES)
  }

  /** Ends all watches, after they were told. */
  endWatches(): void {
    for (const stream of this.#watches.keys()) stream.fail(new StratalogError('SHUTTING_DOWN'))
  }

  /** Binds Check and Watch. */
  bind(server: GrpcServer): void {
    server.unary(HealthService.check, (request) => this.#check(request))
    server.serverStream(HealthService.watch, (request, stream) => this.#watch(request, stream))
  }

  #check(request: Request): Answer {
    const status = this.#statusOf(request.service)
    if (status !== SERVICE_UNKNOWN) return { status }
    const known = [...this.#services].filter((name) => name !== '').join(', ')
    throw new StratalogError(
      'UNKNOWN_SERVICE',
      `there is no service ${JSON.stringify(request.service)}; there are ${known}`,
    )
  }

  #watch(request: Request, stream: OutboundStream<Answer>): void {
    this.#watches.set(stream, request.service)
    stream.onClose(() => this.#watches.delete(stream))
    stream.write({ status: this.#statusOf(request.service) }, ANSWER_BYTES)
  }

  #statusOf(service: string): number {
    if (!this.#services.has(service)) return SERVICE_UNKNOWN
    return this.#isServing ? SERVING : NOT_SERVING
  }
}
