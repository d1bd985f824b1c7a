/**
 * Consumer groups: who coordinates one, its members' heartbeats and offsets, and what operators ask.
 *
 * Calls for one group are answered by its coordinator; another broker says NOT_COORDINATOR, and whom to go to. A call that
 * names a topic that is not known here waits for the metadata first: it may have been made through another broker.
 */
import { GroupsService, isStratalogError, StratalogError, type stratalog } from '@stratalog/proto'
import type { ClusterView } from '../../cluster/cluster-view.ts'
import { checkGroupId } from '../../coordinator/group/group-limits.ts'
import type { GroupCoordinator } from '../../coordinator/group-coordinator.ts'
import type { ShardCommand } from '../../coordinator/led-shard.ts'
import type { CoordinatorPlace, GroupDirectory } from '../../groups/group-directory.ts'
import {
  commitsOf,
  findTopicFacts,
  heartbeatMessage,
  heartbeatOf,
  namedPartitions,
  offsetMessage,
} from '../../groups/group-messages.ts'
import type { OffsetResetter } from '../../groups/offset-resetter.ts'
import type { UnaryContext } from '../call.ts'
import type { GrpcServer } from '../grpc/grpc-server.ts'
import type { RequestShape } from '../grpc/request-shape.ts'
import type { TopicView } from './topic-view.ts'

type OffsetMessage = stratalog.v1.CommittedOffset.$Properties
type Named = { readonly topic?: string | null; readonly topicId?: Uint8Array | null }

/** What the handlers are made of. */
export interface GroupHandlersOptions {
  readonly coordinator: GroupCoordinator
  readonly directory: GroupDirectory
  readonly resetter: OffsetResetter
  readonly cluster: Pick<ClusterView, 'catchUp'>
  readonly view: TopicView
}

/** Offsets and names in one request. */
const GROUP_REQUEST: RequestShape = { bytesMax: 4 * 1024 * 1024, fieldCountMax: 200_000, depth: 2 }

/** Binds the Groups service. */
export function bindGroups(server: GrpcServer, options: GroupHandlersOptions): void {
  const handlers = new GroupHandlers(options)
  const { directory, view } = options
  server.unary(GroupsService.findCoordinator, async ({ groupId }, { connection }) => {
    refuse(checkGroupId(groupId))
    const place = await directory.findCoordinator(groupId)
    return { coordinator: view.leaderHint(place, connection), partition: place.partition }
  })
  server.unary(GroupsService.heartbeat, (request, context) => handlers.heartbeat(request, context), GROUP_REQUEST)
  server.unary(GroupsService.commitOffsets, (request) => handlers.commitOffsets(request), GROUP_REQUEST)
  server.unary(GroupsService.fetchOffsets, (request) => handlers.fetchOffsets(request), GROUP_REQUEST)
  server.unary(GroupsService.deleteOffsets, (request) => handlers.deleteOffsets(request), GROUP_REQUEST)
  server.unary(GroupsService.deleteGroup, async ({ groupId }) => {
    await handlers.run(groupId, (shard, nowMs) => shard.deleteGroup(groupId, nowMs))
    return {}
  })
  server.unary(GroupsService.resetOffsets, (request) => handlers.resetOffsets(request), GROUP_REQUEST)
  server.unary(GroupsService.listGroups, async ({ states }) => {
    const { groups, errors } = await directory.list()
    const wanted = new Set(states)
    return {
      groups: (groups ?? []).filter(({ state }) => wanted.size === 0 || wanted.has(state!)),
      errors: errors ?? [],
    }
  })
  server.unary(GroupsService.describeGroup, async ({ groupId }, { connection }) => {
    refuse(checkGroupId(groupId))
    const description = await directory.describe(groupId)
    const place = directory.placeOf(groupId)
    return { ...description, ...(place === null ? {} : { coordinator: view.leaderHint(place, connection) }) }
  })
}

/** The calls that the coordinator answers. */
class GroupHandlers {
  readonly #options: GroupHandlersOptions

  constructor(options: GroupHandlersOptions) {
    this.#options = options
  }

  async heartbeat(
    request: stratalog.v1.GroupHeartbeatRequest,
    { connection, onGone }: UnaryContext,
  ): Promise<stratalog.v1.GroupHeartbeatResponse.$Properties> {
    const { coordinator } = this.#options
    const { groupId, maxWaitMs } = request
    refuse(checkGroupId(groupId))
    const beat = heartbeatOf(request, connection.peer)
    const answer = coordinator.heartbeat(beat, { maxWaitMs, onGone })
    const response = await this.#following(groupId, answer)
    return heartbeatMessage(response, coordinator.topics)
  }

  async commitOffsets(
    request: stratalog.v1.CommitOffsetsRequest,
  ): Promise<stratalog.v1.CommitOffsetsResponse.$Properties> {
    const { groupId, memberId, memberEpoch } = request
    await this.#known(request.offsets)
    const { coordinator } = this.#options
    const { commits, places, answers } = commitsOf(coordinator.topics, request.offsets)
    const caller = memberId === '' ? null : { memberId, memberEpoch }
    const committed = await this.run(groupId, (shard, nowMs) => shard.commitOffsets(groupId, caller, commits, nowMs))
    for (const [i, place] of places.entries()) answers[place] = offsetMessage(committed[i]!, coordinator.topics)
    return { offsets: answers as OffsetMessage[] }
  }

  async fetchOffsets(
    request: stratalog.v1.FetchOffsetsRequest,
  ): Promise<stratalog.v1.FetchOffsetsResponse.$Properties> {
    const { groupId, memberId, memberEpoch, partitions } = request
    await this.#known(partitions)
    const { coordinator } = this.#options
    const caller = memberId === '' ? null : { memberId, memberEpoch }
    const { found, unknown } = namedPartitions(coordinator.topics, partitions)
    const asked = partitions.length === 0 ? null : found
    const offsets = await this.run(groupId, (shard) => shard.fetchOffsets(groupId, caller, asked))
    return { offsets: [...offsets.map((each) => offsetMessage(each, coordinator.topics)), ...unknown] }
  }

  async deleteOffsets(
    request: stratalog.v1.DeleteOffsetsRequest,
  ): Promise<stratalog.v1.DeleteOffsetsResponse.$Properties> {
    const { groupId, partitions } = request
    if (partitions.length === 0) {
      const text = 'no partitions are named whose offsets are to be deleted'
      throw new StratalogError('INVALID_REQUEST', text, { metadata: { field: 'partitions' } })
    }
    await this.#known(partitions)
    const { coordinator } = this.#options
    const { found, unknown } = namedPartitions(coordinator.topics, partitions)
    const offsets = await this.run(groupId, (shard, nowMs) => shard.deleteOffsets(groupId, found, nowMs))
    return { offsets: [...offsets.map((each) => offsetMessage(each, coordinator.topics)), ...unknown] }
  }

  async resetOffsets(
    request: stratalog.v1.ResetOffsetsRequest,
  ): Promise<stratalog.v1.ResetOffsetsResponse.$Properties> {
    refuse(checkGroupId(request.groupId))
    await this.#known(request.partitions)
    try {
      return await this.#options.resetter.reset(request)
    } catch (error) {
      throw this.#told(error, request.groupId)
    }
  }

  /** Runs a command at the coordinator, if that is this broker. Errors: as GroupCoordinator.run, with the leader's address. */
  async run<Response>(groupId: string, command: ShardCommand<Response>): Promise<Response> {
    refuse(checkGroupId(groupId))
    return await this.#following(groupId, this.#options.coordinator.run(groupId, command))
  }

  /** What was asked of the coordinator; if that is another broker, the error says which. */
  async #following<Answer>(groupId: string, answer: Promise<Answer>): Promise<Answer> {
    try {
      return await answer
    } catch (error) {
      throw this.#told(error, groupId)
    }
  }

  /** NOT_COORDINATOR says who is, with the address that clients reach it at. */
  #told(error: unknown, groupId: string): unknown {
    if (!isStratalogError(error, 'NOT_COORDINATOR')) return error
    const place = this.#options.directory.placeOf(groupId)
    return place === null ? error : notCoordinator(groupId, place, this.#options.view, error)
  }

  /** Waits for the metadata when a topic is named that is not known here. */
  async #known(named: readonly Named[]): Promise<void> {
    const { coordinator, cluster } = this.#options
    const isUnknown = (each: Named): boolean => {
      const facts = findTopicFacts(coordinator.topics, each)
      return facts instanceof StratalogError && facts.code !== 'INVALID_REQUEST'
    }
    if (named.some(isUnknown)) await cluster.catchUp()
  }
}

function notCoordinator(
  groupId: string,
  { partition, leaderId, leaderEpoch }: CoordinatorPlace,
  { image }: TopicView,
  cause: StratalogError,
): StratalogError {
  const broker = leaderId === null ? undefined : image.brokers.get(leaderId)
  const who =
    leaderId === null ? 'nobody does at the moment' : `broker ${leaderId} does, since leader epoch ${leaderEpoch}`
  return new StratalogError('NOT_COORDINATOR', `this broker does not coordinate group ${groupId}: ${who}`, {
    cause,
    leader: { leaderId, leaderEpoch, host: broker?.host ?? null, port: broker?.port ?? null },
    metadata: { group: groupId, partition: String(partition) },
  })
}

function refuse(error: StratalogError | null): void {
  if (error !== null) throw error
}
