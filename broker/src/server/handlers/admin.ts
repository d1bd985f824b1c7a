/** Changing topics: requests become the controllers' commands; what is not given is filled in from the configuration. */
import { AdminService, StratalogError, stratalog } from '@stratalog/proto'
import type { ClusterView } from '../../cluster/cluster-view.ts'
import { whenClusterIs } from '../../cluster/cluster-wait.ts'
import { findTopic } from '../../controller/commands.ts'
import type { Controller } from '../../controller/controller.ts'
import type { TopicImage } from '../../controller/metadata-image.ts'
import { describeTopicConfig, type TopicConfigSource } from '../../controller/topic-config.ts'
import { SYSTEM_CLOCK } from '../../replication/tick-loop.ts'
import type { GrpcServer } from '../grpc/grpc-server.ts'
import type { TopicView } from './topic-view.ts'

const { ConfigSource } = stratalog.v1

/** What the handlers are made of. */
export interface AdminOptions {
  readonly controller: Controller
  readonly cluster: ClusterView
  readonly view: TopicView
  readonly defaultPartitionCount: number
  /** 0 = by the number of brokers. */
  readonly defaultReplicationFactor: number
  /** Defaults of topic configs that this broker's configuration sets. */
  readonly topicDefaults: ReadonlyMap<string, string>
}

/** Copies of a partition that survive the loss of any one broker without losing the majority. */
const REPLICATION_FACTOR_WANTED = 3
/** How long the answer to a change waits for the leaders of new partitions: longer than an election takes. */
const LEADERS_TIMEOUT_MS = 5000

/** Binds the Admin service's calls about topics. */
export function bindTopicAdmin(server: GrpcServer, options: AdminOptions): void {
  const { controller, cluster, view, topicDefaults } = options
  /** Whoever created a topic may write to it at once, through any broker. */
  const led = ({ topicId, partitions }: TopicImage): Promise<boolean> =>
    whenClusterIs(
      cluster,
      SYSTEM_CLOCK,
      () => partitions.every(({ partition }) => cluster.leaderOf(topicId, partition).leaderId !== null),
      LEADERS_TIMEOUT_MS,
    )
  server.unary(AdminService.createTopic, async (request, { connection }) => {
    const { name, validateOnly } = request
    const command = {
      name,
      partitionCount: request.partitionCount === 0 ? options.defaultPartitionCount : request.partitionCount,
      replicationFactor:
        request.replicationFactor === 0 ? defaultReplicationFactor(options) : request.replicationFactor,
      configs: new Map(Object.entries(request.configs)),
    }
    const topic = await controller.createTopic(command, validateOnly)
    if (!validateOnly) await led(topic)
    return { topic: view.topic(topic, connection) }
  })
  server.unary(AdminService.deleteTopic, async (request) => {
    const topic = await controller.deleteTopic(request.name)
    return { topicId: Buffer.from(topic.topicId, 'hex') }
  })
  server.unary(AdminService.alterTopicConfig, async (request, { connection }) => {
    const command = { name: request.name, set: new Map(Object.entries(request.set)), unset: request.unset }
    const topic = await controller.alterTopicConfig(command, request.validateOnly)
    return { topic: view.topic(topic, connection) }
  })
  server.unary(AdminService.addPartitions, async (request, { connection }) => {
    const { name, partitionCount, validateOnly } = request
    const topic = await controller.addPartitions(name, partitionCount, validateOnly)
    if (!validateOnly) await led(topic)
    return { topic: view.topic(topic, connection) }
  })
  server.unary(AdminService.describeTopicConfig, async (request) => {
    const topic = await knownTopic(options, request.name)
    const entries = describeTopicConfig(topic.configs, topicDefaults).map((entry) => ({
      key: entry.key,
      value: entry.value,
      source: sourceOf(entry.source),
      documentation: entry.documentation,
    }))
    return { entries }
  })
}

/** A topic, also one that was created through another broker a moment ago. Errors: UNKNOWN_TOPIC_OR_PARTITION. */
export async function knownTopic(
  { controller, cluster }: Pick<AdminOptions, 'controller' | 'cluster'>,
  name: string,
): Promise<TopicImage> {
  if (!controller.image.topicsByName.has(name)) await cluster.catchUp()
  const topic = findTopic(controller.image, name)
  if (topic instanceof StratalogError) throw topic
  return topic
}

function defaultReplicationFactor({ defaultReplicationFactor: configured, cluster }: AdminOptions): number {
  if (configured > 0) return configured
  const brokers = [...cluster.liveness().values()]
  const eligible = brokers.filter(({ isUp, isDrained, isDecommissioning }) => isUp && !isDrained && !isDecommissioning)
  return Math.max(1, Math.min(REPLICATION_FACTOR_WANTED, eligible.length))
}

function sourceOf(source: TopicConfigSource): stratalog.v1.ConfigSource {
  switch (source) {
    case 'default':
      return ConfigSource.CONFIG_SOURCE_DEFAULT
    case 'broker':
      return ConfigSource.CONFIG_SOURCE_BROKER
    case 'topic':
      return ConfigSource.CONFIG_SOURCE_TOPIC
  }
}
