/** Changing topics: requests become the controller's commands; what is not given is filled in from the configuration. */
import { AdminService, StratalogError, stratalog } from '@stratalog/proto'
import { findTopic } from '../../controller/commands.ts'
import type { Controller } from '../../controller/controller.ts'
import { describeTopicConfig, type TopicConfigSource } from '../../controller/topic-config.ts'
import type { GrpcServer } from '../grpc/grpc-server.ts'
import type { TopicView } from './topic-view.ts'

const { ConfigSource } = stratalog.v1

/** What the handlers are made of. */
export interface AdminOptions {
  readonly controller: Controller
  readonly view: TopicView
  readonly defaultPartitionCount: number
  readonly defaultReplicationFactor: number
  /** Defaults of topic configs that this broker's configuration sets. */
  readonly topicDefaults: ReadonlyMap<string, string>
}

/** Binds the Admin service. */
export function bindAdmin(server: GrpcServer, options: AdminOptions): void {
  const { controller, view, topicDefaults } = options
  server.unary(AdminService.createTopic, async (request, { connection }) => {
    const command = {
      name: request.name,
      partitionCount: request.partitionCount === 0 ? options.defaultPartitionCount : request.partitionCount,
      replicationFactor: request.replicationFactor === 0 ? options.defaultReplicationFactor : request.replicationFactor,
      configs: new Map(Object.entries(request.configs)),
    }
    const topic = await controller.createTopic(command, request.validateOnly)
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
    const topic = await controller.addPartitions(request.name, request.partitionCount, request.validateOnly)
    return { topic: view.topic(topic, connection) }
  })
  server.unary(AdminService.describeTopicConfig, (request) => {
    const topic = findTopic(controller.image, request.name)
    if (topic instanceof StratalogError) throw topic
    const entries = describeTopicConfig(topic.configs, topicDefaults).map((entry) => ({
      key: entry.key,
      value: entry.value,
      source: sourceOf(entry.source),
      documentation: entry.documentation,
    }))
    return { entries }
  })
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
