/**
 * Takes records out of a batch, as compaction does, and leaves it the same entry of the log.
 *
 * Invariant: base offset, last offset, leader epoch, producer, sequence, codec and base timestamp stay as they are, and so
 * does every byte of the records that stay: their deltas still hold. What changes is what follows from the records being
 * gone: sizes, the count, the largest timestamp and the CRC.
 * A batch that loses all its records is its header alone. The CRC of what is given is not verified: who thins a damaged
 * batch makes it look sound. Source: Kafka MemoryRecords.filterTo, RecordBatch retention.
 */
import { invariant } from '../invariant.ts'
import { compressSync } from './compression.ts'
import { type DecodeOptions, decodeBatchSync } from './decode.ts'
import type { BatchHeader } from './header.ts'
import { writeInt64 } from './int64.ts'
import {
  ATTRIBUTES_POSITION,
  BATCH_LENGTH_POSITION,
  LOG_OVERHEAD_BYTES,
  MAX_TIMESTAMP_POSITION,
  NO_TIMESTAMP,
  RECORD_BATCH_OVERHEAD_BYTES,
  RECORD_COUNT_POSITION,
  TOMBSTONES_REMOVED_BIT,
} from './layout.ts'
import type { RecordView } from './record.ts'
import { stampCrc } from './stamp.ts'

/** Options of {@link thinBatch}. */
export interface ThinOptions extends DecodeOptions {
  /** Asked behind the last record: whether tombstones are gone that nothing later had replaced. Default no. */
  readonly hasRemovedTombstones?: () => boolean
}

/** Stretches of a section that stay, and what is to be known of them. */
interface Kept {
  /** Starts and ends in turn. */
  readonly bounds: readonly number[]
  readonly count: number
  readonly sizeBytes: number
  readonly maxTimestamp: number
}

/**
 * The batch at `position` without the records that `keep` refuses; null when it refuses none.
 *
 * @param keep called once with every record, in order; the view is valid during the call.
 * Errors: CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE for a batch whose records cannot be read. Expands and compresses
 * on the calling thread.
 */
export function thinBatch(
  buffer: Buffer,
  position: number,
  keep: (record: RecordView) => boolean,
  options: ThinOptions = {},
): Buffer | null {
  const reader = decodeBatchSync(buffer, position, options)
  const { header, section } = reader
  const bounds: number[] = []
  let count = 0
  let sizeBytes = 0
  let maxTimestamp = NO_TIMESTAMP
  for (let start = reader.position, record = reader.next(); record !== null; record = reader.next()) {
    const end = reader.position
    if (keep(record)) {
      if (bounds.at(-1) === start) bounds[bounds.length - 1] = end
      else bounds.push(start, end)
      count++
      sizeBytes += end - start
      if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp
    }
    start = end
  }
  if (count === header.recordCount) return null
  const thinned = assemble(buffer, position, header, section, { bounds, count, sizeBytes, maxTimestamp })
  if (options.hasRemovedTombstones?.() === true) {
    thinned[ATTRIBUTES_POSITION + 1] = thinned[ATTRIBUTES_POSITION + 1]! | TOMBSTONES_REMOVED_BIT
  }
  stampCrc(thinned, 0)
  return thinned
}

function assemble(buffer: Buffer, position: number, header: BatchHeader, section: Buffer, kept: Kept): Buffer {
  const plain = Buffer.allocUnsafeSlow(kept.sizeBytes)
  let at = 0
  for (let index = 0; index < kept.bounds.length; index += 2) {
    at += section.copy(plain, at, kept.bounds[index], kept.bounds[index + 1])
  }
  invariant(at === kept.sizeBytes, 'every record that stays is copied once')
  const records = kept.count === 0 ? plain : compressSync(header.codec, plain)
  const thinned = Buffer.allocUnsafeSlow(RECORD_BATCH_OVERHEAD_BYTES + records.length)
  buffer.copy(thinned, 0, position, position + RECORD_BATCH_OVERHEAD_BYTES)
  records.copy(thinned, RECORD_BATCH_OVERHEAD_BYTES)
  thinned.writeInt32BE(thinned.length - LOG_OVERHEAD_BYTES, BATCH_LENGTH_POSITION)
  writeInt64(thinned, MAX_TIMESTAMP_POSITION, kept.maxTimestamp)
  thinned.writeInt32BE(kept.count, RECORD_COUNT_POSITION)
  return thinned
}
