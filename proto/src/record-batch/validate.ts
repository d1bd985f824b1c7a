/**
 * The checks at the door: what a broker asks of a batch before it appends it, and a reader before it trusts it.
 *
 * O(1) but for the CRC; `deep` also walks the records. After `validateBatch` the readers of header-fields.ts may be
 * used on the batch without further checks.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'
import { crc32c } from './crc32c.ts'
import { type DecodeOptions, decodeBatchSync } from './decode.ts'
import { type BatchHeader, readBatchHeader } from './header.ts'
import {
  ATTRIBUTES_POSITION,
  CRC_POSITION,
  LAST_OFFSET_DELTA_POSITION,
  PRODUCER_ID_POSITION,
  RECORD_BATCH_OVERHEAD_BYTES,
  RECORD_COUNT_POSITION,
} from './layout.ts'
import { MessageTooLargeError } from './message-too-large-error.ts'

/** Options of {@link validateBatch}. */
export interface ValidateOptions extends DecodeOptions {
  /** The largest batch allowed, header included (inclusive). A larger, whole batch is MESSAGE_TOO_LARGE. */
  readonly maxBatchBytes: number
  /**
   * Who the batch comes from. `client` (default): as many records as offsets, no control batch, no append-time
   * timestamps. `log`: as appended before, so it may be a control batch, stamped, or thinned by compaction.
   */
  readonly source?: 'client' | 'log'
  /** Also walk every record, decompressing if need be. Default false. */
  readonly deep?: boolean
}

/**
 * Checks that `buffer` is exactly one whole, well-formed batch.
 *
 * Errors: MESSAGE_TOO_LARGE; CORRUPT_MESSAGE with the reason; UNSUPPORTED_COMPRESSION_TYPE.
 */
export function validateBatch(buffer: Buffer, options: ValidateOptions): BatchHeader {
  const header = readBatchHeader(buffer, 0)
  if (header.sizeBytes !== buffer.length) {
    throw new CorruptMessageError(`batch says ${header.sizeBytes} bytes, ${buffer.length} are there`, 0)
  }
  if (header.sizeBytes > options.maxBatchBytes) {
    throw new MessageTooLargeError(header.sizeBytes, options.maxBatchBytes)
  }
  if (!verifyBatchCrc(buffer, 0, header.sizeBytes)) throw new CorruptMessageError('CRC does not match', CRC_POSITION)
  checkCounts(header)
  checkProducer(header)
  if (options.source !== 'log') checkClientBatch(header)
  if (options.deep) decodeBatchSync(buffer, 0, options).verify()
  return header
}

/** Whether the stored CRC is that of the bytes; `sizeBytes` is the whole batch, all of it in the buffer. */
export function verifyBatchCrc(buffer: Buffer, position: number, sizeBytes: number): boolean {
  return (
    buffer.readUInt32BE(position + CRC_POSITION) ===
    crc32c(buffer, position + ATTRIBUTES_POSITION, position + sizeBytes)
  )
}

function checkCounts(header: BatchHeader): void {
  const { recordCount, lastOffsetDelta, sizeBytes } = header
  if (recordCount > lastOffsetDelta + 1) {
    throw new CorruptMessageError(`${recordCount} records in ${lastOffsetDelta + 1} offsets`, RECORD_COUNT_POSITION)
  }
  const recordsBytes = sizeBytes - RECORD_BATCH_OVERHEAD_BYTES
  const tooMany = header.codec === 'none' ? recordCount > recordsBytes / 7 : recordCount > 0 && recordsBytes === 0
  if (tooMany) throw new CorruptMessageError(`${recordCount} records in ${recordsBytes} bytes`, RECORD_COUNT_POSITION)
}

function checkProducer(header: BatchHeader): void {
  const { producerId, producerEpoch, baseSequence, transactional, control } = header
  if (producerId === null) {
    if (transactional) throw new CorruptMessageError('transactional without a producer id', ATTRIBUTES_POSITION)
    return
  }
  // Transaction markers carry a producer id and epoch, and no sequence.
  if (producerEpoch! < 0 || (baseSequence! < 0 && !control)) {
    throw new CorruptMessageError(
      `producer ${producerId} has epoch ${producerEpoch} and sequence ${baseSequence}`,
      PRODUCER_ID_POSITION,
    )
  }
}

function checkClientBatch(header: BatchHeader): void {
  const { recordCount, lastOffsetDelta } = header
  if (header.control) throw new CorruptMessageError('control batch from a client', ATTRIBUTES_POSITION)
  if (header.timestampType === 'append') {
    throw new CorruptMessageError('append-time timestamps from a client', ATTRIBUTES_POSITION)
  }
  if (recordCount === 0) throw new CorruptMessageError('no records', RECORD_COUNT_POSITION)
  if (recordCount !== lastOffsetDelta + 1) {
    throw new CorruptMessageError(
      `${recordCount} records but ${lastOffsetDelta + 1} offsets`,
      LAST_OFFSET_DELTA_POSITION,
    )
  }
}
