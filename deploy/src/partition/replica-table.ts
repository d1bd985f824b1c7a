/**
 * Replicas as rows of a table.
 */
import type { ReplicaDescription } from '@stratalog/client'
import type { Column } from '../output/table.ts'

/** The columns that {@link replicaCells} fills. */
export const REPLICA_COLUMNS: readonly Column[] = [
  { title: 'BROKER', align: 'right' },
  { title: 'COPY', align: 'right' },
  { title: 'ROLE' },
  { title: 'END', align: 'right' },
  { title: 'LAG', align: 'right' },
  { title: 'LIVE' },
  { title: 'CAUGHT UP' },
]

/** One replica. */
export function replicaCells(replica: ReplicaDescription): string[] {
  const { brokerId, generation, role, logEndOffset, lagOffsets, live, caughtUp } = replica
  return [
    String(brokerId),
    String(generation),
    role,
    String(logEndOffset ?? '?'),
    String(lagOffsets ?? '?'),
    live ? 'yes' : 'no',
    caughtUp ? 'yes' : 'no',
  ]
}

/** Brokers whose replica counts and holds all of the log. */
export function inSync(replicas: readonly ReplicaDescription[]): number[] {
  return replicas
    .filter(({ role, live, caughtUp }) => (role === 'leader' || role === 'voter') && live && caughtUp)
    .map(({ brokerId }) => brokerId)
}
