/** `@stratalog/proto/records`: the RecordBatch v2 codec. Bytes are described in docs/log-format.md. */
export { Compression, type CompressionName, UnsupportedCompressionError } from './codec.ts'
export {
  compress,
  compressSync,
  DECOMPRESSED_BYTES_MAX,
  decompress,
  decompressSync,
  nativeSupport,
} from './compression.ts'
export {
  type ControlRecord,
  ControlRecordType,
  decodeControlRecord,
  encodeLeaderChange,
  encodeRecordsDeleted,
  encodeVoters,
  type LeaderChange,
  type RecordsDeleted,
  type Voters,
} from './control-batch.ts'
export { CorruptMessageError } from './corrupt-message-error.ts'
export { crc32c } from './crc32c.ts'
export { type DecodeOptions, decodeBatch, decodeBatchSync } from './decode.ts'
export { type BatchHeader, peekBatchSize, readBatchHeader } from './header.ts'
export {
  baseOffsetOf,
  baseSequenceOf,
  baseTimestampOf,
  isControl,
  lacksTombstones,
  lastOffsetOf,
  leaderEpochOf,
  maxTimestampOf,
  producerEpochOf,
  producerIdOf,
  recordCountOf,
  sizeOf,
} from './header-fields.ts'
export { type BatchView, type IterateOptions, iterateBatches } from './iterate.ts'
export {
  ATTRIBUTES_POSITION,
  BATCH_BYTES_MAX,
  LOG_OVERHEAD_BYTES,
  NO_TIMESTAMP,
  RECORD_BATCH_MAGIC,
  RECORD_BATCH_OVERHEAD_BYTES,
} from './layout.ts'
export { MessageTooLargeError } from './message-too-large-error.ts'
export {
  copyRecord,
  type LogRecord,
  type RecordBytes,
  type RecordHeader,
  type RecordHeaderInput,
  type RecordInput,
  type RecordView,
} from './record.ts'
export { type BuilderOptions, type BuildOptions, RecordBatchBuilder } from './record-batch-builder.ts'
export { RecordReader } from './record-reader.ts'
export { estimateRecordBytes } from './record-size.ts'
export { type ProducerStamp, patchProducer, stampAppendTime, stampBatch } from './stamp.ts'
export { type ThinOptions, thinBatch } from './thin.ts'
export { type ValidateOptions, validateBatch, verifyBatchCrc } from './validate.ts'
