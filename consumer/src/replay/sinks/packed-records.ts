/**
 * Records on their way from a worker thread to the application: their bytes one after another in a buffer that changes
 * hands without a copy, decompressed and filtered already.
 *
 * Layout of a record, little endian: offset float64, timestamp float64, lengths of key, value and headers int32 (-1 = null;
 * headers 0 = none), then their bytes. Headers: for each, length of name and value int32 (-1 = null), then their bytes.
 */
import { invariant } from '@stratalog/proto'
import type { LogRecord, RecordHeader } from '@stratalog/proto/records'
import { type ByteTarget, ChunkBuffer } from './byte-target.ts'
import type { RecordEncoder } from './record-encoder.ts'

const FIXED_BYTES = 28
const NO_HEADERS: readonly RecordHeader[] = []

/** Packs records; every record fits. */
export class PackedEncoder implements RecordEncoder {
  readonly #out: ChunkBuffer

  constructor(target: ByteTarget) {
    this.#out = new ChunkBuffer(target)
  }

  append(record: LogRecord): null {
    const { key, value } = record
    const headers = record.headers.length === 0 ? null : packHeaders(record.headers)
    const chunk = this.#out.room(FIXED_BYTES + (key?.length ?? 0) + (value?.length ?? 0) + (headers?.length ?? 0))
    const start = this.#out.position
    chunk.writeDoubleLE(record.offset, start)
    chunk.writeDoubleLE(record.timestamp, start + 8)
    chunk.writeInt32LE(key?.length ?? -1, start + 16)
    chunk.writeInt32LE(value?.length ?? -1, start + 20)
    chunk.writeInt32LE(headers?.length ?? 0, start + 24)
    let at = start + FIXED_BYTES
    for (const bytes of [key, value, headers]) {
      if (bytes === null) continue
      chunk.set(bytes, at)
      at += bytes.length
    }
    this.#out.advance(at)
    return null
  }

  finish(): void {
    this.#out.flush()
  }
}

/** The records of one chunk, as views on it. */
export function* unpackRecords(chunk: Buffer): Generator<LogRecord, void, undefined> {
  let at = 0
  while (at < chunk.length) {
    const keyBytes = chunk.readInt32LE(at + 16)
    const valueBytes = chunk.readInt32LE(at + 20)
    const headersBytes = chunk.readInt32LE(at + 24)
    const keyEnd = at + FIXED_BYTES + Math.max(keyBytes, 0)
    const valueEnd = keyEnd + Math.max(valueBytes, 0)
    invariant(valueEnd + headersBytes <= chunk.length, 'a packed record lies in one chunk')
    yield {
      offset: chunk.readDoubleLE(at),
      timestamp: chunk.readDoubleLE(at + 8),
      key: keyBytes < 0 ? null : chunk.subarray(at + FIXED_BYTES, keyEnd),
      value: valueBytes < 0 ? null : chunk.subarray(keyEnd, valueEnd),
      headers: headersBytes === 0 ? NO_HEADERS : unpackHeaders(chunk.subarray(valueEnd, valueEnd + headersBytes)),
    }
    at = valueEnd + headersBytes
  }
}

function packHeaders(headers: readonly RecordHeader[]): Buffer {
  const pieces: Buffer[] = []
  for (const { key, value } of headers) {
    const name = Buffer.from(key)
    const lengths = Buffer.alloc(8)
    lengths.writeInt32LE(name.length, 0)
    lengths.writeInt32LE(value?.length ?? -1, 4)
    pieces.push(lengths, name)
    if (value !== null) pieces.push(value)
  }
  return Buffer.concat(pieces)
}

function unpackHeaders(bytes: Buffer): RecordHeader[] {
  const headers: RecordHeader[] = []
  let at = 0
  while (at < bytes.length) {
    const nameEnd = at + 8 + bytes.readInt32LE(at)
    const valueBytes = bytes.readInt32LE(at + 4)
    const end = nameEnd + Math.max(valueBytes, 0)
    const value = valueBytes < 0 ? null : bytes.subarray(nameEnd, end)
    headers.push({ key: bytes.toString('utf8', at + 8, nameEnd), value })
    at = end
  }
  return headers
}
