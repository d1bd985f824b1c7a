/**
 * The workload of the crash suite: everything that writes to a partition's folder, deterministic by seed, with the
 * model kept beside it so that a crash at any point leaves a statement of what must be found again.
 */
import { type Offset, toOffset } from '@stratalog/proto'
import {
  DEFAULT_LOG_CONFIG,
  FlushScheduler,
  type LogConfig,
  OpenFileCache,
  PartitionLog,
  type RecoveryReport,
} from '../../log/index.ts'
import { dataBatch, leaderChangeBatch } from '../../testing/batches.ts'
import { seededRandom } from '../../testing/fake-disk.ts'
import type { FakeFileSystem } from '../../testing/fake-file-system.ts'
import { LogModel, RecentBatches } from '../../testing/log-model.ts'

/** Folder of the partition in the fake file system. */
export const DIRECTORY = '/data/topics/t-0'

/** Small enough that a hundred batches roll, checkpoint and index several times. */
export const CRASH_CONFIG: LogConfig = {
  ...DEFAULT_LOG_CONFIG,
  segmentBytesMax: 3_000,
  indexIntervalBytes: 300,
  checkpointIntervalBytes: 1_500,
  groupBytesMax: 1_200,
  inlineWriteBytesMax: 200,
  retentionMs: -1,
}

/** An open log with its owner's state and its model. */
export interface LogUnderTest {
  readonly log: PartitionLog
  readonly recent: RecentBatches
  readonly report: RecoveryReport | null
}

/** Opens the partition with a fresh cache and owner state. */
export async function openLog(fileSystem: FakeFileSystem, config: LogConfig = CRASH_CONFIG): Promise<LogUnderTest> {
  const recent = new RecentBatches()
  let report: RecoveryReport | null = null
  const log = await PartitionLog.open({
    directory: DIRECTORY,
    fileSystem,
    config,
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem, openFilesMax: 2 }),
    clock: { nowMs: () => 10_000 },
    listener: {
      onRecovered: (recovered) => {
        report = recovered
      },
    },
    onRecoveredCompanion: (companion) => recent.restore(companion?.bytes ?? null),
    onRecoveredBatch: (header) => recent.see(header),
    snapshotCompanion: () => recent.snapshot(),
  })
  return { log, recent, report }
}

/** Runs the workload until its end or until the file system stops; the model then says what must survive. */
export class LogWorkload {
  readonly model: LogModel = new LogModel()
  /** Where the log may begin: the last start that was made durable, and one that may have been. */
  startMayBe: number[] = [0]
  /** A reset that was under way: the log may also be empty at this offset. */
  pendingReset: number | null = null
  readonly #fileSystem: FakeFileSystem
  readonly #random: () => number
  #epoch = 1
  #salt = 0

  constructor(fileSystem: FakeFileSystem, seed: number) {
    this.#fileSystem = fileSystem
    this.#random = seededRandom(seed)
  }

  /** Steps until done; errors after the stop of the host are the stop itself. */
  async run(): Promise<void> {
    try {
      await this.#run()
    } catch (error) {
      if (!this.#fileSystem.stopped) throw error
    }
  }

  async #run(): Promise<void> {
    await this.#fileSystem.makeDirectory('/data/topics')
    let subject = await openLog(this.#fileSystem)
    await this.#appendAndFlush(subject, 6)
    await this.#appendAndFlush(subject, 8)
    this.#epoch = 2
    this.#append(subject, leaderChangeBatch(this.model.endOffset, this.#epoch))
    await this.#appendAndFlush(subject, 5)
    await this.#truncate(subject, 3)
    this.#epoch = 4
    await this.#appendAndFlush(subject, 12)
    await this.#deleteTo(subject, Math.floor(this.model.endOffset / 2))
    await subject.log.roll()
    await this.#appendAndFlush(subject, 2)
    // Nothing waits for these: a crash may lose them, a close may not.
    this.#appendSome(subject, 2)
    await this.#close(subject)
    subject = await openLog(this.#fileSystem)
    await this.#appendAndFlush(subject, 6)
    // Into a sealed segment, over a segment boundary.
    await this.#truncate(subject, 9)
    this.#epoch = 7
    this.#append(subject, leaderChangeBatch(this.model.endOffset, this.#epoch))
    await this.#appendAndFlush(subject, 4)
    await subject.log.checkpoint()
    this.#appendSome(subject, 3)
    await this.#truncate(subject, 1)
    await this.#reset(subject, this.model.endOffset + 50)
    this.#epoch = 9
    await this.#appendAndFlush(subject, 7)
    await subject.log.roll()
    await this.#appendAndFlush(subject, 2)
    // To where a segment begins whose batches must not come back.
    await this.#reset(subject, subject.log.segments[1]!.baseOffset)
    this.#epoch = 11
    await this.#appendAndFlush(subject, 2)
    await this.#close(subject)
  }

  #append({ log, recent }: LogUnderTest, batch: Buffer): void {
    log.append([batch])
    this.model.append(batch)
    recent.seeBytes(batch)
  }

  #appendSome(subject: LogUnderTest, count: number): void {
    for (let index = 0; index < count; index++) {
      const large = this.#random() < 0.15
      this.#append(
        subject,
        dataBatch({
          baseOffset: this.model.endOffset,
          epoch: this.#epoch,
          recordCount: 1 + Math.floor(this.#random() * 4),
          valueBytes: large ? 900 : Math.floor(this.#random() * 120),
          salt: this.#salt++,
        }),
      )
    }
  }

  async #appendAndFlush(subject: LogUnderTest, count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      const now = Math.min(left, 1 + Math.floor(this.#random() * 3))
      this.#appendSome(subject, now)
      left -= now
      const flushes = [subject.log.flush()]
      // It may fail before anybody waits for it.
      flushes[0]!.catch(() => undefined)
      if (this.#random() < 0.4 && left > 0) {
        // A batch that is pending while the flush, and perhaps a checkpoint, is under way.
        for (let turns = Math.floor(this.#random() * 60); turns > 0; turns--) await null
        this.#appendSome(subject, 1)
        left--
        // One that is asked for is written beside the sync under way, if it is large.
        if (this.#random() < 0.6) flushes.push(subject.log.flush())
      }
      for (const end of await Promise.all(flushes)) {
        this.model.acknowledgedEnd = Math.max(this.model.acknowledgedEnd, end)
      }
    }
    this.model.acknowledgedEnd = Math.max(this.model.acknowledgedEnd, await subject.log.flush())
  }

  /** Drops the last `count` batches. */
  async #truncate(subject: LogUnderTest, count: number): Promise<void> {
    const end = this.model.batches.at(-count)!.baseOffset
    this.model.giveUpFrom(end)
    await subject.log.truncateTo(toOffset(end), { replay: true })
    this.model.truncateTo(end)
  }

  async #deleteTo(subject: LogUnderTest, offset: number): Promise<void> {
    const start: Offset = toOffset(offset)
    this.startMayBe = [...this.startMayBe, start]
    await subject.log.deleteTo(start)
    this.startMayBe = [start]
  }

  async #reset(subject: LogUnderTest, offset: number): Promise<void> {
    this.pendingReset = offset
    await subject.log.resetTo(toOffset(offset), { epoch: subject.log.lastEpoch, startOffset: toOffset(offset - 1) })
    this.pendingReset = null
    this.model.reset(offset)
    this.startMayBe = [offset]
    subject.recent.restore(null)
  }

  async #close({ log }: LogUnderTest): Promise<void> {
    await log.close()
    if (!this.#fileSystem.stopped) this.model.acknowledgedEnd = this.model.endOffset
  }
}
