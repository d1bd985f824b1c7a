/** Record batches for tests of the log: small, stamped, their content a function of their offsets. */
import { type CompressionName, encodeLeaderChange, RecordBatchBuilder, stampBatch } from '@stratalog/proto/records'

/** What {@link dataBatch} builds. */
export interface DataBatchOptions {
  readonly baseOffset: number
  readonly epoch?: number
  readonly recordCount?: number
  readonly valueBytes?: number
  /** Of the first record; each further one is 1 ms later. */
  readonly timestamp?: number
  /** Makes batches at the same offset differ. */
  readonly salt?: number
  readonly producerId?: number
  readonly baseSequence?: number
}

/** A stamped batch without compression. */
export function dataBatch(options: DataBatchOptions): Buffer {
  const { baseOffset, epoch = 1, recordCount = 1, valueBytes = 20, timestamp = 1_000 + baseOffset, salt = 0 } = options
  const builder = new RecordBatchBuilder({ codec: 'none' })
  for (let index = 0; index < recordCount; index++) {
    const value = Buffer.alloc(valueBytes, (baseOffset + index + salt * 7) & 0xff)
    builder.append({ key: Buffer.from(`k${baseOffset + index}`), value, timestamp: timestamp + index })
  }
  const { producerId, baseSequence = 0 } = options
  const batch = builder.buildSync(producerId === undefined ? {} : { producerId, producerEpoch: 0, baseSequence })
  stampBatch(batch, 0, baseOffset, epoch)
  return batch
}

/** A stamped leader-change control batch of one offset. */
export function leaderChangeBatch(baseOffset: number, epoch: number): Buffer {
  const batch = encodeLeaderChange({ leaderId: 1, voterIds: [1], timestamp: 1_000 + baseOffset })
  stampBatch(batch, 0, baseOffset, epoch)
  return batch
}

/** A record of {@link keyedBatch}: null as a value is a tombstone. */
export interface KeyedRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp?: number
}

/** What {@link keyedBatch} builds. */
export interface KeyedBatchOptions {
  readonly baseOffset: number
  readonly epoch?: number
  readonly codec?: CompressionName
  readonly records: readonly KeyedRecord[]
  readonly producerId?: number
  readonly baseSequence?: number
}

/** A stamped batch of records with keys. */
export function keyedBatch(options: KeyedBatchOptions): Buffer {
  const { baseOffset, epoch = 1, codec = 'none', records, producerId, baseSequence = 0 } = options
  const builder = new RecordBatchBuilder({ codec })
  for (const [index, { key, value, timestamp = 1_000 + baseOffset + index }] of records.entries()) {
    builder.append({ key, value, timestamp })
  }
  const batch = builder.buildSync(producerId === undefined ? {} : { producerId, producerEpoch: 0, baseSequence })
  stampBatch(batch, 0, baseOffset, epoch)
  return batch
}
