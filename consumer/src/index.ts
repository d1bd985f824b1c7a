/** `@stratalog/consumer`: reading a Stratalog log. */
export { type ClientOptions, createClient, isStratalogError, StratalogError } from '@stratalog/client'
export type { TopicPartition } from '@stratalog/proto'
export type { RecordHeader } from '@stratalog/proto/records'
export { type AssignCallOptions, type Consumer, createConsumer } from './consumer.ts'
export type { ConsumerBatch } from './consumer-batch.ts'
export type { ConsumerRecord } from './consumer-record.ts'
export type { BatchIterator, PartitionStream, RecordIterator } from './iterators.ts'
export type { ConsumerOptions, DeserializationPolicy, OutOfRangePolicy } from './options.ts'
export type {
  AssignOptions,
  EndPosition,
  Instant,
  OffsetsByPartition,
  PartitionAssignment,
  Position,
  StartPosition,
} from './positions.ts'
export type { IterationOptions } from './pull-iterator.ts'
export {
  bufferDeserializer,
  type Deserializer,
  jsonDeserializer,
  stringDeserializer,
} from './serde.ts'
export type { AssignedPartition, Subscription } from './subscription.ts'
export type {
  ConnectedEvent,
  DisconnectedEvent,
  ResetEvent,
  StalledEvent,
  SubscriptionEvents,
} from './subscription-events.ts'
