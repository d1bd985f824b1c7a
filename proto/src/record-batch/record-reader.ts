/**
 * Walks the records of one batch, in order, without copying them.
 *
 * Invariant: every record lies wholly inside the section; offsets strictly increase within the batch's range; the
 * records end exactly where the section does and are as many as the header says. Anything else is CORRUPT_MESSAGE.
 * A reader is for one pass and one user.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'
import type { BatchHeader } from './header.ts'
import { RecordView } from './record.ts'
import { VarintReader } from './varint.ts'

/** Lazy reader of a batch's records; made by `decodeBatch` and `decodeBatchSync`. */
export class RecordReader implements Iterable<RecordView> {
  /** The batch's header. */
  readonly header: BatchHeader
  readonly #section: Buffer
  readonly #varints: VarintReader
  /** The leader's timestamp for every record, or -1 when each has its own. */
  readonly #appendTimestamp: number
  #remaining: number
  #previousDelta = -1

  /** @param section the buffer that holds the records uncompressed, in `[start, end)`. */
  constructor(header: BatchHeader, section: Buffer, start: number, end: number) {
    this.header = header
    this.#section = section
    this.#varints = new VarintReader(section, start, end)
    this.#appendTimestamp = header.timestampType === 'append' ? header.maxTimestamp : -1
    this.#remaining = header.recordCount
    // A record takes seven bytes at least: a larger count is refused before any work is done for it.
    if (header.recordCount > (end - start) / 7) {
      throw new CorruptMessageError(`${header.recordCount} records in ${end - start} bytes`, start)
    }
  }

  /** The bytes that {@link position} counts in: the records, uncompressed. Not to be changed. */
  get section(): Buffer {
    return this.#section
  }

  /** Where the next record begins in {@link section}, its length included, which is where the last one ended. */
  get position(): number {
    return this.#varints.position
  }

  /** The next record, or null after the last. Errors: CORRUPT_MESSAGE. */
  next(): RecordView | null {
    const varints = this.#varints
    if (this.#remaining === 0) {
      if (varints.position !== varints.end) this.#fail('bytes after the last record')
      return null
    }
    const length = varints.readVarint()
    const end = varints.position + length
    if (length < 6 || end > varints.end) this.#fail(`record length is ${length}`)
    // The attributes byte has no meaning yet: it is written as 0 and not looked at, as in Kafka.
    varints.position++
    const timestampDelta = varints.readVarlong()
    const offsetDelta = varints.readVarint()
    const keyBytes = varints.readVarint()
    const keyStart = varints.position
    if (keyBytes > 0) varints.position = keyStart + keyBytes
    if (keyBytes < -1 || varints.position > end) this.#fail(`key length is ${keyBytes}`)
    const valueBytes = varints.readVarint()
    const valueStart = varints.position
    const headersStart = valueBytes > 0 ? valueStart + valueBytes : valueStart
    if (valueBytes < -1 || headersStart >= end) this.#fail(`value length is ${valueBytes}`)
    varints.position = end
    this.#remaining--
    return new RecordView(
      this.#section,
      this.#offset(offsetDelta),
      this.#timestamp(timestampDelta),
      keyStart,
      keyBytes,
      valueStart,
      valueBytes,
      headersStart,
      end,
    )
  }

  /** The remaining records; headers are parsed only if asked for. */
  *[Symbol.iterator](): Generator<RecordView, void, undefined> {
    for (let record = this.next(); record !== null; record = this.next()) yield record
  }

  /** Calls `visit` with every remaining record: the fastest way through a batch. */
  forEach(visit: (record: RecordView) => void): void {
    for (let record = this.next(); record !== null; record = this.next()) visit(record)
  }

  /** Walks what remains, headers included, and keeps nothing: throws CORRUPT_MESSAGE unless all is well-formed. */
  verify(): void {
    for (let record = this.next(); record !== null; record = this.next()) void record.headers
  }

  #offset(delta: number): number {
    if (delta <= this.#previousDelta || delta > this.header.lastOffsetDelta) this.#fail(`offset delta is ${delta}`)
    this.#previousDelta = delta
    return this.header.baseOffset + delta
  }

  #timestamp(delta: number): number {
    if (this.#appendTimestamp >= 0) return this.#appendTimestamp
    const timestamp = this.header.baseTimestamp + delta
    if (timestamp < -1 || timestamp > Number.MAX_SAFE_INTEGER) this.#fail(`timestamp is ${timestamp}`)
    return timestamp
  }

  #fail(reason: string): never {
    throw new CorruptMessageError(reason, this.#varints.position)
  }
}
