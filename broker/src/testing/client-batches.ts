/** Record batches as producers send them, for tests: unstamped, with or without a producer. */
import { type CompressionName, RecordBatchBuilder } from '@stratalog/proto/records'

/** What {@link clientBatch} builds. */
export interface ClientBatchOptions {
  readonly recordCount?: number
  /** Bytes of each value. */
  readonly valueBytes?: number
  /** Of the first record; each further one is 1 ms later. */
  readonly timestamp?: number
  /** Idempotent producer; its epoch is 0 unless given. */
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

/** A batch without compression whose values are `<label>-<i>`, padded to `valueBytes`. */
export function clientBatch(label: string, options: ClientBatchOptions = {}): Buffer {
  const {
    recordCount = 1,
    valueBytes = 0,
    timestamp = 1_000,
    producerId,
    producerEpoch = 0,
    baseSequence = 0,
  } = options
  const builder = new RecordBatchBuilder({})
  for (let i = 0; i < recordCount; i++) {
    builder.append({ key: null, value: Buffer.from(`${label}-${i}`.padEnd(valueBytes)), timestamp: timestamp + i })
  }
  return builder.buildSync(producerId === undefined ? {} : { producerId, producerEpoch, baseSequence })
}

/** A batch of records with keys, as a producer sends it; a null value is a tombstone. */
export function keyedClientBatch(
  records: readonly (readonly [key: string | null, value: string | null])[],
  codec: CompressionName = 'none',
): Buffer {
  const builder = new RecordBatchBuilder({ codec })
  for (const [key, value] of records) builder.append({ key, value, timestamp: 1_000 })
  return builder.buildSync()
}
