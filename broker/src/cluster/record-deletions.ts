/**
 * Deletes the oldest records of a partition, from whichever broker is asked: its leader alone can.
 *
 * Owner: the cluster status.
 */
import { StratalogError } from '@stratalog/proto'
import type { MetadataImage } from '../controller/metadata-image.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { DeletionOutcome } from '../partition/record-deletion.ts'
import type { Peers } from '../peer/peer-port.ts'
import type { PartitionLeader } from './cluster-view.ts'
import type { RequestHandler } from './peer-desk.ts'

/** What deletions rest on. */
export interface RecordDeletionsOptions {
  readonly brokerId: number
  readonly image: () => MetadataImage
  readonly registry: PartitionRegistry
  readonly peers: () => Peers
  readonly leaderOf: (topicId: string, partition: number) => PartitionLeader
}

/** What is to be deleted, or would be. */
export interface DeletionOrder {
  /** 32 hexadecimal digits. */
  readonly topicId: string
  readonly partition: number
  /** First offset that stays; null for the visible end. */
  readonly beforeOffset: number | null
  /** Changes nothing. */
  readonly validateOnly: boolean
}

const DELETION_REQUEST = 'delete-records'
/** Longer than a leader waits for the commit. */
const TIMEOUT_MS = 12_000

/** See the file's header. */
export class RecordDeletions {
  readonly #options: RecordDeletionsOptions

  constructor(options: RecordDeletionsOptions) {
    this.#options = options
  }

  /** What other brokers may ask. */
  handlers(): Array<readonly [kind: string, handler: RequestHandler]> {
    return [
      [
        DELETION_REQUEST,
        async (body) => Buffer.from(JSON.stringify(await this.#here(JSON.parse(body.toString()) as DeletionOrder))),
      ],
    ]
  }

  /** See ClusterView.deleteRecords. */
  async delete(order: DeletionOrder): Promise<DeletionOutcome> {
    const { brokerId, leaderOf, peers } = this.#options
    const { leaderId } = leaderOf(order.topicId, order.partition)
    if (leaderId === null) throw this.#error('LEADER_NOT_AVAILABLE', order, 'nobody leads the partition now')
    if (leaderId === brokerId) return await this.#here(order)
    const answer = await peers().request(leaderId, DELETION_REQUEST, Buffer.from(JSON.stringify(order)), TIMEOUT_MS)
    return JSON.parse(answer.toString()) as DeletionOutcome
  }

  /** At the leader, this broker. */
  async #here(order: DeletionOrder): Promise<DeletionOutcome> {
    const { image, registry } = this.#options
    const topic = image().topicsById.get(order.topicId)
    const partition = topic === undefined ? null : registry.get(topic.name, order.partition)
    if (partition === null) throw this.#error('UNKNOWN_TOPIC_ID', order, 'the topic was deleted')
    if (partition instanceof StratalogError) throw partition
    return await partition.deleteRecords(order.beforeOffset, order.validateOnly)
  }

  #error(code: StratalogError['code'], { topicId, partition }: DeletionOrder, message: string): StratalogError {
    const topic = this.#options.image().topicsById.get(topicId)?.name ?? topicId
    return new StratalogError(code, message, { topic, partition })
  }
}
