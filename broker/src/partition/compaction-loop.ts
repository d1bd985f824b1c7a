/**
 * Compacts the copies of a broker in the background, one round after another, under one limit in bytes per second.
 *
 * Invariant: one round at a time, so one map of keys. What is wrong with a copy ends its round, not the loop.
 * Owner: the broker's core.
 */
import { InvariantError } from '@stratalog/proto'
import type { CompactionEngine } from '../log/compaction-rounds.ts'
import { LogClosedError } from '../log/log-errors.ts'
import type { ByteRate } from '../replication/byte-rate.ts'
import type { Clock } from '../replication/tick-loop.ts'
import type { CompactedCopy } from './compacted-copy.ts'
import { type CompactionCandidate, CompactionSchedule } from './compaction-schedule.ts'
import type { PartitionLogger } from './partition-types.ts'

/** What the loop needs of a partition. */
export interface CompactedPartition {
  readonly topic: string
  readonly partition: number
  readonly topicId: Buffer
  readonly compaction: CompactedCopy
}

/** What a loop is made of. */
export interface CompactionLoopOptions {
  /** Those that are open now. */
  readonly partitions: () => Iterable<CompactedPartition>
  readonly engine: CompactionEngine
  readonly clock: Clock
  /** Of what is read and written. */
  readonly rate: ByteRate
  /** How often it is looked for something to do, ms. */
  readonly backoffMs: number
  /** For the map of keys. */
  readonly mapBytesMax: number
  /** What every copy of a partition holds (exclusive), as its leader says; 0 when it does not answer. */
  readonly heldByAllEnd: (partition: CompactedPartition) => Promise<number>
  readonly logger: PartitionLogger
}

type Candidate = CompactionCandidate<CompactedPartition>

/** See the file's header. */
export class CompactionLoop {
  readonly #options: CompactionLoopOptions
  readonly #schedule: CompactionSchedule<CompactedPartition>
  #current: CompactedPartition | null = null
  #cancel: (() => void) | null = null
  #running: Promise<void> = Promise.resolve()
  #stopped = false

  /** Starts it. */
  constructor(options: CompactionLoopOptions) {
    this.#options = options
    this.#schedule = new CompactionSchedule(options.backoffMs)
    this.#later()
  }

  /** Does all rounds that are due. Never rejects. */
  async run(): Promise<void> {
    const { clock } = this.#options
    while (!this.#stopped) {
      const candidates = this.#candidates()
      const chosen = this.#schedule.next(candidates, clock.nowMs())
      if (chosen === null) return
      await this.#compact(candidates.find(({ copy }) => copy === chosen)!)
    }
  }

  /** Ends it, and waits for the round under way, which is given up. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel?.()
    this.#current?.compaction.abort()
    await this.#running
  }

  #later(): void {
    if (this.#stopped) return
    this.#cancel = this.#options.clock.schedule(this.#options.backoffMs, () => {
      this.#running = this.run().then(() => this.#later())
    })
  }

  #candidates(): Candidate[] {
    const candidates: Candidate[] = []
    for (const copy of this.#options.partitions()) {
      const need = copy.compaction.need()
      if (need === null) continue
      const { plan, isWorthwhile, deleteRetentionMs } = need
      const { dirtyRatio, hasDueTombstones } = plan
      candidates.push({ copy, dirtyRatio, isWorthwhile, hasDueTombstones, deleteRetentionMs })
    }
    return candidates
  }

  async #compact(candidate: Candidate): Promise<void> {
    const { engine, clock, mapBytesMax, heldByAllEnd, logger } = this.#options
    const { copy, hasDueTombstones } = candidate
    const { topic, partition } = copy
    this.#current = copy
    const startedMs = clock.monotonicMs()
    try {
      const heldEnd = hasDueTombstones ? await heldByAllEnd(copy) : 0
      for (let hasMore = true; hasMore && !this.#stopped; ) {
        const report = await copy.compaction.compact({
          engine,
          mapBytesMax,
          heldByAllEnd: heldEnd,
          spend: (bytes) => this.#spend(bytes),
        })
        hasMore = report.hasMore
        const tookMs = Math.round(clock.monotonicMs() - startedMs)
        if (report.replacedCount > 0) logger.info({ topic, partition, ...report, tookMs }, 'compacted')
      }
      this.#schedule.ended(candidate, clock.nowMs())
    } catch (err) {
      if (err instanceof InvariantError) throw err
      this.#schedule.failed(candidate, clock.nowMs())
      if (!(err instanceof LogClosedError)) logger.error({ topic, partition, err }, 'compaction has failed')
    } finally {
      this.#current = null
    }
  }

  async #spend(bytes: number): Promise<void> {
    const { rate, clock } = this.#options
    rate.spend(bytes)
    const { delayMs } = rate
    if (delayMs > 0) await new Promise<void>((resolve) => clock.schedule(delayMs, resolve))
  }
}
