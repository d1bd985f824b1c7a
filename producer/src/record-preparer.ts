/** Makes bytes of a user's record and measures it. One object serves all records, as what follows is synchronous. */
import { StratalogError } from '@stratalog/proto'
import { estimateRecordBytes, type RecordBytes } from '@stratalog/proto/records'
import { type Partitioner, type ProducerConfig, type ProducerOptions, resolveSerializers } from './config.ts'
import { headerList, type ProducerRecord } from './record.ts'
import type { Serialize } from './serde.ts'
import type { PreparedRecord } from './topic-intake.ts'

/** Room for the batch's own header beside a record. */
const BATCH_HEADER_BYTES = 64

/** See the head of this file. */
export class RecordPreparer<K, V> {
  readonly #keySerializer: Serialize<K>
  readonly #valueSerializer: Serialize<V>
  readonly #partitioner: Partitioner<K, V> | null
  readonly #config: ProducerConfig
  readonly #scratch: PreparedRecord = {
    key: null,
    value: null,
    headers: undefined,
    timestamp: 0,
    partition: null,
    choose: null,
    recordBytes: 0,
    takenMs: 0,
  }

  constructor(options: ProducerOptions<K, V>, config: ProducerConfig) {
    const { key, value } = resolveSerializers(options)
    this.#keySerializer = key
    this.#valueSerializer = value
    this.#partitioner = options.partitioner ?? null
    this.#config = config
  }

  /**
   * The record as bytes; valid until the next call, so who keeps it copies it.
   * Errors: SERIALIZATION_FAILED, RECORD_TOO_LARGE, INVALID_TIMESTAMP.
   */
  prepare(record: ProducerRecord<K, V>, nowMs: number): PreparedRecord {
    const scratch = this.#scratch
    const { topic, key, value, timestamp = nowMs, partition = null } = record
    try {
      scratch.key = key === null || key === undefined ? null : checked(this.#keySerializer.serialize(key, topic))
      scratch.value =
        value === null || value === undefined ? null : checked(this.#valueSerializer.serialize(value, topic))
      scratch.headers = headerList(record.headers)
      scratch.recordBytes = estimateRecordBytes(scratch.key, scratch.value, scratch.headers)
      if (!Number.isSafeInteger(scratch.recordBytes))
        throw new TypeError('header values are strings, Uint8Arrays or null')
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new StratalogError('SERIALIZATION_FAILED', `a record for topic ${topic}: ${why}`, { topic, cause })
    }
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
      throw new StratalogError('INVALID_TIMESTAMP', `timestamp ${timestamp} is not a whole number of ms since 1970`, {
        topic,
      })
    }
    scratch.timestamp = timestamp
    scratch.takenMs = nowMs
    scratch.partition = partition
    scratch.choose = partition === null && this.#partitioner !== null ? this.#chooser(this.#partitioner, record) : null
    this.#checkSize(topic, scratch.recordBytes)
    return scratch
  }

  #chooser(partitioner: Partitioner<K, V>, record: ProducerRecord<K, V>): (partitionCount: number) => number | null {
    return (partitionCount) => {
      try {
        return partitioner(record, partitionCount)
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        throw new StratalogError('INVALID_CONFIG', `the partitioner threw: ${why}`, { topic: record.topic, cause })
      }
    }
  }

  #checkSize(topic: string, recordBytes: number): void {
    const { recordBytesMax, bufferMemoryBytes } = this.#config
    const neededBytes = recordBytes + BATCH_HEADER_BYTES
    if (neededBytes <= recordBytesMax && neededBytes <= bufferMemoryBytes) return
    const [option, limit] =
      neededBytes > recordBytesMax ? ['recordBytesMax', recordBytesMax] : ['bufferMemoryBytes', bufferMemoryBytes]
    throw new StratalogError('RECORD_TOO_LARGE', `a record of ${recordBytes} bytes is over ${option} (${limit})`, {
      topic,
      hint: `Split the record, or raise ${option} of the producer and max.message.bytes of the topic.`,
      metadata: { field: option as string, limit: String(limit) },
    })
  }
}

/** What a serialiser returned, if it is what it must be: JavaScript callers have no compiler to tell them. */
function checked(bytes: RecordBytes): RecordBytes {
  if (bytes === null || typeof bytes === 'string' || bytes instanceof Uint8Array) return bytes
  throw new TypeError(`the serialiser returned ${typeof bytes}; a string, a Uint8Array or null is needed`)
}
