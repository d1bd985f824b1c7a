/**
 * One round of compaction over a log: of each key only the last record stays, at the offset that it has.
 *
 * ```
 *  1. map     [ cleanedEnd ........ mappedEnd )     keys of the dirty part, as many as the map holds
 *  2. thin    [ log start ......... mappedEnd )     segment after segment, oldest first, each replaced when it is done
 *  3. note    cleanedEnd = mappedEnd
 * ```
 * The log is the Raft log, so batches keep their place: one that loses records keeps base offset, last offset, leader epoch
 * and producer, and one that loses all stays as a header. Control batches stay as they are.
 *
 * Invariant: nothing is touched at or above what is committed and durable, nor in the active segment, nor is a damaged
 * batch written anew.
 * Invariant: a tombstone goes only when a whole earlier round had it in its map, so nothing older of its key is left, and
 * only below what all copies of the partition hold, so that none of them is left with what it ended.
 * Runs beside the writer loop and readers; replacing a file, and noting the end, are steps of the writer loop. A crash
 * leaves some segments compacted and the end where it was: the next round does the rest.
 * Memory: a chunk or two, and what the engine takes for the map. Source: Kafka LogCleaner, Cleaner.cleanSegments.
 */
import { invariant, type Offset, toOffset } from '@stratalog/proto'
import { lastOffsetOf, leaderEpochOf } from '@stratalog/proto/records'
import { type FileHandle, fileErrorCode, isDiskFull } from '../storage/file-system.ts'
import { type BatchChunk, scanChunks } from './batch-scan.ts'
import type { Checkpointer } from './checkpointer.ts'
import { CompactionOutput } from './compaction-output.ts'
import { type CompactionConfig, type CompactionPlan, planCompaction, tombstonesAreDue } from './compaction-plan.ts'
import { ChunkFault, type CompactionEngine } from './compaction-rounds.ts'
import type { LogCore } from './log-core.ts'
import { LogClosedError, LogCompactionError, LogDiskFullError } from './log-errors.ts'
import type { Segment } from './segment.ts'
import { replaceSegment } from './segment-replacement.ts'

/** What a round is given. */
export interface CompactionRound {
  readonly engine: CompactionEngine
  readonly config: CompactionConfig
  /** What is committed and durable in this copy (exclusive). */
  readonly committedEnd: Offset
  /** What every copy of the partition holds, durably (exclusive): tombstones at or above it stay. */
  readonly heldByAllEnd: number
  /** For the engine's map. */
  readonly mapBytesMax: number
  /** Called with bytes read and written; resolves when more may be. */
  readonly spend: (bytes: number) => Promise<void>
}

/** What a round did. */
export interface CompactionReport {
  readonly cleanedEnd: Offset
  /** Not all of the dirty part fitted into the map: another round is due. */
  readonly hasMore: boolean
  /** Segments that were replaced, and their bytes before and after. */
  readonly replacedCount: number
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly removedCount: number
}

/** What the log's front lends a round. */
export interface CompactionHost {
  /** Runs I/O that must not fail: an error fails the log. */
  guard<T>(operation: () => Promise<T>): Promise<T>
  /** Reads all batches from one offset to another, inclusive, telling of damage as any read does. */
  check(from: Offset, last: Offset): Promise<void>
}

const CHUNK_BYTES = 1024 * 1024

/** Batches of a segment, and the offset at which the first one must begin. */
interface LocatedChunk extends BatchChunk {
  readonly baseOffset: number
}

/** See the file's header. For one use. */
export class Compaction {
  readonly #core: LogCore
  readonly #checkpointer: Checkpointer
  readonly #host: CompactionHost
  readonly #round: CompactionRound
  readonly #resetCount: number
  /** Tombstones left in each segment that was gone through, by base offset. */
  readonly #tombstoneCounts = new Map<Offset, number>()
  readonly #aborted: Promise<void>
  #abort: () => void = () => undefined
  #isAborted = false
  #replacedCount = 0
  #bytesBefore = 0
  #bytesAfter = 0
  #removedCount = 0

  constructor(core: LogCore, checkpointer: Checkpointer, host: CompactionHost, round: CompactionRound) {
    this.#core = core
    this.#checkpointer = checkpointer
    this.#host = host
    this.#round = round
    this.#resetCount = core.resetCount
    this.#aborted = new Promise((resolve) => {
      this.#abort = resolve
    })
  }

  /** Makes {@link run} end soon, with LOG_CLOSED. */
  abort(): void {
    this.#isAborted = true
    this.#abort()
  }

  /**
   * Does the round; see the file's header. Errors: LOG_CLOSED, LOG_DISK_FULL (nothing is lost by it), LOG_SEGMENT_CORRUPT, of
   * which the owner was told, LOG_COMPACTION_FAILED, LOG_IO_FAILED, those of the file system.
   */
  async run(): Promise<CompactionReport> {
    const { engine, config, committedEnd, mapBytesMax } = this.#round
    const core = this.#core
    const cleanedEnd = toOffset(Math.max(core.cleanedEnd, core.logStartOffset))
    const plan = planCompaction(core.segments, cleanedEnd, config, core.options.clock.nowMs(), committedEnd)
    await engine.begin({ offsetCount: plan.end - plan.cleanedEnd, mapBytesMax })
    let mappedEnd: Offset
    try {
      mappedEnd = await this.#mapDirty(plan)
      invariant(mappedEnd > plan.cleanedEnd || plan.end === plan.cleanedEnd, 'a round gets on')
      await this.#thinSegments(plan, mappedEnd)
    } finally {
      await engine.end()
    }
    await core.steps.run(() => this.#note(mappedEnd))
    return {
      cleanedEnd: core.cleanedEnd,
      hasMore: mappedEnd < plan.end,
      replacedCount: this.#replacedCount,
      bytesBefore: this.#bytesBefore,
      bytesAfter: this.#bytesAfter,
      removedCount: this.#removedCount,
    }
  }

  /** Fills the map, and returns up to where. */
  async #mapDirty({ cleanedEnd, end }: CompactionPlan): Promise<Offset> {
    let mappedEnd = cleanedEnd
    for (const segment of this.#core.segments) {
      if (segment.endOffset <= cleanedEnd) continue
      if (segment.baseOffset >= end) break
      const isFull = await this.#reading(segment, async (file) => {
        for await (const chunk of this.#chunks(file, segment)) {
          const at = chunk.starts.find((start) => lastOffsetOf(chunk.buffer, start) >= cleanedEnd)
          if (at === undefined) continue
          const mapped = await this.#inChunk(segment, chunk, at, (rest) => this.#round.engine.map(rest))
          mappedEnd = toOffset(mapped.mappedEnd)
          if (mapped.isFull) return true
        }
        return false
      })
      if (isFull === true) return mappedEnd
      mappedEnd = toOffset(segment.endOffset)
    }
    return mappedEnd
  }

  /** Takes out of every segment what the map replaces; where nothing is dirty, the tombstones that are due. */
  async #thinSegments({ cleanedEnd, end }: CompactionPlan, mappedEnd: Offset): Promise<void> {
    const { config, committedEnd } = this.#round
    const nowMs = this.#core.options.clock.nowMs()
    for (const segment of this.#core.segments) {
      const { sealedAtMs, baseOffset, endOffset, cleaned } = segment
      if (sealedAtMs === null || baseOffset >= mappedEnd) break
      invariant(endOffset <= committedEnd, 'only what is committed is compacted')
      const isDue = tombstonesAreDue(segment, config, nowMs)
      if (end === cleanedEnd && !(isDue && cleaned!.tombstoneCount > 0)) continue
      await this.#reading(segment, (file) => this.#thinSegment(segment, file, mappedEnd, isDue))
    }
  }

  async #thinSegment(segment: Segment, file: FileHandle, mappedEnd: Offset, isDue: boolean): Promise<void> {
    const { engine, heldByAllEnd } = this.#round
    const tombstonesEnd = isDue ? Math.min(heldByAllEnd, segment.endOffset) : 0
    let output: CompactionOutput | null = null
    let tombstoneCount = 0
    let removedCount = 0
    try {
      for await (const chunk of this.#chunks(file, segment)) {
        const thinned = await this.#inChunk(segment, chunk, 0, (whole) =>
          engine.thin({ ...whole, end: mappedEnd, tombstonesEnd }),
        )
        tombstoneCount += thinned.tombstoneCount
        removedCount += thinned.removedCount
        if (output === null && thinned.bytes !== null) output = await this.#beginOutput(segment, file, chunk.position)
        const bytes = thinned.bytes ?? chunk.buffer.subarray(0, chunk.wholeBytes)
        if (output !== null) await this.#write(output, bytes)
      }
      if (output !== null) await this.#replace(segment, output)
    } finally {
      await output?.discard()
    }
    this.#tombstoneCounts.set(segment.baseOffset, tombstoneCount)
    this.#removedCount += removedCount
  }

  /** Begins the compacted file with what comes before the first batch that has changed. */
  async #beginOutput(segment: Segment, file: FileHandle, prefixBytes: number): Promise<CompactionOutput> {
    const output = await CompactionOutput.begin(this.#core, segment)
    try {
      for await (const chunk of this.#chunks(file, segment, prefixBytes)) {
        await this.#write(output, chunk.buffer.subarray(0, chunk.wholeBytes))
      }
    } catch (error) {
      await output.discard()
      throw error
    }
    return output
  }

  async #write(output: CompactionOutput, bytes: Buffer): Promise<void> {
    await output.append(bytes)
    await this.#spend(bytes.length)
  }

  async #replace(segment: Segment, output: CompactionOutput): Promise<void> {
    await output.sync()
    await this.#core.steps.run(async () => {
      this.#throwUnlessAlive()
      // Retention has come first.
      if (!this.#core.segments.includes(segment)) return
      const { fresh, path } = output
      await this.#host.guard(() => replaceSegment(this.#core, this.#checkpointer, segment, fresh, path))
      this.#replacedCount++
      this.#bytesBefore += segment.sizeBytes
      this.#bytesAfter += fresh.sizeBytes
    })
  }

  /** In a step: what the round has reached counts from now on. */
  async #note(mappedEnd: Offset): Promise<void> {
    const core = this.#core
    this.#throwUnlessAlive()
    if (core.resetCount !== this.#resetCount) return
    const nowMs = core.options.clock.nowMs()
    core.cleanedEnd = toOffset(Math.max(core.cleanedEnd, mappedEnd))
    for (const segment of core.segments) {
      const tombstoneCount = this.#tombstoneCounts.get(segment.baseOffset)
      if (tombstoneCount === undefined || segment.endOffset > mappedEnd) continue
      segment.cleaned = { atMs: segment.cleaned?.atMs ?? nowMs, tombstoneCount }
    }
    await this.#host.guard(async () => {
      try {
        await this.#checkpointer.rewrite()
      } catch (error) {
        // The next checkpoint says it, too.
        if (!isDiskFull(error)) throw error
      }
    })
  }

  /** Runs `use` with the segment's file; null when retention has deleted it. */
  async #reading<T>(segment: Segment, use: (file: FileHandle) => Promise<T>): Promise<T | null> {
    if (!this.#core.segments.includes(segment)) return null
    try {
      return await this.#core.openFiles.using(segment.logPath, use)
    } catch (error) {
      if (fileErrorCode(error) === 'ENOENT' && !this.#core.segments.includes(segment)) return null
      if (isDiskFull(error)) throw new LogDiskFullError(segment.logPath, error)
      throw error
    }
  }

  async *#chunks(file: FileHandle, segment: Segment, end = segment.sizeBytes): AsyncGenerator<LocatedChunk, void> {
    const chunks = scanChunks(file, 0, end, CHUNK_BYTES)
    let baseOffset: number = segment.baseOffset
    for (;;) {
      const { done, value } = await chunks.next()
      if (done) {
        if (value.reason !== null) await this.#fault(segment, baseOffset, value.reason)
        return
      }
      this.#throwUnlessAlive()
      const chunk: LocatedChunk = { ...value, baseOffset }
      for (const at of value.starts) {
        await this.#checkEpoch(segment, value.buffer, at, baseOffset)
        baseOffset = lastOffsetOf(value.buffer, at) + 1
      }
      yield chunk
      await this.#spend(value.wholeBytes)
    }
  }

  /** The epoch lies outside of what the CRC covers; the engine sees only that it does not go back. */
  async #checkEpoch(segment: Segment, buffer: Buffer, at: number, offset: number): Promise<void> {
    const epoch = this.#core.epochs.epochAt(toOffset(offset))
    const stamped = leaderEpochOf(buffer, at)
    if (stamped !== epoch) await this.#fault(segment, offset, `leader epoch is ${stamped}, not ${epoch}`)
  }

  /** Calls `work` with the batches of a chunk from byte `at` on. */
  async #inChunk<T>(
    segment: Segment,
    { buffer, starts, wholeBytes, baseOffset: chunkBase }: LocatedChunk,
    at: number,
    work: (chunk: { bytes: Buffer; baseOffset: number; leastEpoch: number }) => Promise<T>,
  ): Promise<T> {
    const before = starts[starts.indexOf(at) - 1]
    const baseOffset = before === undefined ? chunkBase : lastOffsetOf(buffer, before) + 1
    const leastEpoch = this.#core.epochs.epochAt(toOffset(baseOffset))
    try {
      return await work({ bytes: buffer.subarray(at, wholeBytes), baseOffset, leastEpoch })
    } catch (error) {
      if (!(error instanceof ChunkFault)) throw error
      return await this.#fault(segment, error.offset, error.reason)
    }
  }

  /** A batch is not sound: whoever reads it is told, and so is the log's owner. One that a second look finds sound is no damage. */
  async #fault(segment: Segment, offset: number, reason: string): Promise<never> {
    this.#throwUnlessAlive()
    // What is wrong may lie before the place where it was noticed.
    if (this.#core.segments.includes(segment)) await this.#host.check(segment.baseOffset, toOffset(offset))
    throw new LogCompactionError(segment.logPath, offset, reason)
  }

  async #spend(bytes: number): Promise<void> {
    await Promise.race([this.#round.spend(bytes), this.#aborted])
    this.#throwUnlessAlive()
  }

  #throwUnlessAlive(): void {
    const { state, directory } = this.#core
    if (state.kind === 'failed') throw state.error
    if (this.#isAborted || state.kind === 'closed') throw new LogClosedError(directory)
  }
}
