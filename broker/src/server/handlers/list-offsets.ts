/** Offsets by position or time: each query stands alone and fails alone. */
import { StratalogError, stratalog, toErrorDetail } from '@stratalog/proto'
import type { PartitionBounds, PartitionLookup, RecordPosition, SearchablePartition } from '../partition-access.ts'

type Query = stratalog.v1.OffsetQuery.$Properties
type Answer = stratalog.v1.OffsetAnswer.$Properties

const { OffsetAnchor } = stratalog.v1
/** Queries of one request: more would hold the event loop and the answer's memory. */
const QUERY_COUNT_MAX = 100_000
/** Searches by time under way for one request: each may read from disk. */
const SEARCHES_AT_ONCE = 8

/** What the handler is made of. */
export interface ListOffsetsOptions {
  readonly lookup: PartitionLookup<SearchablePartition>
  /** Names an error of a search; logs what has no name. */
  readonly nameError: (error: unknown) => StratalogError
  /** An error of a partition as the client is to see it. */
  readonly clientError: (error: StratalogError) => StratalogError
}

/** Answers in the order of the queries. Errors of the whole call: INVALID_REQUEST. */
export async function listOffsets(
  options: ListOffsetsOptions,
  request: stratalog.v1.ListOffsetsRequest,
): Promise<stratalog.v1.ListOffsetsResponse.$Properties> {
  const { queries } = request
  if (queries.length > QUERY_COUNT_MAX) {
    throw new StratalogError('INVALID_REQUEST', `${queries.length} queries are more than ${QUERY_COUNT_MAX} a call`)
  }
  const answers: Answer[] = []
  for (let first = 0; first < queries.length; first += SEARCHES_AT_ONCE) {
    const group = queries.slice(first, first + SEARCHES_AT_ONCE)
    answers.push(...(await Promise.all(group.map((query) => answerQuery(options, query)))))
  }
  return { answers }
}

async function answerQuery(options: ListOffsetsOptions, query: Query): Promise<Answer> {
  const topic = query.topic ?? ''
  const partition = query.partition ?? 0
  try {
    const found = options.lookup(topic, partition)
    if (found instanceof StratalogError) throw found
    const state = found.state()
    if (state.kind === 'unavailable') throw state.error
    const bounds = found.bounds()
    const { offset, timestamp: timestampMs, leaderEpoch } = await search(found, bounds, query)
    const { logStartOffset, visibleEnd, highWatermark } = bounds
    return { topic, partition, offset, timestampMs, leaderEpoch, logStartOffset, visibleEnd, highWatermark }
  } catch (error) {
    const told = options.clientError(options.nameError(error))
    return { topic, partition, offset: -1, timestampMs: -1, error: toErrorDetail(told) }
  }
}

async function search(partition: SearchablePartition, bounds: PartitionBounds, query: Query): Promise<RecordPosition> {
  if (query.timestampMs !== null && query.timestampMs !== undefined) {
    return foundOrNone(await partition.offsetForTimestamp(query.timestampMs), bounds)
  }
  const at = (offset: number): RecordPosition => ({ offset, timestamp: -1, leaderEpoch: bounds.leaderEpoch })
  switch (query.anchor) {
    case OffsetAnchor.OFFSET_ANCHOR_EARLIEST:
      return at(bounds.logStartOffset)
    case OffsetAnchor.OFFSET_ANCHOR_LATEST:
      return at(bounds.visibleEnd)
    case OffsetAnchor.OFFSET_ANCHOR_MAX_TIMESTAMP:
      return foundOrNone(await partition.maxTimestamp(), bounds)
    default:
      throw new StratalogError('INVALID_REQUEST', 'an offset query needs an anchor (1 to 3) or a timestamp', {
        metadata: { field: 'position' },
      })
  }
}

function foundOrNone(position: RecordPosition | null, bounds: PartitionBounds): RecordPosition {
  return position ?? { offset: -1, timestamp: -1, leaderEpoch: bounds.leaderEpoch }
}
