/**
 * What there is to compact in a log, and whether it is worth it. Pure.
 *
 * ```
 *  segments  [ clean: a key at most once ][ dirty ............. ][ too young, or not committed ][ active ]
 *                                         ^ cleanedEnd          ^ end
 * ```
 * Source: Kafka LogCleanerManager.grabFilthiestCompactedLog, cleanableOffsets.
 */
import { type Offset, toOffset } from '@stratalog/proto'

/** What a topic says about its compaction. */
export interface CompactionConfig {
  /** ms that a record stays at least before it may be removed; 0 = none. */
  readonly minCompactionLagMs: number
  /** ms that a tombstone stays at least, from its first compaction on. */
  readonly deleteRetentionMs: number
  /** Part of the log, 0 to 1, that is dirty at least before it is compacted. */
  readonly minCleanableDirtyRatio: number
}

/** What compaction looks at of a segment. */
export interface CompactionSegment {
  readonly endOffset: Offset
  readonly sizeBytes: number
  /** ms; -1 if none. */
  readonly maxTimestamp: number
  /** ms; null for the active segment, 0 if unknown. */
  readonly sealedAtMs: number | null
  /** Set once a round has gone through all of it. */
  readonly cleaned: CleanedSegment | null
}

/** What is known of a segment that was compacted. */
export interface CleanedSegment {
  /** End of the first round that went through it, ms: tombstones count from then. */
  readonly atMs: number
  readonly tombstoneCount: number
}

/** What may be compacted now. */
export interface CompactionPlan {
  /** Where the dirty part begins. */
  readonly cleanedEnd: Offset
  /** Where it ends: the end of a segment. Equal to `cleanedEnd` when there is none. */
  readonly end: Offset
  /** Bytes of dirty segments by bytes of all segments below `end`. */
  readonly dirtyRatio: number
  /** Clean segments hold tombstones whose time is over. */
  readonly hasDueTombstones: boolean
}

/** See the file's header. @param committedEnd what is committed and durable (exclusive). */
export function planCompaction(
  segments: readonly CompactionSegment[],
  cleanedEnd: Offset,
  config: CompactionConfig,
  nowMs: number,
  committedEnd: Offset,
): CompactionPlan {
  let end = cleanedEnd
  let cleanBytes = 0
  let dirtyBytes = 0
  let hasDueTombstones = false
  for (const segment of segments) {
    if (segment.sealedAtMs === null || segment.endOffset > committedEnd) break
    if (segment.endOffset <= cleanedEnd) {
      cleanBytes += segment.sizeBytes
      hasDueTombstones ||= hasTombstonesDue(segment, config, nowMs)
      continue
    }
    if (nowMs - newestMs(segment, nowMs) < config.minCompactionLagMs) break
    dirtyBytes += segment.sizeBytes
    end = toOffset(segment.endOffset)
  }
  const dirtyRatio = dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes)
  return { cleanedEnd, end, dirtyRatio, hasDueTombstones }
}

/** Whether the plan is worth a round. */
export function isWorthwhile(plan: CompactionPlan, config: CompactionConfig): boolean {
  return plan.end > plan.cleanedEnd && plan.dirtyRatio >= config.minCleanableDirtyRatio
}

/** Whether tombstones of the segment may go, as far as time is concerned. */
export function tombstonesAreDue({ cleaned }: CompactionSegment, config: CompactionConfig, nowMs: number): boolean {
  return cleaned !== null && nowMs - cleaned.atMs >= config.deleteRetentionMs
}

function hasTombstonesDue(segment: CompactionSegment, config: CompactionConfig, nowMs: number): boolean {
  return segment.cleaned !== null && segment.cleaned.tombstoneCount > 0 && tombstonesAreDue(segment, config, nowMs)
}

/** When the newest record was written: a date in the future counts as no later than the sealing. */
function newestMs({ maxTimestamp, sealedAtMs }: CompactionSegment, nowMs: number): number {
  const sealedMs = sealedAtMs === null || sealedAtMs === 0 ? nowMs : sealedAtMs
  return maxTimestamp < 0 ? sealedMs : Math.min(maxTimestamp, sealedMs)
}
