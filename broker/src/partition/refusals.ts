/**
 * Why a copy of a partition does not serve clients, as they are told: where others hold it too, to go and look for its
 * leader.
 *
 * Owner: the partition; everything is asked of log and group at the moment of the call.
 */
import { type BrokerId, StratalogError } from '@stratalog/proto'
import type { PartitionLog } from '../log/partition-log.ts'
import type { RaftGroup } from '../replication/raft-group.ts'
import { type PartitionName, publicError } from './partition-errors.ts'

/** See the file's header. */
export class Refusals {
  readonly #name: PartitionName
  readonly #brokerId: BrokerId
  readonly #log: PartitionLog
  readonly #group: RaftGroup

  constructor({ topic, partition }: PartitionName, brokerId: BrokerId, log: PartitionLog, group: RaftGroup) {
    this.#name = { topic, partition }
    this.#brokerId = brokerId
    this.#log = log
    this.#group = group
  }

  /** Why clients are not served now; null when they are. @param end why this copy serves no more for good, or null. */
  current(end: StratalogError | null): StratalogError | null {
    return this.ofEnd(end) ?? (this.#group.isServing ? null : this.notServing())
  }

  /** What clients are told at the end: where others hold the partition too, to go and look for its next leader. */
  ofEnd(end: StratalogError | null): StratalogError | null {
    if (end === null || this.#group.isAlone) return end
    return end.code === 'PARTITION_DAMAGED' || end.code === 'STORAGE_ERROR' ? this.notLeader(end) : end
  }

  /** Of a copy that does not lead, or not yet. */
  notServing(): StratalogError {
    if (this.#log.state.kind === 'disk-full') return publicError(this.#log.state.error, this.#name)
    const { leaderId } = this.#group
    const elsewhere = leaderId !== null && leaderId !== this.#brokerId
    if (elsewhere) return this.notLeader()
    return new StratalogError('LEADER_NOT_AVAILABLE', undefined, this.#leaderHint())
  }

  /** NOT_LEADER_OR_FOLLOWER, with the leader if it is known. */
  notLeader(cause?: StratalogError): StratalogError {
    return new StratalogError('NOT_LEADER_OR_FOLLOWER', cause?.message, { ...this.#leaderHint(), cause })
  }

  #leaderHint() {
    const { leaderId, leaderEpoch } = this.#group
    const known = leaderId === this.#brokerId ? null : leaderId
    return { ...this.#name, leader: { leaderId: known, leaderEpoch, host: null, port: null } }
  }
}
