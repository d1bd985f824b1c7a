/** `@stratalog/consumer`: reading a Stratalog log. */
export { type ClientOptions, createClient, isStratalogError, StratalogError } from '@stratalog/client'
export type { TopicPartition } from '@stratalog/proto'
export type { RecordHeader } from '@stratalog/proto/records'
export { type AssignCallOptions, type Consumer, createConsumer } from './consumer.ts'
export type { ConsumerBatch } from './consumer-batch.ts'
export type { ConsumerRecord } from './consumer-record.ts'
export type { Committable } from './group/committable.ts'
export type {
  CommitFailedEvent,
  GroupSubscriptionEvents,
  HandlerStalledEvent,
  LostEvent,
  PoisonedEvent,
} from './group/group-events.ts'
export type { GroupSubscription } from './group/group-subscription.ts'
export { DEAD_LETTER_HEADERS } from './group/run/dead-letter.ts'
export type {
  DeadLetterSend,
  ErrorPolicy,
  FinalPolicy,
  HandlerContext,
  RecordHandler,
  RetryPolicy,
  RunOptions,
} from './group/run/run-options.ts'
export type { GroupStart, PositionControl, SubscribeOptions } from './group/subscribe-options.ts'
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
export type { AssignedPartition } from './reading.ts'
export { type ClusterSourceOptions, clusterSource } from './replay/cluster/cluster-source.ts'
export { type ReplayCheckpoint, readCheckpoint } from './replay/engine/journal.ts'
export type { ReplayProgress } from './replay/engine/progress.ts'
export {
  type Comparison,
  type HeaderCondition,
  parseWhere,
  type RecordFilter,
  type WhereCondition,
} from './replay/engine/record-filter.ts'
export { replay } from './replay/engine/replay.ts'
export type { ReplayOptions } from './replay/engine/replay-options.ts'
export type { SplitHandler } from './replay/engine/split-output.ts'
export type { SplitModule } from './replay/engine/split-worker.ts'
export type { FileSummary, PartitionSummary, ReplaySummary } from './replay/engine/summary.ts'
export type { SplitCounts } from './replay/engine/thread-messages.ts'
export { type FolderSourceOptions, folderSource } from './replay/folder/folder-source.ts'
export type { GapCause, ReplayGap } from './replay/gap.ts'
export {
  offsetText,
  REPLAY_MANIFEST_FORMAT,
  REPLAY_MANIFEST_VERSION,
  type ReplayEpoch,
  type ReplayHost,
  type ReplayManifest,
  type ReplayPartition,
  type ReplaySplit,
  type ReplayTopic,
  splitId,
} from './replay/manifest.ts'
export { compareManifests, type ManifestDifference } from './replay/manifest-compare.ts'
export { parseManifest, parseSplit } from './replay/manifest-json.ts'
export { openReplaySource } from './replay/open-source.ts'
export { planReplay } from './replay/plan.ts'
export { durationMs } from './replay/plan-bounds.ts'
export type { PlanReplayOptions, ReplayBound } from './replay/plan-options.ts'
export type { ReadSplitOptions, ReadStats, ReplayFilter } from './replay/read-options.ts'
export { readSplit, type SplitReader } from './replay/read-split.ts'
export type { ReplayBatch } from './replay/replay-batch.ts'
export {
  type Column,
  type ColumnsMode,
  type ColumnType,
  type OutputSchema,
  parseFields,
} from './replay/sinks/columns.ts'
export type { FileCompression, FileForm, FileFormat } from './replay/sinks/file-format.ts'
export type {
  FileSink,
  FormOptions,
  ModuleSink,
  RecordSink,
  RecordSinkContext,
  ReplaySink,
  TextSink,
} from './replay/sinks/sink.ts'
export type { WrittenFile } from './replay/sinks/split-file.ts'
export { type CopiedRecord, type CopyProducer, type TopicCopyOptions, topicCopy } from './replay/sinks/topic-copy.ts'
export type {
  RangeOfPartition,
  ReplaySource,
  ReplaySourceSpec,
  SourceBounds,
  SourceCallOptions,
  SourceChunk,
  SourceRange,
  SourceReadOptions,
  SourceTopic,
  SplitPoint,
} from './replay/source.ts'
export {
  bufferDeserializer,
  type Deserializer,
  jsonDeserializer,
  stringDeserializer,
} from './serde.ts'
export type { Subscription } from './subscription.ts'
export type {
  ConnectedEvent,
  DisconnectedEvent,
  ResetEvent,
  StalledEvent,
  SubscriptionEvents,
} from './subscription-events.ts'
