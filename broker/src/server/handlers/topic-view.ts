/**
 * Topics and brokers as clients see them: the metadata image joined with who leads, as any broker knows it, and with
 * what this broker knows of the partitions that it holds.
 */
import { StratalogError, type stratalog, toErrorDetail } from '@stratalog/proto'
import type { ClusterView, PartitionLeader } from '../../cluster/cluster-view.ts'
import type { MetadataImage, PartitionImage, TopicImage } from '../../controller/metadata-image.ts'
import { isInternalTopic } from '../../controller/topic-name.ts'
import type { Partition } from '../../partition/partition.ts'
import type { ClientConnection } from '../call.ts'
import type { ClientErrors } from '../client-errors.ts'
import type { PartitionLookup } from '../partition-access.ts'
import { replicaBrokers, targetBrokers } from '../replica-brokers.ts'

type Endpoint = stratalog.v1.BrokerEndpoint.$Properties
type TopicInfo = stratalog.v1.TopicInfo.$Properties
type PartitionInfo = stratalog.v1.PartitionInfo.$Properties

/** Where clients are told to find this broker. */
export interface AdvertisedAddress {
  readonly host: string
  readonly port: number
}

/** What the view is made of. */
export interface TopicViewOptions {
  readonly brokerId: number
  readonly rack: string
  /** `null`: each client is told the address at which it reached this broker. */
  readonly advertised: AdvertisedAddress | null
  readonly image: () => MetadataImage
  readonly lookup: PartitionLookup<Partition>
  readonly cluster: Pick<ClusterView, 'leaderOf' | 'liveness'>
  readonly errors: ClientErrors
}

/** Renders image and partitions as messages. */
export class TopicView {
  readonly #options: TopicViewOptions

  constructor(options: TopicViewOptions) {
    this.#options = options
  }

  get image(): MetadataImage {
    return this.#options.image()
  }

  /** Where a broker is reached, for this client; `null` when it is not registered. */
  endpoint(brokerId: number, connection: ClientConnection): Endpoint | null {
    const { advertised, rack } = this.#options
    if (brokerId === this.#options.brokerId) {
      const { host, port } = advertised ?? { host: connection.localHost, port: connection.localPort }
      return { brokerId, host, port, rack }
    }
    const broker = this.image.brokers.get(brokerId)
    return broker === undefined ? null : { brokerId, host: broker.host, port: broker.port, rack: broker.rack }
  }

  /** All brokers, by id. */
  endpoints(connection: ClientConnection): Endpoint[] {
    const ids = [...this.image.brokers.keys()].sort((a, b) => a - b)
    return ids.map((id) => this.endpoint(id, connection)).filter((endpoint) => endpoint !== null)
  }

  /** The topics asked for, in that order, or all of them by name; one that does not exist has its error set. */
  topics(request: stratalog.v1.DescribeTopicsRequest, connection: ClientConnection): TopicInfo[] {
    const { topicsByName } = this.image
    if (request.topics.length > 0) {
      return request.topics.map((name) => {
        const topic = topicsByName.get(name)
        return topic === undefined ? unknownTopic(name) : this.topic(topic, connection)
      })
    }
    return [...topicsByName.values()]
      .filter((topic) => request.includeInternal || !isInternalTopic(topic.name))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((topic) => this.topic(topic, connection))
  }

  /** One topic. */
  topic(topic: TopicImage, connection: ClientConnection): TopicInfo {
    return {
      name: topic.name,
      topicId: Buffer.from(topic.topicId, 'hex'),
      partitions: topic.partitions.map((partition) => this.#partition(topic, partition, connection)),
      configs: Object.fromEntries(topic.configs),
      replicationFactor: topic.partitions[0]?.replicas.length ?? 0,
      internal: isInternalTopic(topic.name),
    }
  }

  /** Who leads a partition and where it is reached. */
  leader(topicId: string, partition: number, connection: ClientConnection): stratalog.v1.LeaderHint.$Properties {
    return this.leaderHint(this.#options.cluster.leaderOf(topicId, partition), connection)
  }

  /** The same of a leader that is known. */
  leaderHint(
    { leaderId, leaderEpoch }: PartitionLeader,
    connection: ClientConnection,
  ): stratalog.v1.LeaderHint.$Properties {
    const endpoint = leaderId === null ? null : this.endpoint(leaderId, connection)
    return { leaderId: leaderId ?? -1, leaderEpoch, endpoint }
  }

  #partition(topic: TopicImage, image: PartitionImage, connection: ClientConnection): PartitionInfo {
    const { cluster, lookup } = this.#options
    const leader = cluster.leaderOf(topic.topicId, image.partition)
    const liveness = cluster.liveness()
    const replicas = replicaBrokers(image)
    const found = lookup(topic.name, image.partition)
    const error = this.#fault(leader, found)
    return {
      partition: image.partition,
      leader: this.leaderHint(leader, connection),
      replicas,
      liveReplicas: replicas.filter((brokerId) => liveness.get(brokerId)?.isUp),
      targetReplicas: targetBrokers(image),
      ...(error === null ? {} : { error: toErrorDetail(error) }),
      ...(found instanceof StratalogError ? NOT_HELD : logOf(found)),
    }
  }

  /** Why nobody serves a partition, or null: that this broker does not is no fault while another one leads. */
  #fault(leader: PartitionLeader, found: Partition | StratalogError): StratalogError | null {
    if (leader.leaderId !== null && leader.leaderId !== this.#options.brokerId) return null
    if (found instanceof StratalogError) return this.#options.errors.of(found)
    const state = found.state()
    return state.kind === 'serving' ? null : this.#options.errors.of(state.error)
  }
}

const NOT_HELD = { logStartOffset: -1, visibleEnd: -1, highWatermark: -1 } as const

function logOf(partition: Partition): PartitionInfo {
  const { logStartOffset, visibleEnd, highWatermark } = partition.bounds()
  const { logBytes, segmentCount } = partition.describe()
  return { logStartOffset, visibleEnd, highWatermark, logBytes, segmentCount }
}

function unknownTopic(name: string): TopicInfo {
  const error = new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`, {
    topic: name,
  })
  return { name, error: toErrorDetail(error) }
}
