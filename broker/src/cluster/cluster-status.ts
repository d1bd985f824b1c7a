/**
 * The cluster as this broker sees it: see {@link ClusterView}.
 *
 * Its own part it knows; the others' it asks for when somebody asks, all at once and with little patience. The same
 * handlers answer the others. Owner: the broker.
 */
import { StratalogError } from '@stratalog/proto'
import type { MetadataImage } from '../controller/metadata-image.ts'
import type { Partition } from '../partition/partition.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { DeletionOutcome } from '../partition/record-deletion.ts'
import type { Peers } from '../peer/peer-port.ts'
import { groupKey } from '../replication/group-state-store.ts'
import type { RaftGroupTable } from '../replication/group-table.ts'
import type { Clock } from '../replication/tick-loop.ts'
import type {
  BrokerLiveness,
  BrokerReport,
  BrokerStatus,
  ClusterView,
  PartitionFilter,
  PartitionLeader,
  PartitionStatus,
  QuorumStatus,
} from './cluster-view.ts'
import type { LeaderTable } from './leader-table.ts'
import { LeadershipTransfers } from './leadership-transfers.ts'
import { type ProcessFacts, replicaStatuses, reportBroker, reportLed, statusWithoutLeader } from './local-reports.ts'
import type { RequestHandler } from './peer-desk.ts'
import { type DeletionOrder, RecordDeletions } from './record-deletions.ts'

/** What the view is made of. */
export interface ClusterStatusOptions {
  readonly brokerId: number
  readonly clock: Clock
  readonly image: () => MetadataImage
  readonly onImageChange: (listener: () => void) => () => void
  readonly registry: PartitionRegistry
  /** This broker's copy of the metadata log. */
  readonly metadata: () => Partition
  readonly groups: RaftGroupTable
  readonly peers: () => Peers
  readonly leaders: LeaderTable
  readonly process: () => ProcessFacts
  /** What else is wrong with this broker, each a sentence. */
  readonly problems: () => readonly string[]
}

const REPORT_REQUEST = 'broker-report'
const LED_REQUEST = 'led-partitions'
const QUORUM_REQUEST = 'quorum'
const METADATA_END_REQUEST = 'metadata-end'
const REQUEST_TIMEOUT_MS = 1000

/** See the file's header. */
export class ClusterStatus implements ClusterView {
  readonly #options: ClusterStatusOptions
  readonly #listeners = new Set<() => void>()
  readonly #transfers: LeadershipTransfers
  readonly #deletions: RecordDeletions

  constructor(options: ClusterStatusOptions) {
    this.#options = options
    const leaderOf = (topicId: string, partition: number): PartitionLeader => this.leaderOf(topicId, partition)
    this.#transfers = new LeadershipTransfers({ ...options, leaderOf })
    this.#deletions = new RecordDeletions({ ...options, leaderOf })
  }

  /** What other brokers may ask this one, by kind. */
  handlers(): Array<readonly [kind: string, handler: RequestHandler]> {
    const { registry, image } = this.#options
    return [
      [REPORT_REQUEST, async () => json(this.#ownReport())],
      [
        LED_REQUEST,
        async (body) => {
          const { topics } = JSON.parse(body.toString()) as { topics: readonly string[] | null }
          return json(reportLed(registry, image(), topics === null ? {} : { topics: new Set(topics) }))
        },
      ],
      [QUORUM_REQUEST, async () => json(this.#ownQuorum())],
      [METADATA_END_REQUEST, async () => json({ metadataOffset: image().metadataOffset })],
      ...this.#transfers.handlers(),
      ...this.#deletions.handlers(),
    ]
  }

  leaderOf(topicId: string, partition: number): PartitionLeader {
    const { groups, leaders } = this.#options
    const told = leaders.get(topicId, partition)
    const group = groups.get(groupKey(topicId, partition))
    const known =
      group !== undefined && group.leaderEpoch >= told.leaderEpoch
        ? { leaderId: group.leaderId, leaderEpoch: group.leaderEpoch }
        : told
    if (known.leaderId === null || this.#isUp(known.leaderId)) return known
    return { leaderId: null, leaderEpoch: known.leaderEpoch }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A leader, a connection or the metadata changed. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  liveness(): ReadonlyMap<number, BrokerLiveness> {
    const liveness = new Map<number, BrokerLiveness>()
    for (const { brokerId, isDrained, isDecommissioning } of this.#options.image().brokers.values()) {
      liveness.set(brokerId, { isUp: this.#isUp(brokerId), isDrained, isDecommissioning })
    }
    return liveness
  }

  controllerId(): number | null {
    const { leaderId } = this.#options.metadata().describe()
    return leaderId !== null && this.#isUp(leaderId) ? leaderId : null
  }

  async catchUp(): Promise<void> {
    const { image, onImageChange, brokerId, clock } = this.#options
    const controllerId = this.controllerId()
    if (controllerId === null || controllerId === brokerId) return
    const answer = await this.#ask<{ metadataOffset: number }>(controllerId, METADATA_END_REQUEST, null)
    if (answer === null || image().metadataOffset >= answer.metadataOffset) return
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        cancel()
        stopListening()
        resolve()
      }
      const cancel = clock.schedule(REQUEST_TIMEOUT_MS, finish)
      const stopListening = onImageChange(() => {
        if (image().metadataOffset >= answer.metadataOffset) finish()
      })
    })
  }

  async brokerStatuses(): Promise<readonly BrokerStatus[]> {
    const { brokerId: self } = this.#options
    const brokers = [...this.liveness()].sort(([a], [b]) => a - b)
    return await Promise.all(
      brokers.map(async ([brokerId, liveness]) => {
        const report =
          brokerId === self ? this.#ownReport() : await this.#ask<BrokerReport>(brokerId, REPORT_REQUEST, null)
        return { brokerId, ...liveness, report }
      }),
    )
  }

  async partitionStatuses(filter: PartitionFilter = {}): Promise<readonly PartitionStatus[]> {
    const { registry, image, brokerId: self } = this.#options
    const body = { topics: filter.topics === undefined ? null : [...filter.topics] }
    const others = [...this.liveness().keys()].filter((id) => id !== self)
    const answers = await Promise.all(others.map((id) => this.#ask<PartitionStatus[]>(id, LED_REQUEST, body)))
    // Of two that believe to lead, the later one is right.
    const led = new Map<string, PartitionStatus>()
    for (const status of [...answers.flatMap((each) => each ?? []), ...reportLed(registry, image(), filter)]) {
      const key = groupKey(status.topicId, status.partition)
      if ((led.get(key)?.leaderEpoch ?? -1) < status.leaderEpoch) led.set(key, status)
    }
    const topics = [...image().topicsByName.values()]
      .filter(({ name }) => filter.topics === undefined || filter.topics.has(name))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    return topics.flatMap(({ name, topicId, partitions }) =>
      partitions.map((wanted) => {
        const { partition } = wanted
        return (
          led.get(groupKey(topicId, partition)) ??
          statusWithoutLeader({ topic: name, topicId, partition }, wanted, (id) => this.#isUp(id))
        )
      }),
    )
  }

  transferLeadership(topicId: string, partition: number, toBrokerId: number | null): Promise<void> {
    return this.#transfers.transfer(topicId, partition, toBrokerId)
  }

  deleteRecords(order: DeletionOrder): Promise<DeletionOutcome> {
    return this.#deletions.delete(order)
  }

  async quorum(): Promise<QuorumStatus> {
    const controllerId = this.controllerId()
    if (controllerId === this.#options.brokerId) return this.#ownQuorum()
    const answer = controllerId === null ? null : await this.#ask<QuorumStatus>(controllerId, QUORUM_REQUEST, null)
    if (answer === null) throw new StratalogError('LEADER_NOT_AVAILABLE', 'no leader of the controllers answers')
    return answer
  }

  #ownReport(): BrokerReport {
    const { registry, process, problems } = this.#options
    return reportBroker(registry, process(), problems())
  }

  #ownQuorum(): QuorumStatus {
    const { metadata, brokerId, image } = this.#options
    const partition = metadata()
    const { leaderId, leaderEpoch } = partition.describe()
    const { highWatermark, logEndOffset } = partition.bounds()
    const replicas = replicaStatuses(partition.replicaStates(), image().controllers, { brokerId, logEndOffset })
    return {
      leaderId,
      leaderEpoch,
      highWatermark,
      voters: replicas.filter(({ role }) => role !== 'learner'),
      learners: replicas.filter(({ role }) => role === 'learner'),
    }
  }

  #isUp(brokerId: number): boolean {
    return brokerId === this.#options.brokerId || this.#options.peers().isUp(brokerId)
  }

  /** Asks a broker; null when it is not there or does not answer in time. */
  async #ask<Answer>(brokerId: number, kind: string, body: unknown): Promise<Answer | null> {
    if (!this.#isUp(brokerId)) return null
    try {
      const answer = await this.#options.peers().request(brokerId, kind, json(body), REQUEST_TIMEOUT_MS)
      return JSON.parse(answer.toString()) as Answer
    } catch {
      return null
    }
  }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
