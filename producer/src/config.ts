/** Options of a producer: defaults, ranges, and what contradicts what. */
import { checkedChoice, checkedInteger, invalidOption, type NumberRange } from '@stratalog/client'
import { Compression, type CompressionName } from '@stratalog/proto/records'
import type { ProducerRecord } from './record.ts'
import type { DeliveryFailure } from './record-ack.ts'
import { BYTES_SERDE, type Serialize } from './serde.ts'

/** How many copies must hold a batch before it counts as sent: a majority, the leader, or none (no answer at all). */
export type AcksName = 'all' | 'leader' | 'none'

/**
 * Chooses a partition for a record that names none.
 * @returns 0..partitionCount-1, or `null` for the built-in choice: by key, or sticky without one.
 */
export type Partitioner<K, V> = (record: ProducerRecord<K, V>, partitionCount: number) => number | null

/** What `createProducer` takes beside the client. Every option has a default. */
export interface ProducerOptions<K, V> {
  /** Default: bytes (`Uint8Array` or string) as they are. */
  readonly keySerde?: Serialize<K>
  /** Default: bytes (`Uint8Array` or string) as they are. */
  readonly valueSerde?: Serialize<V>
  /** Default `all`. */
  readonly acks?: AcksName
  /** No duplicates from retries, order kept. Default true, but false with `acks: 'none'`. */
  readonly idempotent?: boolean
  /** How long a batch that is not full waits for more; 0..60,000 ms, default 0 (sends of one tick still share it). */
  readonly lingerMs?: number
  /** A batch is sent when it would grow beyond this; 1 KiB..16 MiB, default 1 MiB. */
  readonly batchBytesMax?: number
  /** Largest record; one beyond `batchBytesMax` has a batch of its own. 1 KiB..48 MiB, default 8 MiB. */
  readonly recordBytesMax?: number
  /** Default `none`. */
  readonly compression?: CompressionName
  /** Of the codec; default its own. */
  readonly compressionLevel?: number
  /** Unanswered batches of one partition; 1..5 (1..100 when not idempotent), default 5. */
  readonly maxInFlight?: number
  /** Bytes of records taken and not yet answered; 64 KiB..16 GiB, default 64 MiB. `send` waits when it is reached. */
  readonly bufferMemoryBytes?: number
  /** From `send` to the acknowledgement, retries included; 1..86,400,000 ms, default 120,000. */
  readonly deliveryTimeoutMs?: number
  /** How long one attempt may take; 1..3,600,000 ms, default 30,000. */
  readonly requestTimeoutMs?: number
  readonly partitioner?: Partitioner<K, V>
  /** Told of batches that failed with records given to `enqueue`. Default: they are logged as errors. */
  readonly onError?: (failure: DeliveryFailure) => void
}

/** Options with defaults filled in and checked, without those that are functions. */
export interface ProducerConfig {
  readonly acks: AcksName
  readonly idempotent: boolean
  readonly lingerMs: number
  readonly batchBytesMax: number
  readonly recordBytesMax: number
  readonly compression: CompressionName
  readonly compressionLevel: number | undefined
  readonly maxInFlight: number
  readonly bufferMemoryBytes: number
  readonly deliveryTimeoutMs: number
  readonly requestTimeoutMs: number
}

const KIB = 1024
const MIB = 1024 * KIB
/** The broker remembers five batches per producer and partition, so that is the most that a retry can tell apart. */
const IDEMPOTENT_IN_FLIGHT_MAX = 5

const LINGER_MS: NumberRange = { default: 0, min: 0, max: 60_000 }
/**
 * Batches grow only while a partition's window is full, so a large limit costs no latency. Each is handled once by every
 * broker that holds a copy: 1 MiB instead of 512 KiB took an eighth off the brokers' CPU time with three replicas, and
 * five in flight keep three disks busy whose fsyncs take 20 ms.
 */
const BATCH_BYTES: NumberRange = { default: MIB, min: KIB, max: 16 * MIB }
const RECORD_BYTES: NumberRange = { default: 8 * MIB, min: KIB, max: 48 * MIB }
const BUFFER_MEMORY_BYTES: NumberRange = { default: 64 * MIB, min: 64 * KIB, max: 16 * KIB * MIB }
const DELIVERY_TIMEOUT_MS: NumberRange = { default: 120_000, min: 1, max: 86_400_000 }
const REQUEST_TIMEOUT_MS: NumberRange = { default: 30_000, min: 1, max: 3_600_000 }

/** Fills in defaults and checks. Errors: INVALID_CONFIG naming the option, its value and what is allowed. */
export function resolveProducerConfig<K, V>(options: ProducerOptions<K, V>): ProducerConfig {
  const acks = checkedChoice('acks', options.acks, ['all', 'leader', 'none'], 'all')
  const idempotent = options.idempotent ?? acks !== 'none'
  if (idempotent && acks === 'none') {
    throw invalidOption('idempotent', true, 'false with acks "none", as nothing is answered that could be retried')
  }
  const inFlight: NumberRange = { default: 5, min: 1, max: idempotent ? IDEMPOTENT_IN_FLIGHT_MAX : 100 }
  const codecs = Object.keys(Compression) as CompressionName[]
  return {
    acks,
    idempotent,
    lingerMs: checkedInteger('lingerMs', options.lingerMs, LINGER_MS),
    batchBytesMax: checkedInteger('batchBytesMax', options.batchBytesMax, BATCH_BYTES),
    recordBytesMax: checkedInteger('recordBytesMax', options.recordBytesMax, RECORD_BYTES),
    compression: checkedChoice('compression', options.compression, codecs, 'none'),
    compressionLevel: options.compressionLevel,
    maxInFlight: checkedInteger('maxInFlight', options.maxInFlight, inFlight),
    bufferMemoryBytes: checkedInteger('bufferMemoryBytes', options.bufferMemoryBytes, BUFFER_MEMORY_BYTES),
    deliveryTimeoutMs: checkedInteger('deliveryTimeoutMs', options.deliveryTimeoutMs, DELIVERY_TIMEOUT_MS),
    requestTimeoutMs: checkedInteger('requestTimeoutMs', options.requestTimeoutMs, REQUEST_TIMEOUT_MS),
  }
}

/** The serialisers of the options, or the ones that take bytes as they are. */
export function resolveSerializers<K, V>(
  options: ProducerOptions<K, V>,
): { readonly key: Serialize<K>; readonly value: Serialize<V> } {
  return {
    key: options.keySerde ?? (BYTES_SERDE as unknown as Serialize<K>),
    value: options.valueSerde ?? (BYTES_SERDE as unknown as Serialize<V>),
  }
}
