/**
 * The view of a cluster of one broker, which need not ask anybody.
 */
import { StratalogError } from '@stratalog/proto'
import type { MetadataImage, TopicImage } from '../controller/metadata-image.ts'
import { Partition } from '../partition/partition.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type {
  BrokerLiveness,
  BrokerReport,
  BrokerStatus,
  ClusterView,
  PartitionFilter,
  PartitionLeader,
  PartitionProblemKind,
  PartitionStatus,
  QuorumStatus,
} from './cluster-view.ts'

/** What the view is made of. */
export interface LoneBrokerOptions {
  readonly brokerId: number
  readonly image: () => MetadataImage
  readonly registry: PartitionRegistry
  readonly report: () => BrokerReport
}

const ALONE: BrokerLiveness = { isUp: true, isDrained: false, isDecommissioning: false }
const UNKNOWN: PartitionLeader = { leaderId: null, leaderEpoch: 0 }

/** See the file's header. */
export class LoneBrokerView implements ClusterView {
  readonly #options: LoneBrokerOptions

  constructor(options: LoneBrokerOptions) {
    this.#options = options
  }

  leaderOf(topicId: string, partition: number): PartitionLeader {
    const topic = this.#options.image().topicsById.get(topicId)
    if (topic === undefined) return UNKNOWN
    const found = this.#options.registry.get(topic.name, partition)
    if (found instanceof StratalogError) return UNKNOWN
    const { leaderId, leaderEpoch } = found.describe()
    return { leaderId, leaderEpoch }
  }

  onChange(listener: () => void): () => void {
    return this.#options.registry.onChange(listener)
  }

  liveness(): ReadonlyMap<number, BrokerLiveness> {
    return new Map([[this.#options.brokerId, ALONE]])
  }

  controllerId(): number {
    return this.#options.brokerId
  }

  catchUp(): Promise<void> {
    return Promise.resolve()
  }

  async brokerStatuses(): Promise<readonly BrokerStatus[]> {
    return [{ brokerId: this.#options.brokerId, ...ALONE, report: this.#options.report() }]
  }

  async partitionStatuses({ topics }: PartitionFilter = {}): Promise<readonly PartitionStatus[]> {
    return [...this.#options.image().topicsByName.values()]
      .filter(({ name }) => topics === undefined || topics.has(name))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((topic) => topic.partitions.map(({ partition }) => this.#status(topic, partition)))
  }

  async transferLeadership(topicId: string, partition: number, toBrokerId: number | null): Promise<void> {
    const topic = this.#options.image().topicsById.get(topicId)?.name ?? topicId
    if (toBrokerId === this.#options.brokerId) return
    const text = `there is no other replica of ${topic}-${partition}`
    const code = toBrokerId === null ? 'ELIGIBLE_LEADERS_NOT_AVAILABLE' : 'INELIGIBLE_REPLICA'
    throw new StratalogError(code, text, { topic, partition })
  }

  async quorum(): Promise<QuorumStatus> {
    const { brokerId, image } = this.#options
    const { metadataOffset } = image()
    const self = {
      brokerId,
      generation: 0,
      role: 'leader',
      logEndOffset: metadataOffset,
      lagOffsets: 0,
      isLive: true,
      isCaughtUp: true,
    } as const
    return { leaderId: brokerId, leaderEpoch: 1, highWatermark: metadataOffset, voters: [self], learners: [] }
  }

  #status({ name: topic, topicId }: TopicImage, partition: number): PartitionStatus {
    const { brokerId, registry } = this.#options
    const leader = this.leaderOf(topicId, partition)
    const found = registry.get(topic, partition)
    const held = found instanceof Partition ? found : null
    const isServing = held?.state().kind === 'serving'
    const problems: PartitionProblemKind[] = []
    if (held === null) problems.push('damaged')
    if (!isServing) problems.push('leaderless')
    const description = held?.describe()
    if (description?.diskFull) problems.push('disk-full')
    const bounds = held?.bounds()
    const log =
      bounds === undefined || description === undefined
        ? null
        : {
            logStartOffset: bounds.logStartOffset,
            highWatermark: bounds.highWatermark,
            visibleEnd: bounds.visibleEnd,
            logBytes: description.logBytes,
            segmentCount: description.segmentCount,
          }
    const replica = {
      brokerId,
      generation: 0,
      role: isServing ? 'leader' : 'missing',
      logEndOffset: bounds?.logEndOffset ?? null,
      lagOffsets: isServing ? 0 : null,
      isLive: isServing,
      isCaughtUp: isServing,
    } as const
    return { topic, topicId, partition, ...leader, replicas: [replica], target: null, problems, log }
  }
}
