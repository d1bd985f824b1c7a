/** Which segments a log may give up: by age, by size, never above the high watermark. Pure. */
import { type Offset, toOffset } from '@stratalog/proto'
import type { LogConfig } from './log-config.ts'

/** What retention looks at of a segment. */
export interface RetentionSegment {
  readonly endOffset: Offset
  readonly sizeBytes: number
  /** Largest timestamp of its records, ms; -1 if none. */
  readonly maxTimestamp: number
  /** When it was sealed, ms; null for the active segment, 0 if unknown. */
  readonly sealedAtMs: number | null
}

/** What retention did. */
export interface RetentionResult {
  readonly logStartOffset: Offset
  readonly segmentCount: number
  readonly sizeBytes: number
}

/**
 * The log start after retention: the end of the last segment that goes, or null when all stay.
 *
 * A segment goes with all older ones if its newest record is older than `retentionMs`, or if the log without it still
 * holds `retentionBytes`. Records dated in the future do not keep a segment: it counts as no younger than its sealing.
 * Source: Kafka UnifiedLog.deleteRetentionMsBreachedSegments, deleteRetentionSizeBreachedSegments.
 */
export function retentionStart(
  segments: readonly RetentionSegment[],
  config: Pick<LogConfig, 'retentionMs' | 'retentionBytes'>,
  nowMs: number,
  highWatermark: Offset,
): Offset | null {
  let restBytes = 0
  for (const segment of segments) restBytes += segment.sizeBytes
  let start: Offset | null = null
  for (const segment of segments) {
    if (segment.endOffset > highWatermark || segment.sizeBytes === 0) break
    const tooOld = config.retentionMs >= 0 && nowMs - newestMs(segment, nowMs) > config.retentionMs
    const tooMuch = config.retentionBytes >= 0 && restBytes - segment.sizeBytes >= config.retentionBytes
    if (!tooOld && !tooMuch) break
    if (segment.sealedAtMs === null && !tooOld) break
    start = toOffset(segment.endOffset)
    restBytes -= segment.sizeBytes
  }
  return start
}

function newestMs(segment: RetentionSegment, nowMs: number): number {
  const sealedAtMs = segment.sealedAtMs ?? 0
  if (segment.maxTimestamp < 0) return sealedAtMs > 0 ? sealedAtMs : nowMs
  return sealedAtMs > 0 ? Math.min(segment.maxTimestamp, sealedAtMs) : segment.maxTimestamp
}
