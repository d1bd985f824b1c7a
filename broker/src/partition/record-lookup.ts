/** Finds places in a partition's committed log: records by time, and where it can be cut for parallel readers. */
import { toOffset } from '@stratalog/proto'
import type { TimestampHit } from '../log/log-reader.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { LogSplit } from '../log/split-points.ts'
import { outOfRange } from './partition-errors.ts'
import type { PartitionBounds } from './partition-types.ts'

/** Where to look. */
export interface RecordLookupOptions {
  readonly topic: string
  readonly partition: number
  readonly log: PartitionLog
  readonly bounds: () => PartitionBounds
  /** Throws when the partition does not serve. */
  readonly assertReadable: () => void
  /** What clients are told of an error of the log. */
  readonly errorOf: (error: unknown) => Error
  /** Resolves when there is news. */
  readonly advanced: () => Promise<void>
}

/** See the file's header. Errors: OFFSET_OUT_OF_RANGE, PARTITION_DAMAGED, and those of a partition that does not serve. */
export class RecordLookup {
  readonly #options: RecordLookupOptions

  constructor(options: RecordLookupOptions) {
    this.#options = options
  }

  /** The first record whose timestamp is at least `timestampMs`, or null. */
  first(timestampMs: number): Promise<TimestampHit | null> {
    const { log, bounds } = this.#options
    return this.#look(() => log.offsetForTimestamp(timestampMs, toOffset(bounds().highWatermark)))
  }

  /** The first record with the greatest timestamp, or null when there is none. */
  async greatest(): Promise<TimestampHit | null> {
    const { log, bounds, advanced } = this.#options
    for (;;) {
      const hit = await this.first(await this.#look(() => log.greatestTimestamp()))
      if (hit !== null || bounds().highWatermark === log.logEndOffset) return hit
      // The record that has it is written and not committed yet: it will be in a moment, or the partition ends.
      await advanced()
    }
  }

  /** `[start, end)` in pieces of about `targetBytes`, see PartitionLog.splits. */
  splits(start: number, end: number, targetBytes: number): Promise<readonly LogSplit[]> {
    const { log, bounds } = this.#options
    return this.#look(() => {
      const { logStartOffset, visibleEnd, highWatermark } = bounds()
      const isWithin = (offset: number): boolean => offset >= logStartOffset && offset <= highWatermark
      if (isWithin(start) && isWithin(end)) return log.splits(start, end, targetBytes)
      throw outOfRange(this.#options, isWithin(start) ? end : start, logStartOffset, visibleEnd)
    })
  }

  async #look<Found>(look: () => Promise<Found>): Promise<Found> {
    const { assertReadable, errorOf } = this.#options
    assertReadable()
    try {
      return await look()
    } catch (error) {
      throw errorOf(error)
    }
  }
}
