/**
 * How far a group is behind, summed over partitions. Pure.
 */
import type { GroupPartitionDescription } from '@stratalog/client'

/** Of some partitions of a group. */
export interface LagTotal {
  /** Of the partitions whose lag is known. */
  readonly lagRecords: number
  /** Of the partition that is furthest behind, ms; `null` when it is not known of any. */
  readonly lagMs: number | null
  /** Partitions that have no committed offset: the group has not begun to read them. */
  readonly uncommittedCount: number
  /** Partitions whose leader does not answer. */
  readonly unknownCount: number
}

/** The sum. */
export function totalLag(partitions: readonly GroupPartitionDescription[]): LagTotal {
  let lagRecords = 0
  let lagMs: number | null = null
  for (const partition of partitions) {
    lagRecords += partition.lagRecords ?? 0
    if (partition.lagMs !== null) lagMs = Math.max(lagMs ?? 0, partition.lagMs)
  }
  return {
    lagRecords,
    lagMs,
    uncommittedCount: partitions.filter(({ committedOffset }) => committedOffset === null).length,
    unknownCount: partitions.filter(({ visibleEnd }) => visibleEnd === null).length,
  }
}
