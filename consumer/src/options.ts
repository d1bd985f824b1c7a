/** Options of a consumer: defaults, ranges, and what each means. */
import { checkedChoice, checkedInteger, invalidOption, type NumberRange } from '@stratalog/client'
import type { Deserializer } from './serde.ts'

/** What to do when the next offset does not exist (any more): see `ConsumerOptions.onOutOfRange`. */
export type OutOfRangePolicy = 'fail' | 'earliest' | 'latest'

/** What to do with a record whose key or value cannot be deserialised: see `ConsumerOptions`. */
export type DeserializationPolicy = 'fail' | 'skip' | 'raw'

/** What `createConsumer` takes beside the client. Every option has a default. */
export interface ConsumerOptions<K = Buffer, V = Buffer> {
  /**
   * Bytes of batches that the whole consumer may hold or have on the way, 1 byte..4 GiB, default 64 MiB. Each partition
   * gets an equal share; beyond it at most the one batch that did not fit. Batches in the application's hands and
   * what they expand to are not counted.
   */
  readonly prefetchBytesMax?: number | undefined
  /**
   * Most of it that one partition may have, 1 byte..1 GiB, default 8 MiB; not above the broker's
   * `limits.fetch.credit.bytes.max` (16 MiB unless configured), which refuses more.
   */
  readonly partitionCreditBytes?: number | undefined
  /**
   * When the offset asked for is below the log start or beyond the end, or the topic was created anew: `fail` (the
   * default) makes the iteration throw OFFSET_OUT_OF_RANGE or UNKNOWN_TOPIC_ID, `earliest` and `latest` go on there and
   * tell it with a `reset` event.
   */
  readonly onOutOfRange?: OutOfRangePolicy | undefined
  /** Turns a record's key into `K`; default: the bytes. */
  readonly keySerde?: Deserializer<K> | undefined
  /** Turns a record's value into `V`; default: the bytes. */
  readonly valueSerde?: Deserializer<V> | undefined
  /**
   * When a deserialiser throws: `fail` (the default) makes reading `key` or `value` throw SERIALIZATION_FAILED, `skip`
   * leaves the record out and tells it with a `skipped` event (this deserialises before the record is handed out),
   * `raw` puts the Buffer in the value's place and the error into `deserializationError`.
   */
  readonly onDeserializationError?: DeserializationPolicy | undefined
  /** Silence, in ms, after which a broker counts as stalled: `stalled` event, new connection. 100..3,600,000, default 30,000. */
  readonly stallTimeoutMs?: number | undefined
  /** Whether each batch's CRC-32C is checked. Default true; it costs a fraction of a second of a core per GB. */
  readonly verifyCrc?: boolean | undefined
}

/** Options with defaults filled in and checked. */
export interface ResolvedConsumerOptions<K, V> {
  readonly prefetchBytesMax: number
  readonly partitionCreditBytes: number
  readonly onOutOfRange: OutOfRangePolicy
  readonly keyDeserializer: Deserializer<K> | null
  readonly valueDeserializer: Deserializer<V> | null
  readonly onDeserializationError: DeserializationPolicy
  readonly stallTimeoutMs: number
  readonly verifyCrc: boolean
}

const MIB = 1024 * 1024
const PREFETCH_BYTES: NumberRange = { default: 64 * MIB, min: 1, max: 4096 * MIB }
const PARTITION_CREDIT_BYTES: NumberRange = { default: 8 * MIB, min: 1, max: 1024 * MIB }
const STALL_TIMEOUT_MS: NumberRange = { default: 30_000, min: 100, max: 3_600_000 }

/** Fills in defaults and checks. Errors: INVALID_CONFIG naming the option, its value and what is allowed. */
export function resolveConsumerOptions<K, V>(options: ConsumerOptions<K, V>): ResolvedConsumerOptions<K, V> {
  const policies = ['fail', 'earliest', 'latest'] as const
  const deserializationPolicies = ['fail', 'skip', 'raw'] as const
  const { verifyCrc } = options
  if (verifyCrc !== undefined && typeof verifyCrc !== 'boolean') {
    throw invalidOption('verifyCrc', verifyCrc, 'true or false')
  }
  return {
    prefetchBytesMax: checkedInteger('prefetchBytesMax', options.prefetchBytesMax, PREFETCH_BYTES),
    partitionCreditBytes: checkedInteger('partitionCreditBytes', options.partitionCreditBytes, PARTITION_CREDIT_BYTES),
    onOutOfRange: checkedChoice('onOutOfRange', options.onOutOfRange, policies, 'fail'),
    keyDeserializer: checkedDeserializer('keySerde', options.keySerde),
    valueDeserializer: checkedDeserializer('valueSerde', options.valueSerde),
    onDeserializationError: checkedChoice(
      'onDeserializationError',
      options.onDeserializationError,
      deserializationPolicies,
      'fail',
    ),
    stallTimeoutMs: checkedInteger('stallTimeoutMs', options.stallTimeoutMs, STALL_TIMEOUT_MS),
    verifyCrc: verifyCrc ?? true,
  }
}

function checkedDeserializer<T>(name: string, value: Deserializer<T> | undefined): Deserializer<T> | null {
  if (value === undefined) return null
  if (typeof value?.deserialize !== 'function') throw invalidOption(name, value, 'an object with deserialize(bytes)')
  return value
}
