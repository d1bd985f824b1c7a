/** Where ranges of partitions can be cut for parallel readers: each query stands alone and fails alone. */
import { StratalogError, type stratalog, toErrorDetail } from '@stratalog/proto'
import type { PartitionBounds, PartitionLookup, SplittablePartition } from '../partition-access.ts'

type Query = stratalog.v1.SplitQuery.$Properties
type Answer = stratalog.v1.SplitAnswer.$Properties

/** Queries of one request, at most. */
const QUERY_COUNT_MAX = 10_000
/** Pieces in one answer, at most: 40 bytes each. */
const SPLIT_COUNT_MAX = 100_000
/** Queries under way at once for one request: each reads from disk. */
const QUERIES_AT_ONCE = 4

/** What the handler is made of. */
export interface PlanSplitsOptions {
  readonly lookup: PartitionLookup<SplittablePartition>
  /** Names an error of a look-up; logs what has no name. */
  readonly nameError: (error: unknown) => StratalogError
  /** An error of a partition as the client is to see it. */
  readonly clientError: (error: StratalogError) => StratalogError
}

/** Answers in the order of the queries. Errors of the whole call: INVALID_REQUEST. */
export async function planSplits(
  options: PlanSplitsOptions,
  request: stratalog.v1.PlanSplitsRequest,
): Promise<stratalog.v1.PlanSplitsResponse.$Properties> {
  const { queries } = request
  if (queries.length > QUERY_COUNT_MAX) {
    throw invalid('queries', `${queries.length} queries are more than ${QUERY_COUNT_MAX} a call`)
  }
  const answers: Answer[] = []
  let splitCount = 0
  for (let first = 0; first < queries.length; first += QUERIES_AT_ONCE) {
    const group = queries.slice(first, first + QUERIES_AT_ONCE)
    const answered = await Promise.all(group.map((query) => answerQuery(options, query)))
    for (const { splits } of answered) splitCount += splits?.length ?? 0
    if (splitCount > SPLIT_COUNT_MAX) {
      throw invalid('queries', `more than ${SPLIT_COUNT_MAX} splits: ask for fewer partitions, or larger splits`)
    }
    answers.push(...answered)
  }
  return { answers }
}

async function answerQuery(options: PlanSplitsOptions, query: Query): Promise<Answer> {
  const topic = query.topic ?? ''
  const partition = query.partition ?? 0
  try {
    const found = options.lookup(topic, partition, query.topicId ?? undefined)
    if (found instanceof StratalogError) throw found
    const state = found.state()
    if (state.kind === 'unavailable') throw state.error
    const bounds = found.bounds()
    const { start, end } = rangeOf(query, bounds)
    const splits = await found.splits(start, end, query.targetBytes ?? 0)
    const { logStartOffset, visibleEnd, highWatermark, leaderEpoch } = bounds
    return {
      topic,
      partition,
      topicId: found.topicId,
      splits: splits.map(({ startOffset, endOffset, sizeBytes, leaderEpoch: epoch }) => ({
        startOffset,
        endOffset,
        bytes: sizeBytes,
        leaderEpoch: epoch,
      })),
      logStartOffset,
      visibleEnd,
      highWatermark,
      leaderEpoch,
    }
  } catch (error) {
    return { topic, partition, error: toErrorDetail(options.clientError(options.nameError(error))) }
  }
}

function rangeOf(query: Query, bounds: PartitionBounds): { readonly start: number; readonly end: number } {
  const startOffset = query.startOffset ?? 0
  const endOffset = query.endOffset ?? 0
  if (startOffset < -1) throw invalid('start_offset', `start_offset is ${startOffset}; -1 is the log start offset`)
  if (endOffset < -1) throw invalid('end_offset', `end_offset is ${endOffset}; -1 is the visible end`)
  const start = startOffset === -1 ? bounds.logStartOffset : startOffset
  const end = endOffset === -1 ? bounds.visibleEnd : endOffset
  if (end < start && endOffset !== -1) {
    throw invalid('end_offset', `end_offset ${end} is below start_offset ${start}`)
  }
  return { start, end }
}

function invalid(field: string, message: string): StratalogError {
  return new StratalogError('INVALID_REQUEST', message, { metadata: { field } })
}
