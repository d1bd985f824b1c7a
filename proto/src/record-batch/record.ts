/**
 * One record: what goes into a batch, and what is read from one.
 *
 * A decoded record is a view: key and value are slices of the batch's bytes (or of its decompressed section), and
 * headers are parsed when they are asked for. Whoever keeps one keeps the whole section alive; `copyRecord` detaches.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'
import { VarintReader } from './varint.ts'

/** A header of a decoded record. */
export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

/** A decoded record. */
export interface LogRecord {
  readonly offset: number
  /** Milliseconds since the epoch; -1 if the producer gave none. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** In the producer's order; keys may repeat. Reading them may throw CORRUPT_MESSAGE. */
  readonly headers: readonly RecordHeader[]
}

/** Bytes to be written: a string is stored as UTF-8, null as "none" (a null value is a tombstone). */
export type RecordBytes = Uint8Array | string | null

/** A header to be written. */
export interface RecordHeaderInput {
  readonly key: string
  readonly value: RecordBytes
}

/** A record to be written. */
export interface RecordInput {
  /** Default null. */
  readonly key?: RecordBytes | undefined
  readonly value: RecordBytes
  /** Default none. */
  readonly headers?: readonly RecordHeaderInput[] | undefined
  /** Milliseconds since the epoch, default -1 (none): the codec has no clock. */
  readonly timestamp?: number | undefined
}

const NO_HEADERS: readonly RecordHeader[] = []

/** A record as a view on a section of records; made by RecordReader only, which has checked its bounds. */
export class RecordView implements LogRecord {
  readonly offset: number
  readonly timestamp: number
  readonly #section: Buffer
  readonly #keyStart: number
  /** -1 for a null key. */
  readonly #keyBytes: number
  readonly #valueStart: number
  /** -1 for a null value. */
  readonly #valueBytes: number
  readonly #headersStart: number
  readonly #end: number

  constructor(
    section: Buffer,
    offset: number,
    timestamp: number,
    keyStart: number,
    keyBytes: number,
    valueStart: number,
    valueBytes: number,
    headersStart: number,
    end: number,
  ) {
    this.offset = offset
    this.timestamp = timestamp
    this.#section = section
    this.#keyStart = keyStart
    this.#keyBytes = keyBytes
    this.#valueStart = valueStart
    this.#valueBytes = valueBytes
    this.#headersStart = headersStart
    this.#end = end
  }

  /** Whether it has a key, without a slice of it being made. */
  get hasKey(): boolean {
    return this.#keyBytes >= 0
  }

  get key(): Buffer | null {
    return this.#keyBytes < 0 ? null : this.#section.subarray(this.#keyStart, this.#keyStart + this.#keyBytes)
  }

  /** Whether it ends what its key had: its value is null. */
  get isTombstone(): boolean {
    return this.#valueBytes < 0
  }

  get value(): Buffer | null {
    return this.#valueBytes < 0 ? null : this.#section.subarray(this.#valueStart, this.#valueStart + this.#valueBytes)
  }

  get headers(): readonly RecordHeader[] {
    return this.#headersStart === this.#end - 1 && this.#section[this.#headersStart] === 0
      ? NO_HEADERS
      : readHeaders(this.#section, this.#headersStart, this.#end)
  }
}

/** A copy of the record in memory of its own, to be kept beyond the batch. */
export function copyRecord(record: LogRecord): LogRecord {
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    key: copyBytes(record.key),
    value: copyBytes(record.value),
    headers: record.headers.map(({ key, value }) => ({ key, value: copyBytes(value) })),
  }
}

/** Parses the headers at `section[start, end)`; they must fill the range. Throws CORRUPT_MESSAGE. */
export function readHeaders(section: Buffer, start: number, end: number): RecordHeader[] {
  const reader = new VarintReader(section, start, end)
  const count = reader.readVarint()
  // A header takes two bytes at least: a larger count is refused before anything is allocated for it.
  if (count < 0 || count > (end - reader.position) >>> 1) throw new CorruptMessageError(`${count} headers`, start)
  const headers: RecordHeader[] = []
  for (let index = 0; index < count; index++) {
    const key = readBytes(reader)
    if (key === null) throw new CorruptMessageError('header key is null', reader.position)
    headers.push({ key: key.toString('utf8'), value: readBytes(reader) })
  }
  if (reader.position !== end) throw new CorruptMessageError('bytes after the last header', reader.position)
  return headers
}

function readBytes(reader: VarintReader): Buffer | null {
  const length = reader.readVarint()
  if (length === -1) return null
  const start = reader.position
  if (length < 0 || length > reader.end - start) throw new CorruptMessageError(`length is ${length}`, start)
  reader.position = start + length
  return reader.buffer.subarray(start, reader.position)
}

function copyBytes(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes)
}
