/** Describing the cluster and its topics. */
import { MetadataService, stratalog } from '@stratalog/proto'
import type { PartitionRegistry } from '../../partition/partition-registry.ts'
import type { ClientConnection, OutboundStream } from '../call.ts'
import type { GrpcServer } from '../grpc/grpc-server.ts'
import type { TopicView } from './topic-view.ts'
import { TopicWatches } from './topic-watches.ts'

const { BrokerState } = stratalog.v1
/** Problems that are told one by one; the rest is counted. */
const PROBLEMS_TOLD_MAX = 100

type TopicsRequest = stratalog.v1.DescribeTopicsRequest
type TopicsResponse = stratalog.v1.DescribeTopicsResponse.$Properties

/** What the handlers are made of. */
export interface MetadataOptions {
  readonly view: TopicView
  readonly clusterId: string
  readonly brokerId: number
  readonly version: string
  readonly startedAtMs: number
  readonly isServing: () => boolean
  readonly registry: PartitionRegistry
}

/** Binds the Metadata service. */
export function bindMetadata(server: GrpcServer, options: MetadataOptions): TopicWatches {
  const describeTopics = (request: TopicsRequest, connection: ClientConnection): TopicsResponse => ({
    topics: options.view.topics(request, connection),
    brokers: options.view.endpoints(connection),
    clusterId: options.clusterId,
    metadataOffset: options.view.image.metadataOffset,
  })
  const watches = new TopicWatches(
    options.view,
    () => options.registry.all(),
    (request, stream: OutboundStream<TopicsResponse>) => describeTopics(request, stream.connection),
  )
  server.unary(MetadataService.describeCluster, (_, { connection }) => describeCluster(options, connection))
  server.unary(MetadataService.describeTopics, (request, { connection }) => describeTopics(request, connection))
  server.serverStream(MetadataService.watchTopics, (request, stream) => watches.open(request, stream))
  return watches
}

function describeCluster(
  options: MetadataOptions,
  connection: ClientConnection,
): stratalog.v1.DescribeClusterResponse.$Properties {
  const { view, clusterId, brokerId, version, startedAtMs } = options
  const own = summarise(options.registry, brokerId)
  const problems = options.isServing() ? own.problems : [`broker ${brokerId} is stopping`, ...own.problems]
  return {
    clusterId,
    controllerId: brokerId,
    brokerId,
    version,
    brokers: [
      {
        endpoint: view.endpoint(brokerId, connection),
        state: options.isServing() ? BrokerState.BROKER_STATE_RUNNING : BrokerState.BROKER_STATE_DRAINING,
        pid: process.pid,
        leaderCount: own.leaderCount,
        replicaCount: own.replicaCount,
        logBytes: own.logBytes,
        startedAtMs,
      },
    ],
    problems,
    metadataOffset: view.image.metadataOffset,
  }
}

function summarise(registry: PartitionRegistry, brokerId: number) {
  const problems: string[] = []
  let problemCount = 0
  for (const { topic, partition, error } of registry.problems()) {
    if (++problemCount > PROBLEMS_TOLD_MAX) continue
    problems.push(`partition ${topic}-${partition} is not served: ${error.code}: ${error.message}`)
  }
  if (problemCount > PROBLEMS_TOLD_MAX)
    problems.push(`${problemCount - PROBLEMS_TOLD_MAX} more partitions are not served`)
  let leaderCount = 0
  let replicaCount = 0
  let logBytes = 0
  for (const partition of registry.all()) {
    const description = partition.describe()
    replicaCount++
    logBytes += description.logBytes
    if (description.leaderId === brokerId) leaderCount++
    if (description.diskFull)
      problems.push(`partition ${partition.topic}-${partition.partition} takes no writes: DISK_FULL`)
  }
  return { problems, leaderCount, replicaCount, logBytes }
}
