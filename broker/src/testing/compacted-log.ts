/** A log on a fake disk that is compacted, with the model beside it: for tests of compaction. */
import { type Offset, toOffset } from '@stratalog/proto'
import type { CompactionReport } from '../log/compaction.ts'
import type { CompactionConfig } from '../log/compaction-plan.ts'
import { type CompactionEngine, InlineCompactionEngine } from '../log/compaction-rounds.ts'
import { FlushScheduler } from '../log/flush-scheduler.ts'
import { DEFAULT_LOG_CONFIG, type LogConfig } from '../log/log-config.ts'
import { OpenFileCache } from '../log/open-file-cache.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { TailBudget } from '../log/tail-cache.ts'
import type { FileSystem } from '../storage/file-system.ts'
import { type KeyedRecord, keyedBatch, leaderChangeBatch } from './batches.ts'
import { type CompactedContent, CompactedModel } from './compacted-model.ts'
import { readAll } from './log-model.ts'

/** Its folder. */
export const COMPACTED_DIRECTORY = '/data/topics/keyed-0'

/** Small segments, so that a few batches fill some. */
export const COMPACTED_CONFIG: LogConfig = {
  ...DEFAULT_LOG_CONFIG,
  segmentBytesMax: 1_000,
  indexIntervalBytes: 200,
  checkpointIntervalBytes: 1_500,
  retentionMs: -1,
}

/** Tombstones go after 100 ms. */
export const COMPACTION_CONFIG: CompactionConfig = {
  minCompactionLagMs: 0,
  deleteRetentionMs: 100,
  minCleanableDirtyRatio: 0,
}

/** What a round may be told. */
export interface RoundOptions {
  readonly engine?: CompactionEngine
  readonly mapBytesMax?: number
  readonly heldByAllEnd?: number
  readonly committedEnd?: number
  readonly spend?: (bytes: number) => Promise<void>
}

/** See the file's header. */
export class CompactedLog {
  readonly log: PartitionLog
  readonly model: CompactedModel
  readonly damages: string[]
  readonly #clock: { nowMs: number }

  private constructor(log: PartitionLog, model: CompactedModel, clock: { nowMs: number }, damages: string[]) {
    this.log = log
    this.model = model
    this.damages = damages
    this.#clock = clock
  }

  /** Opens the log that is on the disk, if any. */
  static async open(
    fileSystem: FileSystem,
    model: CompactedModel = new CompactedModel(),
    config: Partial<LogConfig> = {},
    clock: { nowMs: number } = { nowMs: 10_000 },
  ): Promise<CompactedLog> {
    await fileSystem.makeDirectory('/data/topics')
    const damages: string[] = []
    const log = await PartitionLog.open({
      directory: COMPACTED_DIRECTORY,
      fileSystem,
      config: { ...COMPACTED_CONFIG, ...config },
      flusher: new FlushScheduler(),
      openFiles: new OpenFileCache({ fileSystem, openFilesMax: 2 }),
      // What was written is read from files, not as it was before.
      tails: new TailBudget(0),
      clock: { nowMs: () => clock.nowMs, schedule: soon },
      listener: { onDamage: ({ offset, reason }) => damages.push(`${offset}: ${reason}`) },
    })
    return new CompactedLog(log, model, clock, damages)
  }

  /** Lets time pass. */
  advance(ms: number): void {
    this.#clock.nowMs += ms
  }

  /** Appends a batch without waiting for the disk. */
  push(records: readonly KeyedRecord[], epoch = 1, codec: 'none' | 'gzip' = 'none'): void {
    this.pushBatch(keyedBatch({ baseOffset: this.log.logEndOffset, epoch, codec, records }))
  }

  /** Appends what a new leader does. */
  pushLeader(epoch: number): void {
    this.pushBatch(leaderChangeBatch(this.log.logEndOffset, epoch))
  }

  pushBatch(batch: Buffer): void {
    this.model.append(batch)
    this.log.append([batch])
  }

  /** Does a round, below all that is flushed unless told otherwise. */
  compact(options: RoundOptions = {}): Promise<CompactionReport> {
    const { flushedEndOffset } = this.log
    return this.log.compact({
      engine: options.engine ?? new InlineCompactionEngine(),
      config: COMPACTION_CONFIG,
      committedEnd: toOffset(options.committedEnd ?? flushedEndOffset),
      heldByAllEnd: options.heldByAllEnd ?? flushedEndOffset,
      mapBytesMax: options.mapBytesMax ?? 1 << 20,
      spend: options.spend ?? (async () => undefined),
    })
  }

  /** Asserts that the log holds what it must, and says what it holds. */
  async check(maxBytes = 700): Promise<CompactedContent> {
    this.log.checkInvariants()
    return this.model.assertHolds(await readAll(this.log, maxBytes), this.firstBatch)
  }

  /** Base offset of the first batch that a read gives. */
  get firstBatch(): Offset {
    return this.log.segments[0]!.baseOffset
  }
}

/** Whatever waits for some time waits a millisecond. */
function soon(_delayMs: number, task: () => void): () => void {
  const timer = setTimeout(task, 1)
  return () => clearTimeout(timer)
}
