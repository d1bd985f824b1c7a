/** How many bytes a record can take at most, before it is written: for batch limits and memory accounts. */
import type { RecordBytes, RecordHeaderInput } from './record.ts'

/** Length varint, attributes, timestamp varlong, offset varint, and the lengths of key, value and header count. */
const RECORD_OVERHEAD_BYTES_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5
/** Key and value lengths of a header. */
const HEADER_OVERHEAD_BYTES_MAX = 5 + 5

/** Upper bound of the bytes that the record adds to an uncompressed batch; at most 35 bytes (10 a header) too high. */
export function estimateRecordBytes(
  key: RecordBytes,
  value: RecordBytes,
  headers: readonly RecordHeaderInput[] = [],
): number {
  let total = RECORD_OVERHEAD_BYTES_MAX + recordBytesLength(key) + recordBytesLength(value)
  for (const header of headers) {
    total += HEADER_OVERHEAD_BYTES_MAX + Buffer.byteLength(header.key) + recordBytesLength(header.value)
  }
  return total
}

/** Bytes of a key or value as it is stored; 0 for null. */
function recordBytesLength(bytes: RecordBytes): number {
  if (bytes === null) return 0
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
}
