/**
 * Carries out on this broker what the metadata says: which copies of which partitions to hold, with which settings, and
 * which to remove.
 *
 * The glue between controller and partitions, neither of which knows the other. What changed while the broker was down is
 * found by comparing: start opens what the image says, and removes copies that are not its any more.
 * Owner: the broker's core; changes come one at a time from the metadata group.
 */
import { invariant } from '@stratalog/proto'
import type { MetadataChange, MetadataFollowing } from './controller/metadata-group.ts'
import type { MetadataImage, TopicImage } from './controller/metadata-image.ts'
import type { MetadataRecord } from './controller/metadata-records.ts'
import { resolveTopicConfig } from './controller/topic-config.ts'
import { type DeletedTopic, noteDeletedTopic } from './partition/deleted-topics.ts'
import type { PartitionRegistry, TopicAssignment } from './partition/partition-registry.ts'
import type { Replica } from './replication/raft-ids.ts'
import type { StoreOperation } from './storage/key-value-store.ts'

/** What a follower is made of. */
export interface MetadataFollowerOptions {
  readonly brokerId: number
  readonly topicDefaults: ReadonlyMap<string, string>
  readonly registry: PartitionRegistry
  /** What the metadata says of some of a topic's partitions changed, and is carried out here. */
  readonly onCarriedOut: (topicName: string) => void
}

/** See the file's header. */
export class MetadataFollower implements MetadataFollowing {
  readonly #options: MetadataFollowerOptions

  constructor(options: MetadataFollowerOptions) {
    this.#options = options
  }

  /** Opens all partitions that the image gives to this broker; from then on changes are carried out. Errors: those of the store. */
  async start(image: MetadataImage): Promise<void> {
    await this.#options.registry.start([...image.topicsById.values()].map((topic) => this.#assignment(topic)))
  }

  /** What this broker stores in the same batch as the records: the order to clean up after deleted topics. */
  beside(records: readonly MetadataRecord[], before: MetadataImage): readonly StoreOperation[] {
    return records
      .filter((record) => record.type === 'topic-deleted')
      .filter((record) => before.topicsById.has(record.topicId))
      .map((record) => noteDeletedTopic(deletedTopic(before, record.topicId)))
  }

  /** Carries out a change that is durable. */
  async carryOut({ records, before, after }: MetadataChange): Promise<void> {
    const changed = new Set<string>()
    for (const record of records) {
      switch (record.type) {
        case 'topic-deleted':
          // One that was created and deleted by the same records was never here.
          if (before.topicsById.has(record.topicId)) {
            await this.#options.registry.remove(deletedTopic(before, record.topicId))
          }
          break
        case 'topic-created':
        case 'partitions-added':
        case 'topic-config-changed':
        case 'partition-reassigned':
        case 'reassignment-completed':
        case 'reassignment-cancelled':
        case 'replica-renewed':
          changed.add(record.topicId)
          break
        case 'broker-registered':
          if (record.storageLost) for (const topic of topicsWith(after, record.brokerId)) changed.add(topic.topicId)
          break
        default:
          break
      }
    }
    for (const topicId of changed) {
      const topic = after.topicsById.get(topicId)
      if (topic !== undefined) await this.#converge(topic)
    }
  }

  /** Brings the copies of a topic that are here to what the metadata says. */
  async #converge(topic: TopicImage): Promise<void> {
    const { registry, topicDefaults, onCarriedOut } = this.#options
    await registry.converge(this.#assignment(topic))
    registry.updateConfig(topic.name, resolveTopicConfig(topic.configs, topicDefaults))
    onCarriedOut(topic.name)
  }

  #assignment(topic: TopicImage): TopicAssignment {
    const { brokerId, topicDefaults } = this.#options
    const isHere = (replica: Replica): boolean => replica.brokerId === brokerId
    return {
      topic: topic.name,
      topicId: topic.topicId,
      config: resolveTopicConfig(topic.configs, topicDefaults),
      partitionCount: topic.partitions.length,
      partitions: topic.partitions
        .filter(({ replicas, target }) => replicas.some(isHere) || target?.some(isHere))
        .map(({ partition, replicas, target, moved }) => ({ partition, replicas, target, founding: !moved })),
    }
  }
}

function topicsWith(image: MetadataImage, brokerId: number): TopicImage[] {
  const isThere = (replica: Replica): boolean => replica.brokerId === brokerId
  return [...image.topicsById.values()].filter(({ partitions }) =>
    partitions.some(({ replicas, target }) => replicas.some(isThere) || target?.some(isThere)),
  )
}

function deletedTopic(before: MetadataImage, topicId: string): DeletedTopic {
  const topic = before.topicsById.get(topicId)
  invariant(topic !== undefined, () => `the image has no topic ${topicId}`)
  const { name, partitions } = topic
  return { topic: name, topicId, partitionCount: partitions.length }
}
