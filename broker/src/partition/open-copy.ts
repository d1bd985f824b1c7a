/**
 * Opens a copy of a partition: its log, recovered if need be, its stored state, and the producers that its log knows.
 */
import type { StratalogError } from '@stratalog/proto'
import type { NodeId } from 'raft-ts'
import type { LogState, RecoveryReport } from '../log/log-core.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { GroupState } from '../replication/group-state.ts'
import { groupKey } from '../replication/group-state-store.ts'
import { nodeOfReplica, replicaOfNode } from '../replication/raft-ids.ts'
import { logConfigOf } from './partition-config.ts'
import type { PartitionEnvironment, PartitionLogger, PartitionSpec } from './partition-types.ts'
import { ProducerFollower } from './producer-follower.ts'
import { encodeProducerSnapshot } from './producer-snapshot.ts'

/** Whom the log tells its news. */
export interface LogOwner {
  /** It takes appends, or does not any more. */
  onLogState(state: LogState): void
  /** Something below the flushed end is missing or changed. */
  onDamage(error: unknown): void
  /** It is in the page cache up to here (exclusive). */
  onWritten(endOffset: number): void
  /** It is durable up to here (exclusive). */
  onFlushed(endOffset: number): void
}

/** A copy that failed in this process, closed to be opened anew. */
export interface FailedCopy {
  readonly generation: number
  /** Of its log, exclusive: behind it nothing is trusted. */
  readonly flushedEnd: number
}

/** Opens log and stored state, and hands them to `make`; closes the log again when that fails. */
export async function openCopy<T extends LogOwner>(
  spec: PartitionSpec,
  environment: PartitionEnvironment,
  make: (log: PartitionLog, state: GroupState, producers: ProducerFollower) => T,
  failed: FailedCopy | null,
): Promise<T> {
  const { ticks, logger, groupStates } = environment
  const key = groupKey(spec.topicId, spec.partition)
  const stored = groupStates.get(key)
  const producers = new ProducerFollower(environment.limits.producerCountMax, () => ticks.clock.nowMs())
  // The log calls back while it is being opened, too, when there is no partition yet.
  let opened: T | null = null
  const log = await PartitionLog.open({
    directory: spec.directory,
    fileSystem: environment.fileSystem,
    config: logConfigOf(spec.config),
    flusher: environment.flusher,
    openFiles: environment.openFiles,
    tails: environment.tails,
    clock: ticks.clock,
    // Where the log is about to begin anew it says nothing of what is there.
    knownFlushedEnd:
      stored === null || stored.resetTo !== null ? 0 : Math.max(stored.flushedEnd, failed?.flushedEnd ?? 0),
    dropUnflushed: failed !== null,
    listener: {
      onStateChange: (state) => opened?.onLogState(state),
      onDamage: (error) => opened?.onDamage(error),
      onRecovered: (report) => logRecovery(logger, spec, report),
      onWritten: (writtenEndOffset) => opened?.onWritten(writtenEndOffset),
      onFlushed: (flushedEndOffset) => opened?.onFlushed(flushedEndOffset),
    },
    onRecoveredCompanion: (companion) => producers.onRecoveredCompanion(companion),
    onRecoveredBatch: (header) => producers.onRecoveredBatch(header),
    snapshotCompanion: (endOffset) => encodeProducerSnapshot(producers.state, endOffset),
  })
  try {
    const state = await GroupState.open({
      store: groupStates,
      key,
      log,
      generation: spec.generation,
      nodeId: nodeIdOf(spec, environment),
      initialVoters: spec.initialVoters?.map(nodeOfReplica) ?? null,
      mustStore: failed !== null,
    })
    opened = make(log, state, producers)
  } catch (error) {
    await log.close()
    throw error
  }
  return opened
}

/** The node that this broker's copy is in its group. */
export function nodeIdOf({ generation }: PartitionSpec, { brokerId }: PartitionEnvironment): NodeId {
  return nodeOfReplica({ brokerId, generation })
}

/** Tells the cluster that a copy cannot vouch for its log any more. */
export function reportLost(
  spec: PartitionSpec,
  environment: PartitionEnvironment,
  node: NodeId,
  error: StratalogError,
): void {
  const { topic, topicId, partition } = spec
  environment.onReplicaLost({ topic, topicId, partition, ...replicaOfNode(node), error })
}

function logRecovery(logger: PartitionLogger, spec: PartitionSpec, report: RecoveryReport): void {
  if (report.truncatedBytes === 0) return
  const { topic, partition } = spec
  logger.warn({ topic, partition, ...report }, 'a torn tail was cut off the log')
}
