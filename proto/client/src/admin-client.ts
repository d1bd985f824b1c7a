/**
 * Calls that a person or a script makes: topics, configuration, offsets, partitions, brokers, groups, a few plain records.
 *
 * Each is one request with one answer and a deadline; any broker takes it, or the group's coordinator, which is found. Changes are durable when answered. A call
 * whose outcome is unknown (the connection broke after it was sent) is repeated only if it changes nothing.
 */
import {
  AdminService,
  FetchService,
  fromErrorDetail,
  GroupsService,
  MetadataService,
  StratalogError,
} from '@stratalog/proto'
import {
  configSource,
  failedOffsetAnswer,
  failedSplitAnswer,
  toBroker,
  toLeader,
  toOffsetAnswer,
  toPartition,
  toQuery,
  toQuorum,
  toSplitAnswer,
  toSplitQuery,
} from './admin-messages.ts'
import type {
  BrokerDescription,
  CallOptions,
  ClusterDescription,
  ConfigEntry,
  DecommissionOptions,
  DrainOptions,
  LeaderDescription,
  NewTopic,
  OffsetAnswer,
  OffsetQuery,
  PartitionDescription,
  PartitionMove,
  PartitionPlacement,
  PartitionSelection,
  PlainAck,
  PlainProduce,
  QuorumDescription,
  RecordDeletion,
  RecordDeletionResult,
  SplitAnswer,
  SplitQuery,
  TopicConfigChange,
} from './admin-types.ts'
import type { Client } from './client.ts'
import {
  fromGroupStates,
  fromResetTarget,
  fromSelection,
  toCommitted,
  toDescription,
  toListing,
  toReset,
} from './group-messages.ts'
import type {
  CommittedOffset,
  GroupDescription,
  GroupList,
  GroupState,
  OffsetReset,
  OffsetResetResult,
  OffsetToCommit,
  TopicPartitionsSelection,
} from './group-types.ts'
import { leaderCall } from './leader-call.ts'
import { producePlain } from './plain-produce.ts'
import { expectTopic, type TopicMetadata, toTopicMetadata } from './topic-metadata.ts'

/** See the head of this file. */
export class AdminClient {
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
  }

  /** Creates a topic. Errors: TOPIC_ALREADY_EXISTS, INVALID_TOPIC, INVALID_PARTITIONS, INVALID_CONFIG, ... */
  async createTopic(topic: NewTopic, options: CallOptions = {}): Promise<TopicMetadata> {
    const { name, partitionCount = 0, replicationFactor = 0, configs = {}, validateOnly = false } = topic
    const response = await this.#client.call(
      AdminService.createTopic,
      { name, partitionCount, replicationFactor, configs, validateOnly },
      options,
    )
    return expectTopic(response.topic)
  }

  /** Deletes a topic and its records. Errors: UNKNOWN_TOPIC_OR_PARTITION. */
  async deleteTopic(name: string, options: CallOptions = {}): Promise<void> {
    await this.#client.call(AdminService.deleteTopic, { name }, options)
  }

  /** All topics, sorted by name; internal ones only when asked for. */
  async listTopics(options: CallOptions & { readonly includeInternal?: boolean } = {}): Promise<TopicMetadata[]> {
    const { includeInternal = false } = options
    const response = await this.#client.call(MetadataService.describeTopics, { includeInternal }, options)
    const described = response.topics.map(toTopicMetadata)
    const topics = described.filter((topic): topic is TopicMetadata => !(topic instanceof StratalogError))
    return topics.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** These topics, in this order. Errors: the first topic's that cannot be described. */
  async describeTopics(names: readonly string[], options: CallOptions = {}): Promise<TopicMetadata[]> {
    if (names.length === 0) return []
    const response = await this.#client.call(MetadataService.describeTopics, { topics: [...names] }, options)
    return names.map((name) => expectTopic(response.topics.find((topic) => topic.name === name)))
  }

  /** Changes a topic's configuration. Errors: INVALID_CONFIG naming key, value and what is allowed. */
  async alterTopicConfig(name: string, change: TopicConfigChange, options: CallOptions = {}): Promise<TopicMetadata> {
    const { set = {}, unset = [], validateOnly = false } = change
    const request = { name, set, unset: [...unset], validateOnly }
    return expectTopic((await this.#client.call(AdminService.alterTopicConfig, request, options)).topic)
  }

  /** Raises the number of partitions to `partitionCount` (a total). Keys may then go to other partitions. */
  async addPartitions(name: string, partitionCount: number, options: CallOptions = {}): Promise<TopicMetadata> {
    const response = await this.#client.call(AdminService.addPartitions, { name, partitionCount }, options)
    return expectTopic(response.topic)
  }

  /** Every setting in force for a topic, with its source. */
  async describeTopicConfig(name: string, options: CallOptions = {}): Promise<ConfigEntry[]> {
    const response = await this.#client.call(AdminService.describeTopicConfig, { name }, options)
    return response.entries.map((entry) => ({
      key: entry.key ?? '',
      value: entry.value ?? '',
      source: configSource(entry.source),
      documentation: entry.documentation ?? '',
    }))
  }

  /** Offsets by position or time, one answer per query in order; each asked of the partition's leader. */
  async listOffsets(queries: readonly OffsetQuery[], options: CallOptions = {}): Promise<OffsetAnswer[]> {
    const answers = await leaderCall(this.#client, queries, options, async (broker, group, callOptions) => {
      const request = { queries: group.map(toQuery) }
      const response = await this.#client.call(FetchService.listOffsets, request, { ...callOptions, broker })
      return response.answers.map(toOffsetAnswer)
    })
    return answers.map((answer, index) =>
      answer instanceof StratalogError ? failedOffsetAnswer(queries[index]!, answer) : answer,
    )
  }

  /**
   * Where ranges of partitions can be cut for parallel readers, one answer per query in order; each asked of the
   * partition's leader. Errors, in the answers: OFFSET_OUT_OF_RANGE, whose metadata says what there is; UNKNOWN_TOPIC_ID.
   */
  async planSplits(queries: readonly SplitQuery[], options: CallOptions = {}): Promise<SplitAnswer[]> {
    const answers = await leaderCall(this.#client, queries, options, async (broker, group, callOptions) => {
      const request = { queries: group.map(toSplitQuery) }
      const response = await this.#client.call(FetchService.planSplits, request, { ...callOptions, broker })
      return response.answers.map(toSplitAnswer)
    })
    return answers.map((answer, index) =>
      answer instanceof StratalogError ? failedSplitAnswer(queries[index]!, answer) : answer,
    )
  }

  /**
   * Deletes the oldest records of a partition on all of its replicas; asking again does no harm.
   * Errors: OFFSET_OUT_OF_RANGE beyond the visible end, LEADER_NOT_AVAILABLE, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID,
   * INVALID_TOPIC for one of the system's own.
   */
  async deleteRecords(deletion: RecordDeletion, options: CallOptions = {}): Promise<RecordDeletionResult> {
    const { topic, partition, beforeOffset, topicId, validateOnly = false } = deletion
    const id = topicId === undefined ? {} : { topicId: Buffer.from(topicId, 'hex') }
    const request = { topic, partition, beforeOffset: beforeOffset ?? -1, ...id, validateOnly }
    const { logStartOffset, previousLogStartOffset, visibleEnd } = await this.#client.call(
      AdminService.deleteRecords,
      request,
      options,
    )
    return { logStartOffset, previousLogStartOffset, visibleEnd }
  }

  /** The cluster, its brokers, and what is wrong with it. */
  async describeCluster(options: CallOptions = {}): Promise<ClusterDescription> {
    const cluster = await this.#client.call(MetadataService.describeCluster, {}, options)
    return {
      clusterId: cluster.clusterId,
      controllerId: cluster.controllerId < 0 ? null : cluster.controllerId,
      brokerId: cluster.brokerId,
      version: cluster.version,
      brokers: cluster.brokers.map(toBroker),
      problems: [...cluster.problems],
      metadataOffset: cluster.metadataOffset,
      partitions: {
        total: cluster.partitions?.total ?? 0,
        leaderless: cluster.partitions?.leaderless ?? 0,
        underReplicated: cluster.partitions?.underReplicated ?? 0,
        moving: cluster.partitions?.moving ?? 0,
      },
    }
  }

  /**
   * Partitions with their replicas, lag and moves, each as its leader tells it; by topic, then number.
   * Errors: UNKNOWN_TOPIC_OR_PARTITION for a topic that is named and does not exist.
   */
  async describePartitions(
    selection: PartitionSelection = {},
    options: CallOptions = {},
  ): Promise<PartitionDescription[]> {
    const { topics = [], includeInternal = false, onlyProblems = false } = selection
    const request = { topics: [...topics], includeInternal, onlyProblems }
    const response = await this.#client.call(AdminService.describePartitions, request, options)
    return response.partitions.map(toPartition)
  }

  /**
   * Begins to move a partition to other brokers; `describePartitions` shows the progress.
   * Errors: INVALID_REPLICA_ASSIGNMENT naming the broker, REASSIGNMENT_IN_PROGRESS, UNKNOWN_TOPIC_OR_PARTITION.
   */
  async movePartition(move: PartitionMove, options: CallOptions = {}): Promise<PartitionPlacement> {
    const { topic, partition, replicas, validateOnly = false } = move
    const request = { topic, partition, replicas: [...replicas], validateOnly }
    const response = await this.#client.call(AdminService.movePartition, request, options)
    return { replicas: [...response.replicas], targetReplicas: [...response.targetReplicas] }
  }

  /** Ends a move: the partition stays where it was. Errors: NO_REASSIGNMENT_IN_PROGRESS, UNKNOWN_TOPIC_OR_PARTITION. */
  async cancelMove(topic: string, partition: number, options: CallOptions = {}): Promise<PartitionPlacement> {
    const response = await this.#client.call(AdminService.cancelMove, { topic, partition }, options)
    return { replicas: [...response.replicas], targetReplicas: [] }
  }

  /**
   * Hands leadership to another replica. @param brokerId default: the preferred leader, or any that can lead.
   * Errors: INELIGIBLE_REPLICA, ELIGIBLE_LEADERS_NOT_AVAILABLE, LEADER_NOT_AVAILABLE, UNKNOWN_TOPIC_OR_PARTITION.
   */
  async transferLeader(
    topic: string,
    partition: number,
    brokerId: number | null = null,
    options: CallOptions = {},
  ): Promise<LeaderDescription> {
    const request = { topic, partition, ...(brokerId === null ? {} : { brokerId }) }
    return toLeader((await this.#client.call(AdminService.transferLeader, request, options)).leader)
  }

  /**
   * Begins a maintenance of a broker, or ends it: see DrainBroker in admin.proto. `null` when it has left the cluster.
   * Errors: BROKER_ID_NOT_REGISTERED; a refusal that names the partition whose quorum would be lost.
   */
  async drainBroker(
    brokerId: number,
    how: DrainOptions = {},
    options: CallOptions = {},
  ): Promise<BrokerDescription | null> {
    const { undo = false, validateOnly = false, force = false } = how
    const request = { brokerId, undo, validateOnly, force }
    const { broker } = await this.#client.call(AdminService.drainBroker, request, options)
    return broker ? toBroker(broker) : null
  }

  /** Begins to empty a broker for good, or ends that. Errors: as `drainBroker`, and when the others cannot take its replicas. */
  async decommissionBroker(
    brokerId: number,
    how: DecommissionOptions = {},
    options: CallOptions = {},
  ): Promise<BrokerDescription | null> {
    const { cancel = false, validateOnly = false } = how
    const request = { brokerId, cancel, validateOnly }
    const { broker } = await this.#client.call(AdminService.decommissionBroker, request, options)
    return broker ? toBroker(broker) : null
  }

  /** The replicas of the cluster's own metadata. */
  async describeQuorum(options: CallOptions = {}): Promise<QuorumDescription> {
    return toQuorum(await this.#client.call(AdminService.describeQuorum, {}, options))
  }

  /** Sends a few records, which the leaders of their partitions batch; see {@link PlainProduce}. */
  async produceRecords(request: PlainProduce, options: CallOptions = {}): Promise<PlainAck[]> {
    return await producePlain(this.#client, request, options)
  }

  /** All consumer groups of the cluster, or those in certain states. */
  async listGroups(options: CallOptions & { readonly states?: readonly GroupState[] } = {}): Promise<GroupList> {
    const request = { states: fromGroupStates(options.states ?? []) }
    const response = await this.#client.call(GroupsService.listGroups, request, options)
    return {
      groups: response.groups.map(toListing),
      errors: response.errors.map((error) => fromErrorDetail(error)),
    }
  }

  /** A group's members, partitions and lag, and why it does not move if it does not. Errors: GROUP_ID_NOT_FOUND. */
  async describeGroup(groupId: string, options: CallOptions = {}): Promise<GroupDescription> {
    // Any broker could be asked; the coordinator is, so that a group that is being taken over is waited for.
    return toDescription(await this.#client.groups.call(groupId, GroupsService.describeGroup, { groupId }, options))
  }

  /** Forgets a group and its offsets. Errors: GROUP_NOT_EMPTY while it has members, GROUP_ID_NOT_FOUND. */
  async deleteGroup(groupId: string, options: CallOptions = {}): Promise<void> {
    await this.#client.groups.call(groupId, GroupsService.deleteGroup, { groupId }, options)
  }

  /** Committed offsets of these partitions, in any order, or of all that the group has any of. */
  async fetchOffsets(
    groupId: string,
    partitions: readonly TopicPartitionsSelection[] = [],
    options: CallOptions = {},
  ): Promise<CommittedOffset[]> {
    return await this.#client.groups.fetchOffsets(groupId, partitions, null, options)
  }

  /**
   * Commits offsets from outside the group, one outcome for each in order: `error` tells what was not committed.
   * Errors: of the whole call, such as UNKNOWN_MEMBER_ID while the group has members.
   */
  async commitOffsets(
    groupId: string,
    offsets: readonly OffsetToCommit[],
    options: CallOptions = {},
  ): Promise<CommittedOffset[]> {
    return await this.#client.groups.commitOffsets(groupId, offsets, null, options)
  }

  /** Moves committed offsets of a group without members, or tells what would be moved. Errors: GROUP_NOT_EMPTY. */
  async resetOffsets(groupId: string, reset: OffsetReset, options: CallOptions = {}): Promise<OffsetResetResult[]> {
    const { to, partitions = [], dryRun = false } = reset
    const request = { groupId, partitions: fromSelection(partitions), dryRun, ...fromResetTarget(to) }
    const response = await this.#client.groups.call(groupId, GroupsService.resetOffsets, request, options)
    return response.resets.map(toReset)
  }

  /** Forgets committed offsets; an outcome for each. GROUP_SUBSCRIBED_TO_TOPIC where a member subscribes. */
  async deleteOffsets(
    groupId: string,
    partitions: readonly TopicPartitionsSelection[],
    options: CallOptions = {},
  ): Promise<CommittedOffset[]> {
    const request = { groupId, partitions: fromSelection(partitions) }
    const response = await this.#client.groups.call(groupId, GroupsService.deleteOffsets, request, options)
    return response.offsets.map(toCommitted)
  }
}
