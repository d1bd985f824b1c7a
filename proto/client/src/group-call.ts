/**
 * Calls to a group's coordinator: found when first needed, kept while it answers, and looked for again when it says that
 * another broker coordinates the group, or cannot be reached.
 *
 * Attempts are spaced by a capped, jittered backoff until the call's deadline. A call whose outcome is unknown (the
 * connection broke after it was sent) is made again only where doing it twice is the same as doing it once.
 */
import { type ErrorName, GroupsService, isStratalogError, type RpcMethod, StratalogError } from '@stratalog/proto'
import { delay } from './abort.ts'
import { type BrokerAddress, fromEndpoint } from './address.ts'
import type { CallOptions } from './admin-types.ts'
import { leaderBackoffDelayMs } from './backoff.ts'
import type { Client } from './client.ts'
import { fromOffset, fromSelection, toCommitted } from './group-messages.ts'
import type { CommittedOffset, GroupMemberIdentity, OffsetToCommit, TopicPartitionsSelection } from './group-types.ts'

/** Groups whose coordinators are remembered; beyond it the one that was found first is looked for again. */
const GROUPS_MAX = 1_000

/** The coordinator is another broker, or none, or cannot be reached: nothing was done. */
const ELSEWHERE: ReadonlySet<ErrorName> = new Set([
  'BROKER_NOT_AVAILABLE',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
] as const)
/** The same broker may answer in a moment: nothing was done. */
const LATER: ReadonlySet<ErrorName> = new Set(['COORDINATOR_LOAD_IN_PROGRESS', 'OVERLOADED'] as const)
/** The broker may have acted on the call. */
const UNCERTAIN: ReadonlySet<ErrorName> = new Set(['NETWORK_EXCEPTION', 'SHUTTING_DOWN'] as const)

/** Calls that can be made twice: the same heartbeat or offsets again change nothing. */
const REPEATABLE: ReadonlySet<string> = new Set([
  GroupsService.heartbeat.path,
  GroupsService.commitOffsets.path,
  GroupsService.fetchOffsets.path,
  GroupsService.deleteOffsets.path,
])

/** Of one call. */
export interface GroupCallOptions<Response> extends CallOptions {
  /** The error that an answer carries for the whole call, if any. */
  readonly errorOf?: (response: Response) => StratalogError | null
}

/** See the head of this file. */
export class GroupCaller {
  readonly #client: Client
  readonly #random: () => number
  readonly #coordinators = new Map<string, BrokerAddress>()

  constructor(client: Client, random: () => number = Math.random) {
    this.#client = client
    this.#random = random
  }

  /** The broker that coordinates the group, as last heard; `null` when it is not known. */
  peekCoordinator(groupId: string): BrokerAddress | null {
    return this.#coordinators.get(groupId) ?? null
  }

  /**
   * Calls a method at the group's coordinator.
   *
   * Errors: the coordinator's own; the last one met when the deadline comes first; CANCELLED, CLIENT_CLOSED.
   */
  async call<RequestIn, RequestOut, ResponseIn, ResponseOut>(
    groupId: string,
    method: RpcMethod<RequestIn, RequestOut, ResponseIn, ResponseOut>,
    request: RequestIn,
    options: GroupCallOptions<ResponseOut> = {},
  ): Promise<ResponseOut> {
    const { signal, timeoutMs = this.#client.options.requestTimeoutMs, errorOf } = options
    const deadlineMs = performance.now() + timeoutMs
    for (let failureCount = 1; ; failureCount++) {
      const leftMs = Math.max(1, Math.ceil(deadlineMs - performance.now()))
      try {
        const broker = await this.#coordinator(groupId, { signal, timeoutMs: leftMs })
        const response = await this.#client.call(method, request, { signal, timeoutMs: leftMs, broker })
        const error = errorOf?.(response) ?? null
        if (error !== null) throw error
        return response
      } catch (error) {
        if (!isStratalogError(error)) throw error
        const isUncertain = UNCERTAIN.has(error.code)
        const next = isUncertain || ELSEWHERE.has(error.code) ? this.#forget(groupId, error) : null
        const mayRepeat = isUncertain ? REPEATABLE.has(method.path) : ELSEWHERE.has(error.code) || LATER.has(error.code)
        // A coordinator that is named is asked at once, the first time: after that it is an election that flaps.
        const waitMs = next !== null && failureCount === 1 ? 0 : leaderBackoffDelayMs(failureCount, this.#random)
        if (!mayRepeat || performance.now() + waitMs >= deadlineMs) throw error
        await delay(waitMs, signal)
      }
    }
  }

  /** Committed offsets of these partitions, in any order, or (when none is named) of all that the group has any of. */
  async fetchOffsets(
    groupId: string,
    partitions: readonly TopicPartitionsSelection[],
    member: GroupMemberIdentity | null,
    options: CallOptions = {},
  ): Promise<CommittedOffset[]> {
    const caller = member ?? { memberId: '', memberEpoch: 0 }
    const request = { groupId, partitions: fromSelection(partitions), ...caller }
    const response = await this.call(groupId, GroupsService.fetchOffsets, request, options)
    return response.offsets.map(toCommitted)
  }

  /** Commits offsets, as a member or (while the group has none) from outside. One outcome for each, in order. */
  async commitOffsets(
    groupId: string,
    offsets: readonly OffsetToCommit[],
    member: GroupMemberIdentity | null,
    options: CallOptions = {},
  ): Promise<CommittedOffset[]> {
    const caller = member ?? { memberId: '', memberEpoch: -1 }
    const request = { groupId, offsets: offsets.map(fromOffset), ...caller }
    const response = await this.call(groupId, GroupsService.commitOffsets, request, options)
    return response.offsets.map(toCommitted)
  }

  async #coordinator(groupId: string, options: CallOptions): Promise<BrokerAddress> {
    const known = this.#coordinators.get(groupId)
    if (known !== undefined) return known
    const response = await this.#client.call(GroupsService.findCoordinator, { groupId }, options)
    const broker = fromEndpoint(response.coordinator?.endpoint)
    if (broker === null) {
      throw new StratalogError(
        'COORDINATOR_NOT_AVAILABLE',
        `partition ${response.partition} of __consumer_offsets, which holds group ${groupId}, has no leader`,
      )
    }
    this.#remember(groupId, broker)
    return broker
  }

  /** @returns the coordinator that the error names, if it names one. */
  #forget(groupId: string, { leader }: StratalogError): BrokerAddress | null {
    this.#coordinators.delete(groupId)
    if (leader === null || leader.host === null || leader.port === null) return null
    const broker = { brokerId: leader.leaderId, host: leader.host, port: leader.port }
    this.#remember(groupId, broker)
    return broker
  }

  #remember(groupId: string, broker: BrokerAddress): void {
    if (this.#coordinators.size >= GROUPS_MAX) {
      for (const oldest of this.#coordinators.keys()) {
        this.#coordinators.delete(oldest)
        break
      }
    }
    this.#coordinators.set(groupId, broker)
  }
}
