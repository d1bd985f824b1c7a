/** `@stratalog/producer`: sends records to a Stratalog cluster. See README.md. */
import { Client, type ClientOptions, createClient } from '@stratalog/client'
import type { ProducerOptions } from './config.ts'
import { Producer } from './producer.ts'
import type { Bytes } from './serde.ts'

export {
  type Client,
  type ClientOptions,
  createClient,
  isStratalogError,
  type Logger,
  StratalogError,
} from '@stratalog/client'
export type { AcksName, Partitioner, ProducerConfig, ProducerOptions } from './config.ts'
export { Producer, type SendOptions } from './producer.ts'
export type { ProducerStats } from './producer-stats.ts'
export type { ProducerRecord, RecordHeaders } from './record.ts'
export { type DeliveryFailure, type RecordAck, SendBatchError } from './record-ack.ts'
export {
  BYTES_SERDE,
  type Bytes,
  type Deserialize,
  jsonSerde,
  type Serde,
  type Serialize,
  STRING_SERDE,
} from './serde.ts'

/**
 * Creates a producer; connects when first used.
 *
 * @param clientOrOptions a client to share, or the options of one that the producer closes with itself.
 * Errors: INVALID_CONFIG naming the option, its value and what is allowed.
 */
export function createProducer<K = Bytes, V = Bytes>(
  clientOrOptions: Client | ClientOptions = {},
  options: ProducerOptions<K, V> = {},
): Producer<K, V> {
  const shared = clientOrOptions instanceof Client
  const client = shared ? clientOrOptions : createClient(clientOrOptions)
  return new Producer(client, options, !shared)
}
