/** The error for an offset that does not exist: what was asked, what exists, and why (USERS.md 1, row 7). */
import { StratalogError, type TopicPartition } from '@stratalog/proto'
import type { PartitionBounds } from './partition-state.ts'

/** Whether a reader can begin at `offset`: up to the high watermark, where one that passed control batches stands. */
export function isInRange(offset: number, bounds: PartitionBounds): boolean {
  return offset >= bounds.logStartOffset && offset <= Math.max(bounds.visibleEnd, bounds.highWatermark)
}

/** OFFSET_OUT_OF_RANGE in full. `cause` is the broker's own error, where there is one. */
export function outOfRangeError(
  place: TopicPartition,
  asked: number,
  bounds: PartitionBounds,
  cause?: StratalogError,
): StratalogError {
  const { topic, partition } = place
  const { logStartOffset, visibleEnd } = bounds
  return new StratalogError(
    'OFFSET_OUT_OF_RANGE',
    `offset ${asked} of ${topic}-${partition} was asked for; ${logStartOffset}..${visibleEnd} can be: ` +
      reasonOf(asked, bounds, cause),
    {
      topic,
      partition,
      ...(cause === undefined ? {} : { cause }),
      metadata: {
        ...cause?.metadata,
        asked: String(asked),
        logStartOffset: String(logStartOffset),
        visibleEnd: String(visibleEnd),
      },
    },
  )
}

/** The bounds that the broker's error tells, or those heard before. */
export function boundsOf(error: StratalogError, known: PartitionBounds): PartitionBounds {
  const logStartOffset = offsetIn(error, 'logStartOffset') ?? known.logStartOffset
  const visibleEnd = offsetIn(error, 'visibleEnd') ?? known.visibleEnd
  return { logStartOffset, visibleEnd, highWatermark: Math.max(known.highWatermark, visibleEnd) }
}

function offsetIn(error: StratalogError, field: string): number | null {
  const text = error.metadata[field]
  const offset = Number(text)
  return text !== undefined && Number.isSafeInteger(offset) && offset >= 0 ? offset : null
}

function reasonOf(asked: number, bounds: PartitionBounds, cause: StratalogError | undefined): string {
  if (asked < bounds.logStartOffset) return 'retention has removed what was there'
  if (asked > bounds.visibleEnd) return 'nothing has been written there yet, or the log was cut back'
  return cause?.message ?? 'the log was cut back and written anew since it was read'
}
