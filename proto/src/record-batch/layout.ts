/**
 * Where every header field of a RecordBatch v2 lies: the one table of byte offsets.
 *
 * ```
 *  0 baseOffset int64            21 attributes int16           43 producerId int64
 *  8 batchLength int32           23 lastOffsetDelta int32      51 producerEpoch int16
 * 12 partitionLeaderEpoch int32  27 baseTimestamp int64        53 baseSequence int32
 * 16 magic int8 = 2              35 maxTimestamp int64         57 recordCount int32
 * 17 crc uint32                                                61 records
 * ```
 * All integers are big endian. batchLength counts from byte 12 to the end; crc is CRC-32C of byte 21 to the end, so
 * baseOffset and partitionLeaderEpoch can be stamped without touching it.
 * Source: Kafka DefaultRecordBatch; docs/log-format.md "RecordBatch v2".
 */

/** Bytes of a batch in front of its records. */
export const RECORD_BATCH_OVERHEAD_BYTES = 61
/** baseOffset and batchLength: the bytes that batchLength itself does not count. */
export const LOG_OVERHEAD_BYTES = 12
/** The only record format version that Stratalog reads or writes. */
export const RECORD_BATCH_MAGIC = 2
/** Largest batch that any configuration may allow; a larger size on the wire or disk is damage. */
export const BATCH_BYTES_MAX: number = 256 * 1024 * 1024
/** The wire's "no timestamp"; it stays a number inside, as batches of other clients carry it. */
export const NO_TIMESTAMP = -1
/** partitionLeaderEpoch of a batch that no leader has stamped yet. */
export const NO_LEADER_EPOCH = -1

/** Position of baseOffset int64. */
export const BASE_OFFSET_POSITION = 0
/** Position of batchLength int32. */
export const BATCH_LENGTH_POSITION = 8
/** Position of partitionLeaderEpoch int32. */
export const LEADER_EPOCH_POSITION = 12
/** Position of magic int8. */
export const MAGIC_POSITION = 16
/** Position of crc uint32. */
export const CRC_POSITION = 17
/** Position of attributes int16; the CRC covers from here to the end. */
export const ATTRIBUTES_POSITION = 21
/** Position of lastOffsetDelta int32. */
export const LAST_OFFSET_DELTA_POSITION = 23
/** Position of baseTimestamp int64. */
export const BASE_TIMESTAMP_POSITION = 27
/** Position of maxTimestamp int64. */
export const MAX_TIMESTAMP_POSITION = 35
/** Position of producerId int64. */
export const PRODUCER_ID_POSITION = 43
/** Position of producerEpoch int16. */
export const PRODUCER_EPOCH_POSITION = 51
/** Position of baseSequence int32. */
export const BASE_SEQUENCE_POSITION = 53
/** Position of recordCount int32. */
export const RECORD_COUNT_POSITION = 57

/** attributes bits 0-2: compression codec. */
export const CODEC_MASK = 0x07
/** attributes bit 3: timestamps are the leader's append time. */
export const APPEND_TIME_BIT = 0x08
/** attributes bit 4: part of a transaction. */
export const TRANSACTIONAL_BIT = 0x10
/** attributes bit 5: a control batch, never shown to readers. */
export const CONTROL_BIT = 0x20
/** attributes bit 7, ours: compaction has removed tombstones of this batch that nothing later had replaced. */
export const TOMBSTONES_REMOVED_BIT = 0x80
