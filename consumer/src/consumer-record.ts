/**
 * A record as the application gets it. Key, value and headers are decoded when they are asked for, once.
 *
 * It is a view: keeping one keeps the bytes of its whole batch alive.
 */
import { InvariantError, isStratalogError, StratalogError } from '@stratalog/proto'
import {
  CorruptMessageError,
  type LogRecord,
  type RecordHeader,
  UnsupportedCompressionError,
} from '@stratalog/proto/records'
import type { Deserializer } from './serde.ts'

/** What all records of a batch share. */
export interface RecordContext<K, V> {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: number
  /** null = the bytes themselves. */
  readonly keyDeserializer: Deserializer<K> | null
  readonly valueDeserializer: Deserializer<V> | null
  /** What a throwing deserialiser means: an error for who asks, a record left out, or the bytes in its place. */
  readonly onDeserializationError: 'fail' | 'skip' | 'raw'
}

const UNREAD = Symbol('unread')

/** One record of a topic. */
export class ConsumerRecord<K = Buffer, V = Buffer> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** ms since 1970, of the producer or (message.timestamp.type=LogAppendTime) of the leader; -1 = none. */
  readonly timestamp: number
  /** Term of the leader that wrote it. */
  readonly leaderEpoch: number
  readonly #view: LogRecord
  readonly #context: RecordContext<K, V>
  #key: K | null | typeof UNREAD = UNREAD
  #value: V | null | typeof UNREAD = UNREAD
  #error: StratalogError | null = null

  constructor(context: RecordContext<K, V>, view: LogRecord) {
    this.topic = context.topic
    this.partition = context.partition
    this.offset = view.offset
    this.timestamp = view.timestamp
    this.leaderEpoch = context.leaderEpoch
    this.#view = view
    this.#context = context
  }

  /** Errors: SERIALIZATION_FAILED unless `onDeserializationError` is `raw`. */
  get key(): K | null {
    if (this.#key === UNREAD) this.#key = this.#read('key', this.#view.key, this.#context.keyDeserializer)
    return this.#key
  }

  /** null = a tombstone in a compacted topic. Errors: as of `key`. */
  get value(): V | null {
    if (this.#value === UNREAD) this.#value = this.#read('value', this.#view.value, this.#context.valueDeserializer)
    return this.#value
  }

  /** In the producer's order; keys may repeat. Errors: CORRUPT_MESSAGE. */
  get headers(): readonly RecordHeader[] {
    try {
      return this.#view.headers
    } catch (error) {
      throw corruptRecord(this.#context, this.offset, error)
    }
  }

  /** The key's bytes, whatever the deserialiser. */
  get rawKey(): Buffer | null {
    return this.#view.key
  }

  /** The value's bytes, whatever the deserialiser. */
  get rawValue(): Buffer | null {
    return this.#view.value
  }

  /** With `onDeserializationError: 'raw'`: why `key` or `value` (once read) is the raw Buffer; otherwise null. */
  get deserializationError(): StratalogError | null {
    return this.#error
  }

  #read<T>(field: 'key' | 'value', bytes: Buffer | null, deserializer: Deserializer<T> | null): T | null {
    if (bytes === null) return null
    // Without a deserialiser T is Buffer: options.ts gives the types.
    if (deserializer === null) return bytes as T
    const { topic, partition } = this
    try {
      return deserializer.deserialize(bytes, topic)
    } catch (cause) {
      const error = new StratalogError(
        'SERIALIZATION_FAILED',
        `the ${field} of ${topic}-${partition} at offset ${this.offset} cannot be deserialised: ${messageOf(cause)}`,
        { cause, topic, partition, metadata: { offset: String(this.offset), field } },
      )
      if (this.#context.onDeserializationError !== 'raw') throw error
      this.#error = error
      // Documented at the option: the bytes stand in for the value.
      return bytes as T
    }
  }
}

/**
 * CORRUPT_MESSAGE or UNSUPPORTED_COMPRESSION_TYPE as the application gets it: says where. `cause` is what the codec
 * threw; what is one of ours already stays as it is, and a broken invariant is thrown on.
 */
export function corruptRecord(
  place: { readonly topic: string; readonly partition: number },
  offset: number,
  cause: unknown,
  nextOffset?: number,
): StratalogError {
  const isCodecs = cause instanceof CorruptMessageError || cause instanceof UnsupportedCompressionError
  if (isStratalogError(cause) && !isCodecs) return cause
  if (cause instanceof InvariantError) throw cause
  const { topic, partition } = place
  return new StratalogError(
    isCodecs ? cause.code : 'CORRUPT_MESSAGE',
    `damaged bytes in ${topic}-${partition} at offset ${offset}: ${messageOf(cause)}`,
    {
      cause,
      topic,
      partition,
      metadata: { offset: String(offset), ...(nextOffset === undefined ? {} : { nextOffset: String(nextOffset) }) },
      hint:
        nextOffset === undefined
          ? 'Run `stratalog segment verify` on the broker that leads the partition.'
          : `Run \`stratalog segment verify\` on the broker that leads the partition; seek to ${nextOffset} to go on behind it.`,
    },
  )
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
