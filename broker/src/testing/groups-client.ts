/**
 * Calls about groups for tests: finds a group's coordinator through any broker, goes there, and tries again while what
 * keeps it from answering may pass.
 */
import { GroupsService, isStratalogError, type RpcMethod, type stratalog } from '@stratalog/proto'
import { WireClient } from './wire-client.ts'

const DEADLINE_MS = 20_000
const PAUSE_MS = 20

/** Where a group is coordinated. */
export interface FoundCoordinator {
  readonly brokerId: number
  readonly address: string
}

/** See the file's header. */
export class GroupsClient implements Disposable {
  readonly #bootstrap: readonly string[]
  readonly #connections = new Map<string, WireClient>()
  readonly #coordinators = new Map<string, FoundCoordinator>()

  /** @param bootstrap `HOST:PORT` of brokers, one or more of them up. */
  constructor(bootstrap: readonly string[]) {
    this.#bootstrap = bootstrap
  }

  /** The coordinator of a group, as the first broker that answers says. */
  coordinatorOf(groupId: string): Promise<FoundCoordinator> {
    return this.#patiently(() => this.#find(groupId))
  }

  /** A call that the coordinator answers. Errors: those that do not pass within twenty seconds. */
  call<RequestIn extends { groupId?: string | null }, RequestOut, ResponseIn, ResponseOut>(
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    request: RequestIn & { readonly groupId: string },
  ): Promise<ResponseOut> {
    const { groupId } = request
    return this.#patiently(async () => {
      const known = this.#coordinators.get(groupId) ?? (await this.#find(groupId))
      this.#coordinators.set(groupId, known)
      try {
        return await this.connection(known.address).call(method, request)
      } catch (error) {
        this.#coordinators.delete(groupId)
        throw error
      }
    })
  }

  /** A heartbeat. */
  heartbeat(
    request: stratalog.v1.GroupHeartbeatRequest.$Properties & { readonly groupId: string },
  ): Promise<stratalog.v1.GroupHeartbeatResponse> {
    return this.call(GroupsService.heartbeat, request)
  }

  /** The connection with one broker. */
  connection(address: string): WireClient {
    const known = this.#connections.get(address)
    if (known !== undefined) return known
    const client = new WireClient(address, {
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 100,
    })
    this.#connections.set(address, client)
    return client
  }

  [Symbol.dispose](): void {
    for (const client of this.#connections.values()) client[Symbol.dispose]()
  }

  async #find(groupId: string): Promise<FoundCoordinator> {
    let failure: unknown
    for (const address of this.#bootstrap) {
      try {
        const { coordinator } = await this.connection(address).call(GroupsService.findCoordinator, { groupId })
        const { leaderId, endpoint } = coordinator!
        return { brokerId: leaderId!, address: `${endpoint!.host}:${endpoint!.port}` }
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  async #patiently<Answer>(attempt: () => Promise<Answer>): Promise<Answer> {
    const deadlineMs = performance.now() + DEADLINE_MS
    for (;;) {
      try {
        return await attempt()
      } catch (error) {
        // What is not ours is a connection that broke.
        if (isStratalogError(error) && !error.retriable) throw error
        if (performance.now() >= deadlineMs) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
}
