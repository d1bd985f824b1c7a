/** The partition log: what the rest of the broker uses of this folder. */

export type { CompactionReport, CompactionRound } from './compaction.ts'
export type { CompactionConfig, CompactionPlan } from './compaction-plan.ts'
export { type CompactionEngine, InlineCompactionEngine } from './compaction-rounds.ts'
export { DELETED_DIRECTORY_SUFFIX } from './file-names.ts'
export { FlushScheduler } from './flush-scheduler.ts'
export type { EpochEntry, LeaderEpochCache } from './leader-epoch-cache.ts'
export { DEFAULT_LOG_CONFIG, type FlushPolicy, type LogConfig } from './log-config.ts'
export type { Companion, LogClock, LogListener, LogState, PartitionLogOptions, RecoveryReport } from './log-core.ts'
export {
  LogClosedError,
  LogCompactionError,
  LogDiskFullError,
  LogError,
  type LogErrorCode,
  LogFlushSupersededError,
  LogIoError,
  LogOffsetOutOfRangeError,
  LogSegmentCorruptError,
} from './log-errors.ts'
export type { ReadResult, TimestampHit } from './log-reader.ts'
export type { ScrubCursor, ScrubStep } from './log-scrub.ts'
export { OpenFileCache, type OpenFileCacheOptions } from './open-file-cache.ts'
export { PartitionLog, type SegmentInfo } from './partition-log.ts'
export type { RetentionResult } from './retention.ts'
export {
  dumpSegment,
  NotASegmentError,
  type SegmentDumpEntry,
  type SegmentDumpOptions,
} from './segment-dump.ts'
export {
  type SegmentProblem,
  type SegmentVerdict,
  type SegmentVerifyOptions,
  type VerifyReport,
  verifySegment,
} from './segment-verify.ts'
export { TailBudget } from './tail-cache.ts'
