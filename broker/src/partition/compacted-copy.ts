/**
 * Compaction of one copy of a partition: what there is to do, a round of it, and whether this copy may have missed something
 * that others have compacted away.
 *
 * ```
 *  offsets   100: k=v     200: k=null      300 ...
 *  leader    (replaced)   (tombstone over)  300 ...     both are gone from its log
 *  learner   100: k=v ────► reads on here              it would keep v for ever
 * ```
 * Copies compact by themselves, whenever they like: the last record of a key is in all of them. Tombstones are what this could
 * go wrong with. They go only below what every member of the group holds, so a member never has to be sent what is without
 * one. A copy that joins later is fed from the log's start by one leader, from whose log the older records went before the
 * tombstone did. If it is fed on by another, it is told by the mark that a batch without its tombstones bears; it then gives
 * itself up and is rebuilt, as it cannot tell what it should not have.
 * Owner: the partition.
 */
import type { Offset } from '@stratalog/proto'
import { lacksTombstones } from '@stratalog/proto/records'
import type { Entry } from 'raft-ts'
import type { CompactionReport, CompactionRound } from '../log/compaction.ts'
import { type CompactionPlan, isWorthwhile } from '../log/compaction-plan.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { RaftGroup } from '../replication/raft-group.ts'
import { isCompacted, type PartitionConfig } from './partition-config.ts'

/** What it is made of. */
export interface CompactedCopyOptions {
  readonly log: PartitionLog
  readonly group: Pick<RaftGroup, 'nodeId' | 'leaderEpoch' | 'members' | 'replicaStates' | 'isServing'>
  readonly config: PartitionConfig
  /** What is committed and durable here (exclusive). */
  readonly committedEnd: () => Offset
  /** This copy lacks the ends of some keys, and cannot tell which. */
  readonly onStale: (detail: string) => void
}

/** What there is to do, and whether it should be done. */
export interface CompactionNeed {
  readonly plan: CompactionPlan
  readonly isWorthwhile: boolean
  readonly deleteRetentionMs: number
}

/** See the file's header. */
export class CompactedCopy {
  readonly #options: CompactedCopyOptions
  #config: PartitionConfig
  /** Where the log begins, if it began in this run of the broker with nothing in it. */
  #beganAt: number | null
  /** Term of the leader that sent the first batch; null if that was in another run. */
  #feedingTerm: number | null = null

  constructor(options: CompactedCopyOptions) {
    const { log, config } = options
    this.#options = options
    this.#config = config
    this.#beganAt = log.logEndOffset === log.logStartOffset ? log.logStartOffset : null
  }

  /** The topic's configuration changed. */
  updateConfig(config: PartitionConfig): void {
    this.#config = config
  }

  /** What there is to do; null for a topic that is not compacted. Cheap. */
  need(): CompactionNeed | null {
    const config = this.#config
    if (!isCompacted(config)) return null
    const { log, committedEnd } = this.#options
    const plan = log.compactionPlan(config, committedEnd())
    return { plan, isWorthwhile: isWorthwhile(plan, config), deleteRetentionMs: config.deleteRetentionMs }
  }

  /** Does a round. Errors: as PartitionLog.compact. */
  compact(round: Omit<CompactionRound, 'config' | 'committedEnd'>): Promise<CompactionReport> {
    const { log, committedEnd } = this.#options
    return log.compact({ ...round, config: this.#config, committedEnd: committedEnd() })
  }

  /** Makes a round under way end soon. */
  abort(): void {
    this.#options.log.abortCompaction()
  }

  /** What every member of the group holds, durably (exclusive), as its leader knows it; 0 elsewhere. */
  get heldByAllEnd(): number {
    const { group, log } = this.#options
    if (!group.isServing) return 0
    return Math.min(log.flushedEndOffset, ...group.replicaStates().map(({ matchOffset }) => matchOffset))
  }

  /** An entry goes into the log. */
  onAppended({ base, data }: Entry<Buffer>): void {
    const { group } = this.#options
    if (base === this.#beganAt) this.#feedingTerm = group.leaderEpoch
    if (data === null || !lacksTombstones(data, 0) || this.#feedingTerm === group.leaderEpoch) return
    const { voters, votersOutgoing } = group.members
    if (voters.includes(group.nodeId) || votersOutgoing.includes(group.nodeId)) return
    this.#options.onStale(
      `tombstones at ${base} were compacted away elsewhere before all that they end was replaced here`,
    )
  }

  /** The log begins anew. */
  onReset(startOffset: number): void {
    this.#beganAt = startOffset
    this.#feedingTerm = null
  }
}
