/**
 * The groups of the whole cluster, as any broker can tell: who coordinates a group, which groups there are, how one is.
 *
 * What another broker coordinates it is asked for, with little patience; one that does not answer is told of.
 * Owner: the broker's core.
 */
import { isStratalogError, StratalogError, stratalog, toErrorDetail } from '@stratalog/proto'
import type { ClusterView } from '../cluster/cluster-view.ts'
import { whenClusterIs } from '../cluster/cluster-wait.ts'
import type { RequestHandler } from '../cluster/peer-desk.ts'
import type { Controller } from '../controller/controller.ts'
import type { MetadataImage, TopicImage } from '../controller/metadata-image.ts'
import { OFFSETS_TOPIC } from '../controller/offsets-topic.ts'
import { type GroupCoordinator, partitionOfGroup } from '../coordinator/group-coordinator.ts'
import type { Peers } from '../peer/peer-port.ts'
import type { Clock } from '../replication/tick-loop.ts'
import type { GroupDescriber } from './group-describer.ts'
import { offsetMessage, stateMessage } from './group-messages.ts'

const v1 = stratalog.v1
type Description = stratalog.v1.DescribeGroupResponse.$Properties
type Listing = stratalog.v1.ListGroupsResponse.$Properties
type Offsets = stratalog.v1.FetchOffsetsResponse.$Properties

/** What a directory is made of. */
export interface GroupDirectoryOptions {
  readonly brokerId: number
  readonly clock: Clock
  readonly image: () => MetadataImage
  /** Known once the broker has its copy of the metadata. */
  readonly controller: () => Controller
  readonly cluster: Pick<ClusterView, 'leaderOf' | 'liveness' | 'onChange'>
  readonly peers: () => Pick<Peers, 'request'>
  readonly coordinator: GroupCoordinator
  readonly describer: GroupDescriber
  /** Partitions of the offsets topic, should it not exist. */
  readonly partitionCount: number
}

/** Who coordinates a group. */
export interface CoordinatorPlace {
  /** Of the offsets topic. */
  readonly partition: number
  readonly topicId: string
  readonly leaderId: number | null
  readonly leaderEpoch: number
}

const LIST_REQUEST = 'list-groups'
const DESCRIBE_REQUEST = 'describe-group'
const OFFSETS_REQUEST = 'group-offsets'
const REQUEST_TIMEOUT_MS = 3000
/** How long the first answer waits for the leaders of the topic that was just made. */
const LEADERS_TIMEOUT_MS = 5000

/** See the file's header. */
export class GroupDirectory {
  readonly #options: GroupDirectoryOptions
  #ensuring: Promise<TopicImage> | null = null

  constructor(options: GroupDirectoryOptions) {
    this.#options = options
  }

  /** What other brokers may ask this one, by kind. */
  handlers(): Array<readonly [kind: string, handler: RequestHandler]> {
    const { describer } = this.#options
    return [
      [LIST_REQUEST, async () => encoded(v1.ListGroupsResponse, this.#ownGroups())],
      [DESCRIBE_REQUEST, async (body) => encoded(v1.DescribeGroupResponse, await describer.describe(body.toString()))],
      [OFFSETS_REQUEST, async (body) => encoded(v1.FetchOffsetsResponse, await this.#ownOffsets(body.toString()))],
    ]
  }

  /** Where a group is kept; null while no group was looked for in this cluster. */
  placeOf(groupId: string): CoordinatorPlace | null {
    const { image, cluster } = this.#options
    const topic = image().topicsByName.get(OFFSETS_TOPIC)
    if (topic === undefined) return null
    const partition = partitionOfGroup(groupId, topic.partitions.length)
    return { partition, topicId: topic.topicId, ...cluster.leaderOf(topic.topicId, partition) }
  }

  /**
   * Where a group is kept, once there is somebody who coordinates it; makes the topic of the groups on first need.
   * Errors: COORDINATOR_NOT_AVAILABLE; those of making the topic.
   */
  async findCoordinator(groupId: string): Promise<CoordinatorPlace> {
    const { cluster, clock } = this.#options
    if (this.placeOf(groupId) === null) await this.#ensureTopic()
    const isLed = (): boolean => (this.placeOf(groupId)?.leaderId ?? null) !== null
    await whenClusterIs(cluster, clock, isLed, LEADERS_TIMEOUT_MS)
    const place = this.placeOf(groupId)
    if (place === null || place.leaderId === null) throw this.#notAvailable(place?.partition ?? null)
    return place
  }

  /** All groups, by id. Never rejects. */
  async list(): Promise<Listing> {
    const { cluster, image, brokerId } = this.#options
    const topic = image().topicsByName.get(OFFSETS_TOPIC)
    const leaders = new Map<number, number[]>()
    const leaderless: number[] = []
    for (const { partition } of topic?.partitions ?? []) {
      const { leaderId } = cluster.leaderOf(topic!.topicId, partition)
      if (leaderId === null) leaderless.push(partition)
      else leaders.set(leaderId, [...(leaders.get(leaderId) ?? []), partition])
    }
    const answers = await Promise.all(
      [...leaders.keys()].map((id) => (id === brokerId ? this.#ownGroups() : this.#askForGroups(id))),
    )
    const errors = leaderless.map((partition) => toErrorDetail(this.#notAvailable(partition)))
    const groups = answers.flatMap((answer) => answer.groups ?? [])
    return {
      groups: groups.sort((a, b) => (a.groupId! < b.groupId! ? -1 : 1)),
      errors: [...errors, ...answers.flatMap((answer) => answer.errors ?? [])],
    }
  }

  /** How a group is, with its coordinator's leader id and epoch. Errors: GROUP_ID_NOT_FOUND, COORDINATOR_NOT_AVAILABLE and others. */
  describe(groupId: string): Promise<Description> {
    const { describer } = this.#options
    return this.#atCoordinator(
      groupId,
      () => describer.describe(groupId),
      DESCRIBE_REQUEST,
      (bytes) => v1.DescribeGroupResponse.decode(bytes),
    )
  }

  /** All offsets that a group has committed. Errors: as {@link describe}. */
  offsetsOf(groupId: string): Promise<Offsets> {
    return this.#atCoordinator(
      groupId,
      () => this.#ownOffsets(groupId),
      OFFSETS_REQUEST,
      (bytes) => v1.FetchOffsetsResponse.decode(bytes),
    )
  }

  async #atCoordinator<Answer>(
    groupId: string,
    here: () => Promise<Answer>,
    kind: string,
    decode: (bytes: Buffer) => Answer,
  ): Promise<Answer> {
    const { brokerId, peers } = this.#options
    const place = this.placeOf(groupId)
    if (place === null) throw groupNotFound(groupId)
    if (place.leaderId === null) throw this.#notAvailable(place.partition)
    if (place.leaderId === brokerId) return here()
    return decode(await peers().request(place.leaderId, kind, Buffer.from(groupId), REQUEST_TIMEOUT_MS))
  }

  #ownGroups(): Listing {
    const { coordinator, brokerId } = this.#options
    const groups = coordinator.list().map(({ groupId, state, memberCount }) => ({
      groupId,
      state: stateMessage(state),
      memberCount,
      coordinatorId: brokerId,
    }))
    return { groups, errors: coordinator.loadingPartitions().map((each) => toErrorDetail(loading(each))) }
  }

  async #ownOffsets(groupId: string): Promise<Offsets> {
    const { coordinator } = this.#options
    const group = await coordinator.read(groupId, (shard, nowMs) => shard.describe(groupId, nowMs))
    return { offsets: group.offsets.map((each) => offsetMessage(each, coordinator.topics)) }
  }

  async #askForGroups(brokerId: number): Promise<Listing> {
    try {
      const answer = await this.#options.peers().request(brokerId, LIST_REQUEST, Buffer.alloc(0), REQUEST_TIMEOUT_MS)
      return v1.ListGroupsResponse.decode(answer)
    } catch (error) {
      if (!isStratalogError(error)) throw error
      const text = `broker ${brokerId} does not say which groups it coordinates: ${error.message}`
      return { errors: [toErrorDetail(new StratalogError('COORDINATOR_NOT_AVAILABLE', text))] }
    }
  }

  /** However many ask for it, it is asked of the controllers once. */
  #ensureTopic(): Promise<TopicImage> {
    const { controller, partitionCount } = this.#options
    this.#ensuring ??= controller()
      .ensureOffsetsTopic(partitionCount)
      .finally(() => {
        this.#ensuring = null
      })
    return this.#ensuring
  }

  #notAvailable(partition: number | null): StratalogError {
    if (partition === null) return new StratalogError('COORDINATOR_NOT_AVAILABLE')
    const text = `${OFFSETS_TOPIC}-${partition}, which the group is kept in, has no leader at the moment`
    return new StratalogError('COORDINATOR_NOT_AVAILABLE', text, { topic: OFFSETS_TOPIC, partition })
  }
}

/** GROUP_ID_NOT_FOUND. */
function groupNotFound(groupId: string): StratalogError {
  return new StratalogError('GROUP_ID_NOT_FOUND', `there is no group ${JSON.stringify(groupId)}`)
}

function loading(partition: number): StratalogError {
  return new StratalogError('COORDINATOR_LOAD_IN_PROGRESS', undefined, { topic: OFFSETS_TOPIC, partition })
}

function encoded<Message>(type: { encode(message: Message): { finish(): Uint8Array } }, message: Message): Buffer {
  return Buffer.from(type.encode(message).finish())
}
