/**
 * Carries out on this broker what the metadata says: which partitions to hold, with which settings, and which to remove.
 *
 * The glue between controller and partitions, neither of which knows the other. Owner: broker.ts.
 */
import { invariant } from '@stratalog/proto'
import type { MetadataChange, MetadataFollowing } from './controller/metadata-group.ts'
import type { MetadataImage, TopicImage } from './controller/metadata-image.ts'
import type { MetadataRecord } from './controller/metadata-records.ts'
import { resolveTopicConfig } from './controller/topic-config.ts'
import { type DeletedTopic, noteDeletedTopic } from './partition/deleted-topics.ts'
import type { PartitionRegistry, TopicAssignment } from './partition/partition-registry.ts'
import type { StoreOperation } from './storage/key-value-store.ts'

/** See the file's header. */
export class MetadataFollower implements MetadataFollowing {
  readonly #brokerId: number
  readonly #topicDefaults: ReadonlyMap<string, string>
  readonly #registry: PartitionRegistry

  constructor(brokerId: number, topicDefaults: ReadonlyMap<string, string>, registry: PartitionRegistry) {
    this.#brokerId = brokerId
    this.#topicDefaults = topicDefaults
    this.#registry = registry
  }

  /** Opens all partitions that the image gives to this broker. Errors: those of the store. */
  start(image: MetadataImage): Promise<void> {
    return this.#registry.start([...image.topicsById.values()].map((topic) => this.#assignment(topic)))
  }

  /** What this broker stores in the same batch as the records: the order to clean up after deleted topics. */
  beside(records: readonly MetadataRecord[], before: MetadataImage): readonly StoreOperation[] {
    return records
      .filter((record) => record.type === 'topic-deleted')
      .map((record) => noteDeletedTopic(deletedTopic(before, record.topicId)))
  }

  /** Carries out a change that is durable. */
  async carryOut({ records, before, after }: MetadataChange): Promise<void> {
    for (const record of records) {
      switch (record.type) {
        case 'topic-created':
        case 'partitions-added':
          await this.#registry.add(this.#assignment(topicOf(after, record.topicId)))
          break
        case 'topic-config-changed': {
          const topic = topicOf(after, record.topicId)
          this.#registry.updateConfig(topic.name, resolveTopicConfig(topic.configs, this.#topicDefaults))
          break
        }
        case 'topic-deleted':
          await this.#registry.remove(deletedTopic(before, record.topicId))
          break
        default:
          break
      }
    }
  }

  #assignment(topic: TopicImage): TopicAssignment {
    return {
      topic: topic.name,
      topicId: topic.topicId,
      config: resolveTopicConfig(topic.configs, this.#topicDefaults),
      partitionCount: topic.partitions.length,
      partitions: topic.partitions
        .map(({ partition, replicas }) => ({ partition, replicas: replicas.map(({ brokerId }) => brokerId) }))
        .filter(({ replicas }) => replicas.includes(this.#brokerId)),
    }
  }
}

function topicOf(image: MetadataImage, topicId: string): TopicImage {
  const topic = image.topicsById.get(topicId)
  invariant(topic !== undefined, () => `the image has no topic ${topicId}`)
  return topic
}

function deletedTopic(before: MetadataImage, topicId: string): DeletedTopic {
  const { name, partitions } = topicOf(before, topicId)
  return { topic: name, topicId, partitionCount: partitions.length }
}
