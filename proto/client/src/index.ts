/** Connections, metadata, calls and streams to a Stratalog cluster: what producer, consumer and tools stand on. */
export { isStratalogError, StratalogError } from '@stratalog/proto'
export { abortError, delay, onAbort, throwIfAborted, withAbort } from './abort.ts'
export { type BrokerAddress, DEFAULT_PORT, formatAddress, parseAddress, parseAddresses } from './address.ts'
export { AdminClient } from './admin-client.ts'
export type {
  BrokerDescription,
  CallOptions,
  ClusterDescription,
  ConfigEntry,
  DecommissionOptions,
  DrainOptions,
  Durability,
  LeaderDescription,
  NewTopic,
  OffsetAnswer,
  OffsetPosition,
  OffsetQuery,
  PartitionCounts,
  PartitionDescription,
  PartitionMove,
  PartitionPlacement,
  PartitionProblem,
  PartitionSelection,
  PartitionSplit,
  PlainAck,
  PlainProduce,
  PlainRecord,
  QuorumDescription,
  RecordDeletion,
  RecordDeletionResult,
  ReplicaDescription,
  SplitAnswer,
  SplitQuery,
  TopicConfigChange,
} from './admin-types.ts'
export { type BackoffOptions, backoffDelayMs, leaderBackoffDelayMs, RETRY_BACKOFF } from './backoff.ts'
export { BrokerStream, type StreamHandlers, WRITE_BUFFER_BYTES_MAX, type WriteListeners } from './broker-stream.ts'
export { Client, type ClientCallOptions, createClient } from './client.ts'
export type { Purpose } from './connection.ts'
export { durabilityName } from './durability.ts'
export { freeFrame } from './frame-memory.ts'
export { GroupCaller, type GroupCallOptions } from './group-call.ts'
export type {
  CommittedOffset,
  GroupDescription,
  GroupList,
  GroupListing,
  GroupMemberDescription,
  GroupMemberIdentity,
  GroupMemberSubscription,
  GroupPartitionDescription,
  GroupState,
  OffsetReset,
  OffsetResetResult,
  OffsetToCommit,
  ResetTarget,
  TopicPartitionsSelection,
} from './group-types.ts'
export { type Logger, type LogMethod, SILENT_LOGGER } from './logger.ts'
export { type LeaderNews, MetadataCache } from './metadata-cache.ts'
export { checkedChoice, checkedInteger, invalidOption, type NumberRange } from './option-check.ts'
export type { ClientOptions, ResolvedClientOptions } from './options.ts'
export type { PartitionMetadata, TopicMetadata } from './topic-metadata.ts'
