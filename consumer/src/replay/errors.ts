/** The errors of a replay, each with what a person or a scheduler needs in order to decide: place, range, file. */
import { StratalogError } from '@stratalog/proto'
import type { ReplaySplit } from './manifest.ts'

/** A partition by name, as the errors name it. */
export interface ErrorPlace {
  readonly topic: string
  readonly partition: number
}

/** INVALID_REQUEST naming the field, which is in the metadata too. */
export function invalidField(field: string, message: string): StratalogError {
  return new StratalogError('INVALID_REQUEST', message, { metadata: { field } })
}

/**
 * OFFSET_OUT_OF_RANGE: part of what was planned is no longer there. Metadata: `deletedFrom` and `deletedEnd`
 * (exclusive), the part that is gone; `logStartOffset`, where the log begins now.
 */
export function rangeDeleted(split: ReplaySplit, fromOffset: number, logStartOffset: number): StratalogError {
  const { topic, partition, startOffset, endOffset } = split
  const deletedEnd = Math.min(logStartOffset, endOffset)
  const left = deletedEnd < endOffset ? `${deletedEnd} to ${endOffset} are left` : 'nothing of it is left'
  return new StratalogError(
    'OFFSET_OUT_OF_RANGE',
    `offsets ${fromOffset} to ${deletedEnd} of ${topic}-${partition} were deleted since the replay was planned ` +
      `(the log begins at ${logStartOffset}); of the split ${startOffset} to ${endOffset}, ${left}`,
    {
      topic,
      partition,
      hint: 'Retention or an administrator removed them. Plan again, or take what is left with onDeleted "skip".',
      metadata: {
        reason: 'deleted',
        deletedFrom: String(fromOffset),
        deletedEnd: String(deletedEnd),
        logStartOffset: String(logStartOffset),
      },
    },
  )
}

/** UNKNOWN_TOPIC_ID: the topic of that name is not the one that was planned. */
export function topicRecreated(planned: ErrorPlace & { readonly topicId: string }, foundId: string): StratalogError {
  const { topic, topicId, partition } = planned
  return new StratalogError(
    'UNKNOWN_TOPIC_ID',
    `topic ${topic} was deleted and created again: it has id ${foundId}, the plan is of id ${topicId}`,
    {
      topic,
      partition,
      hint: 'Offsets of the old topic mean nothing in the new one: plan again.',
      metadata: { plannedTopicId: topicId, foundTopicId: foundId },
    },
  )
}

/** CORRUPT_MESSAGE of a batch at rest or on its way. Metadata: `offset`, and `file` and `position` where there is one. */
export function batchCorrupt(
  place: ErrorPlace,
  offset: number,
  reason: string,
  file: { readonly path: string; readonly position: number } | null,
  cause?: unknown,
): StratalogError {
  const { topic, partition } = place
  const where = file === null ? '' : `, in ${file.path} at byte ${file.position}`
  return new StratalogError(
    'CORRUPT_MESSAGE',
    `the batch at offset ${offset} of ${topic}-${partition} is damaged: ${reason}${where}`,
    {
      topic,
      partition,
      ...(cause === undefined ? {} : { cause }),
      hint: 'Read it from another replica, or pass over it with skipCorrupt, which tells what was left out.',
      metadata: {
        offset: String(offset),
        reason,
        ...(file === null ? {} : { file: file.path, position: String(file.position) }),
      },
    },
  )
}

/** OFFSET_OUT_OF_RANGE: the source ends before what was planned. */
export function endsBefore(place: ErrorPlace, wantedEnd: number, readableEnd: number): StratalogError {
  const { topic, partition } = place
  return new StratalogError(
    'OFFSET_OUT_OF_RANGE',
    `${topic}-${partition} is wanted up to ${wantedEnd}, but what is known to be committed ends at ${readableEnd}`,
    {
      topic,
      partition,
      hint: 'The copy is older than the plan: read from another replica, or plan from this one.',
      metadata: { reason: 'beyond-end', wantedEnd: String(wantedEnd), visibleEnd: String(readableEnd) },
    },
  )
}

/** OFFSET_OUT_OF_RANGE: the batch at the start of a split is not the one that was planned. */
export function logRewritten(split: ReplaySplit, foundEpoch: number): StratalogError {
  const { topic, partition, startOffset, leaderEpoch } = split
  return new StratalogError(
    'OFFSET_OUT_OF_RANGE',
    `offset ${startOffset} of ${topic}-${partition} was written by the leader of epoch ${foundEpoch}; the plan knows ` +
      `it as of epoch ${leaderEpoch}: the log was cut back and written anew, or this is another log`,
    {
      topic,
      partition,
      hint: 'Plan again, and keep nothing of what the old plan has read.',
      metadata: { reason: 'rewritten', plannedEpoch: String(leaderEpoch), foundEpoch: String(foundEpoch) },
    },
  )
}

/** OFFSET_OUT_OF_RANGE: the reader's own position is not in the log any more, which was cut back below it. */
export function logCutBack(split: ReplaySplit, position: number, cause: StratalogError): StratalogError {
  const { topic, partition } = split
  return new StratalogError(
    'OFFSET_OUT_OF_RANGE',
    `${topic}-${partition} was cut back below offset ${position}, up to which it was read: ${cause.message}`,
    {
      topic,
      partition,
      cause,
      hint: 'Plan again, and keep nothing of what the old plan has read.',
      metadata: { ...cause.metadata, reason: 'rewritten' },
    },
  )
}
