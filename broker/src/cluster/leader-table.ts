/**
 * Who leads which partition, as told by the leaders themselves.
 *
 * Every broker keeps one, so that any of them can name a leader. A later leader epoch replaces an earlier one, whatever
 * the order in which the news comes. Pure. Invariant: the epoch of a partition never goes back.
 */
import type { PartitionLeader } from './cluster-view.ts'

/** A leader and what it leads. */
export interface LeaderEntry {
  /** 32 hexadecimal digits. */
  readonly topicId: string
  readonly partition: number
  readonly leaderId: number
  readonly leaderEpoch: number
}

const UNKNOWN: PartitionLeader = { leaderId: null, leaderEpoch: 0 }

/** See the file's header. Owner: the broker. */
export class LeaderTable {
  readonly #topics = new Map<string, Map<number, PartitionLeader>>()

  /** Who leads, as far as is known here. */
  get(topicId: string, partition: number): PartitionLeader {
    return this.#topics.get(topicId)?.get(partition) ?? UNKNOWN
  }

  /** Takes note of a leader. @returns whether that was news. */
  note({ topicId, partition, leaderId, leaderEpoch }: LeaderEntry): boolean {
    const known = this.get(topicId, partition)
    if (leaderEpoch < known.leaderEpoch) return false
    if (leaderEpoch === known.leaderEpoch && known.leaderId !== null) return false
    const partitions = this.#topics.get(topicId) ?? new Map<number, PartitionLeader>()
    partitions.set(partition, { leaderId, leaderEpoch })
    this.#topics.set(topicId, partitions)
    return true
  }

  /** Forgets topics that are gone. @param exists whether a topic id is one of the cluster. */
  retain(exists: (topicId: string) => boolean): void {
    for (const topicId of this.#topics.keys()) if (!exists(topicId)) this.#topics.delete(topicId)
  }
}
