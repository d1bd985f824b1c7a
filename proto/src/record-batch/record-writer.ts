/**
 * Encodes one record's body; the builder writes the length in front of it.
 *
 * Written for the producer's hot path: no object or Buffer is made, short runs of bytes are copied in JavaScript,
 * where a native call costs more than the copy.
 */
import type { RecordBytes, RecordInput } from './record.ts'
import { varintSizeBytes, varlongSizeBytes, writeVarint, writeVarlong } from './varint.ts'

/** Up to this many bytes a loop is faster than a native copy (measured on x64). */
const LOOP_BYTES_MAX = 32

/** Bytes of the body: everything behind the length varint. */
export function recordBodyBytes(record: RecordInput, timestampDelta: number, offsetDelta: number): number {
  const { headers } = record
  let total = 1 + varlongSizeBytes(timestampDelta) + varintSizeBytes(offsetDelta)
  total += fieldBytes(record.key ?? null) + fieldBytes(record.value)
  if (headers === undefined || headers.length === 0) return total + 1
  total += varintSizeBytes(headers.length)
  for (const header of headers) total += fieldBytes(header.key) + fieldBytes(header.value)
  return total
}

/** Writes the body at `position`, with room for {@link recordBodyBytes}; returns the position after it. */
export function writeRecordBody(
  target: Buffer,
  position: number,
  record: RecordInput,
  timestampDelta: number,
  offsetDelta: number,
): number {
  const { headers } = record
  target[position] = 0
  let at = writeVarlong(target, position + 1, timestampDelta)
  at = writeVarint(target, at, offsetDelta)
  at = writeField(target, at, record.key ?? null)
  at = writeField(target, at, record.value)
  at = writeVarint(target, at, headers === undefined ? 0 : headers.length)
  if (headers === undefined) return at
  for (const header of headers) {
    at = writeField(target, at, header.key)
    at = writeField(target, at, header.value)
  }
  return at
}

function fieldBytes(bytes: RecordBytes): number {
  if (bytes === null) return 1
  const length = typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
  return varintSizeBytes(length) + length
}

function writeField(target: Buffer, position: number, bytes: RecordBytes): number {
  if (bytes === null) return writeVarint(target, position, -1)
  if (typeof bytes === 'string') return writeString(target, position, bytes)
  const length = bytes.length
  const start = writeVarint(target, position, length)
  if (length > LOOP_BYTES_MAX) {
    target.set(bytes, start)
  } else {
    for (let index = 0; index < length; index++) target[start + index] = bytes[index]!
  }
  return start + length
}

function writeString(target: Buffer, position: number, text: string): number {
  const length = Buffer.byteLength(text)
  const start = writeVarint(target, position, length)
  const ascii = length === text.length
  if (ascii && length <= LOOP_BYTES_MAX) {
    for (let index = 0; index < length; index++) target[start + index] = text.charCodeAt(index)
    return start + length
  }
  return start + target.write(text, start, length, ascii ? 'latin1' : 'utf8')
}
