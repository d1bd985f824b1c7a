/** Describing the cluster and its topics. Any broker answers for all of them. */
import { MetadataService, type stratalog } from '@stratalog/proto'
import type { ClusterView } from '../../cluster/cluster-view.ts'
import type { PartitionRegistry } from '../../partition/partition-registry.ts'
import type { ClientConnection, OutboundStream } from '../call.ts'
import type { GrpcServer } from '../grpc/grpc-server.ts'
import { brokerInfo, countPartitions, problemsOf } from './cluster-status.ts'
import type { TopicView } from './topic-view.ts'
import { TopicWatches } from './topic-watches.ts'

type TopicsRequest = stratalog.v1.DescribeTopicsRequest
type TopicsResponse = stratalog.v1.DescribeTopicsResponse.$Properties

/** What the handlers are made of. */
export interface MetadataOptions {
  readonly view: TopicView
  readonly cluster: ClusterView
  readonly clusterId: string
  readonly brokerId: number
  readonly version: string
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
  const caughtUp = sharedCatchUp(options.cluster)
  server.unary(MetadataService.describeCluster, (_, { connection }) => describeCluster(options, connection))
  server.unary(MetadataService.describeTopics, async (request, { connection }) => {
    const { topicsByName } = options.view.image
    // A topic that was created through another broker a moment ago exists, whether or not this one has heard of it.
    if (request.topics.some((name) => !topicsByName.has(name))) await caughtUp()
    return describeTopics(request, connection)
  })
  server.serverStream(MetadataService.watchTopics, (request, stream) => watches.open(request, stream))
  return watches
}

/** At most one asks and one waits to ask, however many topics that do not exist are asked for. */
function sharedCatchUp(cluster: ClusterView): () => Promise<void> {
  let running: Promise<void> | null = null
  let next: Promise<void> | null = null
  const run = (): Promise<void> => {
    const done = cluster.catchUp()
    running = done
    next = null
    return done.finally(() => {
      if (running === done) running = null
    })
  }
  return () => {
    if (running === null) return run()
    next ??= running.then(run)
    return next
  }
}

async function describeCluster(
  options: MetadataOptions,
  connection: ClientConnection,
): Promise<stratalog.v1.DescribeClusterResponse.$Properties> {
  const { view, cluster, clusterId, brokerId, version } = options
  const [brokers, partitions] = await Promise.all([cluster.brokerStatuses(), cluster.partitionStatuses()])
  return {
    clusterId,
    controllerId: cluster.controllerId() ?? -1,
    brokerId,
    version,
    brokers: brokers.map((status) => brokerInfo(status, view, connection)),
    problems: problemsOf(brokers, partitions),
    metadataOffset: view.image.metadataOffset,
    partitions: countPartitions(partitions),
  }
}
