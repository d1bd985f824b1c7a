/**
 * Where logs begin and end, and where in them a time or an offset lies: each partition is asked of its leader, whichever
 * broker that is, many at once. A partition that nobody answers for is told of, not awaited.
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { decodeBatch, iterateBatches } from '@stratalog/proto/records'
import type { ClusterView } from '../cluster/cluster-view.ts'
import type { RequestHandler } from '../cluster/peer-desk.ts'
import type { MetadataImage } from '../controller/metadata-image.ts'
import type { Partition } from '../partition/partition.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { Peers } from '../peer/peer-port.ts'

/** A question about one partition. */
export interface PositionQuery {
  readonly topicId: string
  readonly partition: number
  /** An offset whose record's time is asked for; null = none. */
  readonly offset: number | null
  /** ms since 1970: the first record at or after it is asked for; null = none. */
  readonly timestampMs: number | null
}

/** The answer of a leader. */
export interface LogPosition {
  readonly logStartOffset: number
  readonly visibleEnd: number
  /** Of the first record at or after the offset that was asked about; null when there is none, or nothing was asked. */
  readonly recordTimestampMs: number | null
  /** The first record at or after the time that was asked about; null likewise. */
  readonly offsetForTimestamp: number | null
}

/** What it is made of. */
export interface LogPositionsOptions {
  readonly brokerId: number
  readonly image: () => MetadataImage
  readonly registry: PartitionRegistry
  readonly cluster: Pick<ClusterView, 'leaderOf'>
  readonly peers: () => Pick<Peers, 'request'>
}

const POSITIONS_REQUEST = 'log-positions'
const REQUEST_TIMEOUT_MS = 2000
/** Each may read from disk. */
const READS_AT_ONCE = 8
/** A larger batch is not decoded to find one record's time: its first record's will do. */
const DECODED_BYTES_MAX = 1024 * 1024

/** See the file's header. Owner: the broker's core. */
export class LogPositions {
  readonly #options: LogPositionsOptions

  constructor(options: LogPositionsOptions) {
    this.#options = options
  }

  /** What other brokers may ask this one, by kind. */
  handlers(): Array<readonly [kind: string, handler: RequestHandler]> {
    const handle = async (body: Buffer): Promise<Buffer> => {
      const queries = JSON.parse(body.toString()) as readonly PositionQuery[]
      return Buffer.from(JSON.stringify(await this.#ownPositions(queries)))
    }
    return [[POSITIONS_REQUEST, handle]]
  }

  /** Answers in the order of the queries; null where no leader answers. */
  async ask(queries: readonly PositionQuery[]): Promise<readonly (LogPosition | null)[]> {
    const { cluster, brokerId } = this.#options
    const byLeader = new Map<number, number[]>()
    for (const [place, { topicId, partition }] of queries.entries()) {
      const { leaderId } = cluster.leaderOf(topicId, partition)
      if (leaderId === null) continue
      const places = byLeader.get(leaderId) ?? []
      places.push(place)
      byLeader.set(leaderId, places)
    }
    const answers = new Array<LogPosition | null>(queries.length).fill(null)
    await Promise.all(
      [...byLeader].map(async ([leaderId, places]) => {
        const asked = places.map((place) => queries[place]!)
        const told = leaderId === brokerId ? await this.#ownPositions(asked) : await this.#askBroker(leaderId, asked)
        for (const [i, place] of places.entries()) answers[place] = told[i] ?? null
      }),
    )
    return answers
  }

  async #askBroker(brokerId: number, queries: readonly PositionQuery[]): Promise<readonly (LogPosition | null)[]> {
    const body = Buffer.from(JSON.stringify(queries))
    try {
      const answer = await this.#options.peers().request(brokerId, POSITIONS_REQUEST, body, REQUEST_TIMEOUT_MS)
      return JSON.parse(answer.toString()) as readonly (LogPosition | null)[]
    } catch (error) {
      if (isStratalogError(error)) return []
      throw error
    }
  }

  async #ownPositions(queries: readonly PositionQuery[]): Promise<(LogPosition | null)[]> {
    const answers: (LogPosition | null)[] = []
    for (let first = 0; first < queries.length; first += READS_AT_ONCE) {
      const group = queries.slice(first, first + READS_AT_ONCE)
      answers.push(...(await Promise.all(group.map((query) => this.#ownPosition(query)))))
    }
    return answers
  }

  async #ownPosition({ topicId, partition, offset, timestampMs }: PositionQuery): Promise<LogPosition | null> {
    const { image, registry } = this.#options
    const topic = image().topicsById.get(topicId)
    const found = topic === undefined ? null : registry.get(topic.name, partition)
    if (found === null || found instanceof StratalogError || found.state().kind !== 'serving') return null
    try {
      const { logStartOffset, visibleEnd } = found.bounds()
      const isHeld = offset !== null && offset >= logStartOffset && offset < visibleEnd
      return {
        logStartOffset,
        visibleEnd,
        recordTimestampMs: isHeld ? await recordTimestamp(found, offset) : null,
        offsetForTimestamp:
          timestampMs === null ? null : ((await found.offsetForTimestamp(timestampMs))?.offset ?? null),
      }
    } catch (error) {
      if (isStratalogError(error)) return null
      throw error
    }
  }
}

/** Time of the first record at or after `offset`; null when it has none. */
async function recordTimestamp(partition: Partition, offset: number): Promise<number | null> {
  const { bytes } = await partition.read(offset, 1)
  if (bytes === null) return null
  for (const { position, header } of iterateBatches(bytes)) {
    if (header.lastOffset < offset) continue
    if (header.baseOffset >= offset || header.sizeBytes > DECODED_BYTES_MAX) return known(header.baseTimestamp)
    for (const record of await decodeBatch(bytes, position)) if (record.offset >= offset) return known(record.timestamp)
  }
  return null
}

function known(timestampMs: number): number | null {
  return timestampMs < 0 ? null : timestampMs
}
