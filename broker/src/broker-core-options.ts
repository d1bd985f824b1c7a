/** What the core of a broker is made of. */
import type { BrokerCore } from './broker-core.ts'
import type { ProcessFacts } from './cluster/local-reports.ts'
import type { GroupConfig } from './coordinator/group/group-api.ts'
import type { CompactionEngine } from './log/compaction-rounds.ts'
import type { LostReplica, PartitionLimits, PartitionLogger } from './partition/partition-types.ts'
import type { PeerAddress, PeerIdentity, PeerNetwork } from './peer/peer-port.ts'
import type { Clock } from './replication/tick-loop.ts'
import type { FileSystem } from './storage/file-system.ts'
import type { KeyValueStore } from './storage/key-value-store.ts'

/** Sizes and rates, from the broker's configuration. */
export interface BrokerCoreLimits {
  readonly partition: PartitionLimits
  readonly flushConcurrencyMax: number
  readonly tailCacheBytes: number
  readonly openFilesMax: number
  readonly indexCacheBytes: number
  readonly catchUpBytesPerSecond: number
  readonly retentionCheckMs: number
  /** For the background check of all segments; 0 = none. */
  readonly scrubBytesPerSecond: number
  /** Between the ends of two checks of one copy. */
  readonly scrubIntervalMs: number
  /** Between two looks for something to compact. */
  readonly compactionBackoffMs: number
  /** Read and written by compaction; 0 = no limit. */
  readonly compactionBytesPerSecond: number
  /** For the map of keys of a round of compaction. */
  readonly compactionMapBytes: number
}

/** How groups are coordinated, from the broker's configuration. */
export interface GroupSettings {
  readonly config: GroupConfig
  /** Of the offsets topic, should this broker have it made. */
  readonly partitionCount: number
  /** Growth of one of its partitions after which a checkpoint is written, at least. */
  readonly checkpointBytesMin: number
}

/** What a core is made of. */
export interface BrokerCoreOptions {
  /** As of now; its cluster id is filled in once it is known. */
  readonly identity: () => PeerIdentity
  readonly rack: string
  /** Founders of the cluster and their peer addresses; this broker among them, or not. */
  readonly controllers: ReadonlyMap<number, PeerAddress>
  /** Peer addresses of brokers of a cluster to join. */
  readonly join: readonly PeerAddress[]
  /** Where clients reach this broker. */
  readonly clientAddress: PeerAddress
  /** Where brokers do. */
  readonly peerAddress: PeerAddress
  /** Bound, and not begun. */
  readonly network: PeerNetwork
  /** `<data>`, for the file of committed offsets; null to write none. */
  readonly dataDirectory: string | null
  /** `<data>/topics`. */
  readonly topicsDirectory: string
  /** `<data>/metadata`. */
  readonly metadataDirectory: string
  readonly topicDefaults: ReadonlyMap<string, string>
  readonly fileSystem: FileSystem
  readonly store: KeyValueStore
  readonly clock: Clock
  /** Draws from [0, 1). */
  readonly random: () => number
  readonly randomBytes: (count: number) => Buffer
  /** Id of the cluster, should this broker found it. */
  readonly newClusterId: () => string
  /**
   * Notes the cluster that this broker belongs to, and up to where in the metadata log it is registered; both are presented
   * to others from then on. The cluster's id is durable when it resolves. Errors: as DataDirectory.belongTo.
   */
  readonly onRegistered: (clusterId: string, metadataOffset: number) => Promise<void>
  /** The broker cannot go on: it must stop. */
  readonly onFatal: (error: unknown) => void
  /** Hears of copies that are lost, beside their being rebuilt; for tests. */
  readonly onReplicaLost?: (lost: LostReplica) => void
  readonly process: () => ProcessFacts
  readonly limits: BrokerCoreLimits
  /** Does the work of compaction on bytes. */
  readonly compactionEngine: CompactionEngine
  readonly groups: GroupSettings
  readonly logger: PartitionLogger
  /** Gives up a start that waits for the others. */
  readonly signal?: AbortSignal
  /** Told of the core before anything of it has begun: a simulation watches it from there. */
  readonly onCreated?: (core: BrokerCore) => void
}
