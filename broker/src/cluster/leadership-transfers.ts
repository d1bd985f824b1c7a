/**
 * Hands leadership of a partition to a chosen replica, from whichever broker is asked.
 *
 * The leader alone can: it is asked, checks that the other is a voter, alive and level, and hands over. The transfer is
 * over when this broker has heard of the new leader, so that whoever asked finds it at once.
 * Owner: the cluster status.
 */
import { StratalogError } from '@stratalog/proto'
import type { MetadataImage } from '../controller/metadata-image.ts'
import type { Partition } from '../partition/partition.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { Peers } from '../peer/peer-port.ts'
import type { ReplicaState } from '../replication/raft-group.ts'
import { brokerOfNode } from '../replication/raft-ids.ts'
import type { Clock } from '../replication/tick-loop.ts'
import type { PartitionLeader } from './cluster-view.ts'
import type { RequestHandler } from './peer-desk.ts'
import { canTakeOver } from './successors.ts'

/** What transfers rest on. */
export interface LeadershipTransfersOptions {
  readonly brokerId: number
  readonly clock: Clock
  readonly image: () => MetadataImage
  readonly registry: PartitionRegistry
  readonly peers: () => Peers
  readonly leaderOf: (topicId: string, partition: number) => PartitionLeader
}

const TRANSFER_REQUEST = 'transfer-leader'
const TIMEOUT_MS = 5000
const LOOK_INTERVAL_MS = 10

interface TransferOrder {
  readonly topicId: string
  readonly partition: number
  readonly toBrokerId: number | null
}

/** See the file's header. */
export class LeadershipTransfers {
  readonly #options: LeadershipTransfersOptions

  constructor(options: LeadershipTransfersOptions) {
    this.#options = options
  }

  /** What other brokers may ask. */
  handlers(): Array<readonly [kind: string, handler: RequestHandler]> {
    return [
      [
        TRANSFER_REQUEST,
        async (body) => {
          const chosen = this.#begin(JSON.parse(body.toString()) as TransferOrder)
          return Buffer.from(JSON.stringify({ chosen }))
        },
      ],
    ]
  }

  /** See ClusterView.transferLeadership. */
  async transfer(topicId: string, partition: number, toBrokerId: number | null): Promise<void> {
    const order = { topicId, partition, toBrokerId }
    const { leaderId } = this.#options.leaderOf(topicId, partition)
    if (leaderId === null) throw this.#error('LEADER_NOT_AVAILABLE', order, 'nobody leads the partition now')
    const chosen = leaderId === this.#options.brokerId ? this.#begin(order) : await this.#askLeader(leaderId, order)
    await this.#led(order, chosen)
  }

  async #askLeader(leaderId: number, order: TransferOrder): Promise<number> {
    const body = Buffer.from(JSON.stringify(order))
    const answer = await this.#options.peers().request(leaderId, TRANSFER_REQUEST, body, TIMEOUT_MS)
    return (JSON.parse(answer.toString()) as { chosen: number }).chosen
  }

  /** Begins the transfer at the leader, this broker. @returns who takes over. */
  #begin(order: TransferOrder): number {
    const { image, registry, brokerId } = this.#options
    const topic = image().topicsById.get(order.topicId)
    const partition = topic === undefined ? null : registry.get(topic.name, order.partition)
    if (topic === undefined || partition === null || partition instanceof StratalogError) {
      throw this.#error('NOT_LEADER_OR_FOLLOWER', order, 'this broker does not lead the partition')
    }
    if (partition.state().kind !== 'serving') {
      throw this.#error('NOT_LEADER_OR_FOLLOWER', order, 'this broker does not lead the partition')
    }
    if (order.toBrokerId === brokerId) return brokerId
    const target = this.#choose(partition, order, topic.partitions[order.partition]?.replicas[0]?.brokerId ?? null)
    if (partition.transferLeadership(target.nodeId).kind !== 'started') {
      throw this.#error('LEADER_NOT_AVAILABLE', order, 'leadership is being handed over already')
    }
    return brokerOfNode(target.nodeId)
  }

  #choose(partition: Partition, order: TransferOrder, preferred: number | null): ReplicaState {
    const { brokerId } = this.#options
    const { toBrokerId } = order
    const others = partition.replicaStates().filter(({ nodeId }) => brokerOfNode(nodeId) !== brokerId)
    const able = others.filter(canTakeOver)
    if (toBrokerId === null) {
      const chosen = able.find(({ nodeId }) => brokerOfNode(nodeId) === preferred) ?? able[0]
      if (chosen !== undefined) return chosen
      throw this.#error('ELIGIBLE_LEADERS_NOT_AVAILABLE', order, 'no other replica is alive and level with the leader')
    }
    const chosen = able.find(({ nodeId }) => brokerOfNode(nodeId) === toBrokerId)
    if (chosen !== undefined) return chosen
    const found = others.find(({ nodeId }) => brokerOfNode(nodeId) === toBrokerId)
    throw this.#error('INELIGIBLE_REPLICA', order, `broker ${toBrokerId} cannot lead: ${defectOf(found)}`)
  }

  /** Resolves when that broker leads, as far as is known here. */
  #led(order: TransferOrder, chosen: number): Promise<void> {
    const { clock, leaderOf } = this.#options
    return new Promise((resolve, reject) => {
      const deadlineMs = clock.nowMs() + TIMEOUT_MS
      const cancel = clock.every(LOOK_INTERVAL_MS, () => {
        if (leaderOf(order.topicId, order.partition).leaderId === chosen) {
          cancel()
          resolve()
        } else if (clock.nowMs() >= deadlineMs) {
          cancel()
          reject(this.#error('REQUEST_TIMED_OUT', order, `broker ${chosen} did not take over within ${TIMEOUT_MS} ms`))
        }
      })
    })
  }

  #error(code: StratalogError['code'], { topicId, partition }: TransferOrder, message: string): StratalogError {
    const topic = this.#options.image().topicsById.get(topicId)?.name ?? topicId
    return new StratalogError(code, message, { topic, partition })
  }
}

function defectOf(state: ReplicaState | undefined): string {
  if (state === undefined) return 'it holds no replica'
  if (state.role !== 'voter') return 'its replica is still catching up'
  return state.isLive ? 'its replica is behind' : 'it does not answer'
}
