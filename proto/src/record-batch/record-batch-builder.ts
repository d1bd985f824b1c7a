/**
 * Builds one batch: records are encoded straight into a growing slab, in one pass, with room for the header in front.
 *
 * Invariant: slab[61, size) holds the records appended so far. A built batch belongs to the caller: the builder never
 * touches its bytes again. After `build` the counters still tell of that batch and `append` is refused until `reset`.
 * Source: Kafka MemoryRecordsBuilder (baseTimestamp is the first record's, maxTimestamp the largest).
 */
import { invariant } from '../invariant.ts'
import { Compression, type CompressionName } from './codec.ts'
import { compress, compressSync } from './compression.ts'
import { writeInt64 } from './int64.ts'
import {
  APPEND_TIME_BIT,
  ATTRIBUTES_POSITION,
  BASE_OFFSET_POSITION,
  BASE_TIMESTAMP_POSITION,
  BATCH_BYTES_MAX,
  BATCH_LENGTH_POSITION,
  CONTROL_BIT,
  LAST_OFFSET_DELTA_POSITION,
  LEADER_EPOCH_POSITION,
  LOG_OVERHEAD_BYTES,
  MAGIC_POSITION,
  MAX_TIMESTAMP_POSITION,
  NO_LEADER_EPOCH,
  NO_TIMESTAMP,
  PRODUCER_ID_POSITION,
  RECORD_BATCH_MAGIC,
  RECORD_BATCH_OVERHEAD_BYTES,
  RECORD_COUNT_POSITION,
} from './layout.ts'
import type { RecordInput } from './record.ts'
import { recordBodyBytes, writeRecordBody } from './record-writer.ts'
import { type ProducerStamp, stampCrc, writeProducer } from './stamp.ts'
import { varintSizeBytes, writeVarint } from './varint.ts'

/** Options of {@link RecordBatchBuilder}. */
export interface BuilderOptions {
  /** Default `none`. */
  readonly codec?: CompressionName | undefined
  /** gzip 0..9, zstd up to 22; default the codec's own. */
  readonly compressionLevel?: number | undefined
  /** First size of the slab, which doubles as needed. Default 16 KiB. */
  readonly initialBytes?: number | undefined
  /**
   * Memory to go on in, of at least so many bytes and the builder's from then on; null = none, and it is allocated.
   * For who builds many batches and knows when the bytes of one are not needed any more.
   */
  readonly takeSlab?: ((bytesMin: number) => Buffer | null) | undefined
}

/** What {@link RecordBatchBuilder.build} puts into the header. */
export interface BuildOptions extends Partial<ProducerStamp> {
  /** Default `create`. `append` makes maxTimestamp the timestamp of every record. */
  readonly timestampType?: 'create' | 'append'
  /** Marks a control batch (control-batch.ts). Default false. */
  readonly control?: boolean
}

const INITIAL_BYTES = 16 * 1024
const EMPTY = Buffer.alloc(0)

/** Builder of batches, one after another; for one user at a time. */
export class RecordBatchBuilder {
  readonly #codec: CompressionName
  readonly #level: number | undefined
  readonly #initialBytes: number
  readonly #takeSlab: (bytesMin: number) => Buffer | null
  #slab: Buffer = EMPTY
  #size = RECORD_BATCH_OVERHEAD_BYTES
  #count = 0
  #baseTimestamp = NO_TIMESTAMP
  #maxTimestamp = NO_TIMESTAMP
  #built = false

  constructor(options: BuilderOptions = {}) {
    this.#codec = options.codec ?? 'none'
    this.#level = options.compressionLevel
    this.#initialBytes = Math.max(options.initialBytes ?? INITIAL_BYTES, RECORD_BATCH_OVERHEAD_BYTES)
    this.#takeSlab = options.takeSlab ?? (() => null)
  }

  /** Bytes of the batch so far, uncompressed, header included: exact for codec `none`. */
  get sizeBytes(): number {
    return this.#size
  }

  /** Records so far. */
  get recordCount(): number {
    return this.#count
  }

  /** Encodes a record behind the others; its bytes are copied. @returns its offset delta: 0, 1, 2... */
  append(record: RecordInput): number {
    invariant(!this.#built, 'append to a built batch: reset() the builder first')
    const timestamp = record.timestamp ?? NO_TIMESTAMP
    if (this.#count === 0) {
      this.#baseTimestamp = timestamp
      this.#maxTimestamp = timestamp
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp
    }
    const timestampDelta = timestamp - this.#baseTimestamp
    const bodyBytes = recordBodyBytes(record, timestampDelta, this.#count)
    this.#reserve(varintSizeBytes(bodyBytes) + bodyBytes)
    const bodyStart = writeVarint(this.#slab, this.#size, bodyBytes)
    this.#size = writeRecordBody(this.#slab, bodyStart, record, timestampDelta, this.#count)
    invariant(this.#size === bodyStart + bodyBytes, 'record changed while it was encoded')
    return this.#count++
  }

  /** The finished batch; compression runs in the thread pool. At least one record is needed. */
  async build(options: BuildOptions = {}): Promise<Buffer> {
    const slab = this.#seal()
    if (this.#codec === 'none') return this.#finishPlain(slab, options)
    const records = slab.subarray(RECORD_BATCH_OVERHEAD_BYTES, this.#size)
    // The header is made before the await: the builder may be reset while the compression runs.
    const header = this.#header(options)
    const batch = join(header, await compress(this.#codec, records, this.#level))
    if (this.#slab === EMPTY) this.#slab = slab
    return batch
  }

  /** The finished batch, at once. */
  buildSync(options: BuildOptions = {}): Buffer {
    const slab = this.#seal()
    if (this.#codec === 'none') return this.#finishPlain(slab, options)
    const records = slab.subarray(RECORD_BATCH_OVERHEAD_BYTES, this.#size)
    this.#slab = slab
    return join(this.#header(options), compressSync(this.#codec, records, this.#level))
  }

  /** Forgets the records and begins the next batch. */
  reset(): void {
    this.#size = RECORD_BATCH_OVERHEAD_BYTES
    this.#count = 0
    this.#baseTimestamp = NO_TIMESTAMP
    this.#maxTimestamp = NO_TIMESTAMP
    this.#built = false
  }

  #seal(): Buffer {
    invariant(!this.#built, 'batch was built already: reset() the builder first')
    invariant(this.#count > 0, 'a batch needs a record')
    this.#built = true
    const slab = this.#slab
    this.#slab = EMPTY
    return slab
  }

  /** A view of the slab; or, where that would keep twice the memory alive, a copy, and the slab is used again. */
  #finishPlain(slab: Buffer, options: BuildOptions): Buffer {
    const fits = this.#size * 2 >= slab.length
    const batch = fits ? slab.subarray(0, this.#size) : Buffer.allocUnsafeSlow(this.#size)
    if (!fits) {
      slab.copy(batch, 0, 0, this.#size)
      this.#slab = slab
    }
    this.#writeHeader(batch, options)
    return seal(batch)
  }

  #header(options: BuildOptions): Buffer {
    const header = Buffer.allocUnsafe(RECORD_BATCH_OVERHEAD_BYTES)
    this.#writeHeader(header, options)
    return header
  }

  #writeHeader(batch: Buffer, options: BuildOptions): void {
    const { producerId, producerEpoch, baseSequence } = options
    let attributes: number = Compression[this.#codec]
    if (options.timestampType === 'append') attributes |= APPEND_TIME_BIT
    if (options.control) attributes |= CONTROL_BIT
    writeInt64(batch, BASE_OFFSET_POSITION, 0)
    batch.writeInt32BE(NO_LEADER_EPOCH, LEADER_EPOCH_POSITION)
    batch.writeInt8(RECORD_BATCH_MAGIC, MAGIC_POSITION)
    batch.writeInt16BE(attributes, ATTRIBUTES_POSITION)
    batch.writeInt32BE(this.#count - 1, LAST_OFFSET_DELTA_POSITION)
    writeInt64(batch, BASE_TIMESTAMP_POSITION, this.#baseTimestamp)
    writeInt64(batch, MAX_TIMESTAMP_POSITION, this.#maxTimestamp)
    if (producerId === undefined) {
      batch.fill(0xff, PRODUCER_ID_POSITION, RECORD_COUNT_POSITION)
    } else {
      invariant(producerEpoch !== undefined && baseSequence !== undefined, 'producer id without epoch and sequence')
      writeProducer(batch, 0, { producerId, producerEpoch, baseSequence })
    }
    batch.writeInt32BE(this.#count, RECORD_COUNT_POSITION)
  }

  #reserve(bytes: number): void {
    const needed = this.#size + bytes
    if (needed <= this.#slab.length) return
    invariant(needed <= BATCH_BYTES_MAX, () => `batch of ${needed} bytes is over ${BATCH_BYTES_MAX}`)
    const slab =
      this.#takeSlab(needed) ?? Buffer.allocUnsafeSlow(Math.max(needed, this.#slab.length * 2, this.#initialBytes))
    invariant(slab.length >= needed, 'a slab is at least as large as was asked for')
    if (this.#count > 0) this.#slab.copy(slab, RECORD_BATCH_OVERHEAD_BYTES, RECORD_BATCH_OVERHEAD_BYTES, this.#size)
    this.#slab = slab
  }
}

function join(header: Buffer, records: Buffer): Buffer {
  const batch = Buffer.allocUnsafeSlow(header.length + records.length)
  header.copy(batch)
  records.copy(batch, header.length)
  return seal(batch)
}

/** Writes what depends on the finished bytes: their number and the CRC. */
function seal(batch: Buffer): Buffer {
  batch.writeInt32BE(batch.length - LOG_OVERHEAD_BYTES, BATCH_LENGTH_POSITION)
  stampCrc(batch, 0)
  return batch
}
