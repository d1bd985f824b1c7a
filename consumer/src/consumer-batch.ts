/**
 * A batch as the application gets it: its place at once, its records when they are walked, as often as wanted.
 *
 * A batch begins and ends where its producer made it, except at the edges of what was asked for: there it shows only
 * the records inside.
 */
import type { CompressionName } from '@stratalog/proto/records'
import type { ConsumerRecord } from './consumer-record.ts'
import { RecordWalk, type WalkOptions } from './record-walk.ts'

/** Records of one partition, in order of offset. */
export class ConsumerBatch<K = Buffer, V = Buffer> implements Iterable<ConsumerRecord<K, V>> {
  readonly topic: string
  readonly partition: number
  /** Term of the leader that wrote it. */
  readonly leaderEpoch: number
  /** Term of the leader that served it: that one or a later one. */
  readonly servingEpoch: number
  /** Offset of the first record wanted. */
  readonly baseOffset: number
  /** Offset of the last record wanted (inclusive). */
  readonly lastOffset: number
  /** Where a reader stands behind this batch, control batches and gaps included: what to seek to in order to resume. */
  readonly nextOffset: number
  /** The batch as stored, header included and compressed as it came. */
  readonly sizeBytes: number
  readonly codec: CompressionName
  readonly #options: WalkOptions<K, V>

  constructor(options: WalkOptions<K, V>) {
    const { header } = options.section
    this.topic = options.context.topic
    this.partition = options.context.partition
    this.leaderEpoch = header.leaderEpoch
    this.servingEpoch = options.servingEpoch
    this.baseOffset = Math.max(header.baseOffset, options.fromOffset)
    this.lastOffset = Math.min(header.lastOffset, (options.endOffset ?? Number.MAX_SAFE_INTEGER) - 1)
    this.nextOffset = options.nextOffset
    this.sizeBytes = header.sizeBytes
    this.codec = header.codec
    this.#options = options
  }

  /** Records in [baseOffset, lastOffset]; from the header, or by a walk where compaction left gaps. */
  get count(): number {
    const { header } = this.#options.section
    if (header.recordCount === header.lastOffsetDelta + 1) return this.lastOffset - this.baseOffset + 1
    let count = 0
    for (const record of this.#options.section.reader()) {
      if (record.offset >= this.baseOffset && record.offset <= this.lastOffset) count++
    }
    return count
  }

  /** A fresh walk over the records. Errors while walking: CORRUPT_MESSAGE. */
  get records(): Iterable<ConsumerRecord<K, V>> {
    return this
  }

  *[Symbol.iterator](): Generator<ConsumerRecord<K, V>, void, undefined> {
    const walk = new RecordWalk(this.#options)
    for (let record = walk.next(); record !== null; record = walk.next()) yield record
  }
}
