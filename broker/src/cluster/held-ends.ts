/**
 * Up to where all copies of a partition hold its log: what its leader knows, and other brokers ask it before they remove
 * what a copy that is behind could miss (partition/compacted-copy.ts).
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import type { MetadataImage } from '../controller/metadata-image.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { Peers } from '../peer/peer-port.ts'
import { groupKey } from '../replication/group-state-store.ts'
import type { RaftGroupTable } from '../replication/group-table.ts'
import type { RequestHandler } from './peer-desk.ts'

/** What it is made of. */
export interface HeldEndsOptions {
  readonly brokerId: number
  readonly groups: RaftGroupTable
  readonly registry: Pick<PartitionRegistry, 'get'>
  readonly image: () => MetadataImage
  readonly peers: () => Pick<Peers, 'request'>
}

/** Of one partition. */
interface HeldEndQuery {
  readonly topicId: string
  readonly partition: number
}

const HELD_END_REQUEST = 'held-end'
const REQUEST_TIMEOUT_MS = 2000

/** See the file's header. Owner: the broker's core. */
export class HeldEnds {
  readonly #options: HeldEndsOptions

  constructor(options: HeldEndsOptions) {
    this.#options = options
  }

  /** What other brokers may ask this one, by kind. */
  handlers(): Array<readonly [kind: string, handler: RequestHandler]> {
    const handle = async (body: Buffer): Promise<Buffer> => {
      const { topicId, partition } = JSON.parse(body.toString()) as HeldEndQuery
      return Buffer.from(JSON.stringify(this.#ownEnd(topicId, partition)))
    }
    return [[HELD_END_REQUEST, handle]]
  }

  /** An offset (exclusive) below which every copy holds the log durably; 0 when no leader answers. */
  async ask(topicId: string, partition: number): Promise<number> {
    const { brokerId, groups, peers } = this.#options
    const leaderId = groups.get(groupKey(topicId, partition))?.leaderId ?? null
    if (leaderId === null) return 0
    if (leaderId === brokerId) return this.#ownEnd(topicId, partition)
    const body = Buffer.from(JSON.stringify({ topicId, partition } satisfies HeldEndQuery))
    try {
      const answer = await peers().request(leaderId, HELD_END_REQUEST, body, REQUEST_TIMEOUT_MS)
      const end: unknown = JSON.parse(answer.toString())
      return Number.isSafeInteger(end) ? (end as number) : 0
    } catch (error) {
      // Gone, or of a release that does not know the question: what could have gone stays for now.
      if (isStratalogError(error)) return 0
      throw error
    }
  }

  #ownEnd(topicId: string, partition: number): number {
    const { image, registry } = this.#options
    const topic = image().topicsById.get(topicId)
    const found = topic === undefined ? null : registry.get(topic.name, partition)
    return found === null || found instanceof StratalogError ? 0 : found.compaction.heldByAllEnd
  }
}
