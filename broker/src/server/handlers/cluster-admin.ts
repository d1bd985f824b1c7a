/** Looking after partitions and brokers: their state, moves, leaders, maintenance. */
import { AdminService, StratalogError, type stratalog } from '@stratalog/proto'
import type { ClusterView } from '../../cluster/cluster-view.ts'
import type { Controller } from '../../controller/controller.ts'
import type { PartitionImage, TopicImage } from '../../controller/metadata-image.ts'
import { internalTopic, isInternalTopic } from '../../controller/topic-name.ts'
import type { ClientConnection } from '../call.ts'
import type { ClusterCommands } from '../cluster-commands.ts'
import type { GrpcServer } from '../grpc/grpc-server.ts'
import { replicaBrokers, targetBrokers } from '../replica-brokers.ts'
import { knownTopic } from './admin.ts'
import { brokerInfo, partitionStatusMessage, quorumMessage } from './cluster-status.ts'
import type { TopicView } from './topic-view.ts'

/** What the handlers are made of. */
export interface ClusterAdminOptions {
  readonly controller: Controller
  readonly commands: ClusterCommands
  readonly cluster: ClusterView
  readonly view: TopicView
}

/** Binds the Admin service's calls about partitions and brokers. */
export function bindClusterAdmin(server: GrpcServer, options: ClusterAdminOptions): void {
  const { commands, cluster, view } = options
  server.unary(AdminService.describePartitions, (request, { connection }) =>
    describePartitions(options, request, connection),
  )
  server.unary(AdminService.movePartition, async ({ topic, partition, replicas, validateOnly }) => {
    await findPartition(options, topic, partition)
    await commands.movePartition(topic, partition, replicas, validateOnly)
    const placed = (await findPartition(options, topic, partition)).placed
    return { replicas: replicaBrokers(placed), targetReplicas: validateOnly ? replicas : targetBrokers(placed) }
  })
  server.unary(AdminService.cancelMove, async ({ topic, partition }) => {
    await findPartition(options, topic, partition)
    await commands.cancelMove(topic, partition)
    return { replicas: replicaBrokers((await findPartition(options, topic, partition)).placed) }
  })
  server.unary(AdminService.transferLeader, async ({ topic, partition, brokerId }, { connection }) => {
    const { topicId } = (await findPartition(options, topic, partition)).topic
    await cluster.transferLeadership(topicId, partition, brokerId ?? null)
    return { leader: view.leader(topicId, partition, connection) }
  })
  server.unary(AdminService.deleteRecords, async (request) => await deleteRecords(options, request))
  server.unary(AdminService.drainBroker, async ({ brokerId, undo, validateOnly, force }, { connection }) => {
    await commands.drainBroker(brokerId, !undo, validateOnly, force)
    return { broker: await describeBroker(options, brokerId, connection) }
  })
  server.unary(AdminService.decommissionBroker, async ({ brokerId, cancel, validateOnly }, { connection }) => {
    await commands.decommissionBroker(brokerId, !cancel, validateOnly)
    return { broker: await describeBroker(options, brokerId, connection) }
  })
  server.unary(AdminService.describeQuorum, async () => quorumMessage(await cluster.quorum()))
}

async function deleteRecords(
  options: ClusterAdminOptions,
  request: stratalog.v1.DeleteRecordsRequest,
): Promise<stratalog.v1.DeleteRecordsResponse.$Properties> {
  const { topic: name, partition, beforeOffset, topicId, validateOnly } = request
  if (beforeOffset < -1) {
    const text = `before_offset is ${beforeOffset}; it must be an offset, or -1 for all that is committed`
    throw new StratalogError('INVALID_REQUEST', text, { metadata: { field: 'before_offset' } })
  }
  if (isInternalTopic(name)) throw internalTopic(name)
  const { topic } = await findPartition(options, name, partition)
  if (topicId.length > 0 && Buffer.from(topicId).toString('hex') !== topic.topicId) {
    throw new StratalogError('UNKNOWN_TOPIC_ID', `topic ${name} has another id by now`, { topic: name, partition })
  }
  return await options.cluster.deleteRecords({
    topicId: topic.topicId,
    partition,
    beforeOffset: beforeOffset === -1 ? null : beforeOffset,
    validateOnly,
  })
}

async function describePartitions(
  options: ClusterAdminOptions,
  request: stratalog.v1.DescribePartitionsRequest,
  connection: ClientConnection,
): Promise<stratalog.v1.DescribePartitionsResponse.$Properties> {
  const { cluster, view } = options
  const { topics, includeInternal, onlyProblems } = request
  for (const name of topics) await knownTopic(options, name)
  const statuses = await cluster.partitionStatuses(topics.length === 0 ? {} : { topics: new Set(topics) })
  const wanted = statuses.filter(
    ({ topic, problems }) =>
      (topics.length > 0 || includeInternal || !isInternalTopic(topic)) && (!onlyProblems || problems.length > 0),
  )
  return { partitions: wanted.map((status) => partitionStatusMessage(status, view, connection)) }
}

/** Null when it has left the cluster meanwhile. */
async function describeBroker(
  { cluster, view }: ClusterAdminOptions,
  brokerId: number,
  connection: ClientConnection,
): Promise<stratalog.v1.BrokerInfo.$Properties | null> {
  const status = (await cluster.brokerStatuses()).find((broker) => broker.brokerId === brokerId)
  return status === undefined ? null : brokerInfo(status, view, connection)
}

async function findPartition(
  options: ClusterAdminOptions,
  name: string,
  partition: number,
): Promise<{ readonly topic: TopicImage; readonly placed: PartitionImage }> {
  const topic = await knownTopic(options, name)
  const placed = topic.partitions[partition]
  if (placed !== undefined) return { topic, placed }
  const text = `topic ${name} has no partition ${partition}; it has ${topic.partitions.length}, numbered from 0`
  throw new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', text, { topic: name, partition })
}
