/** All planted bugs. */
import { ELECTION_MUTANTS } from './election-mutants.ts'
import { LOG_MUTANTS } from './log-mutants.ts'
import { MEMBERSHIP_MUTANTS } from './membership-mutants.ts'
import type { Mutant } from './mutant.ts'

/** In the order of the table. */
export const MUTANTS: readonly Mutant[] = [...ELECTION_MUTANTS, ...LOG_MUTANTS, ...MEMBERSHIP_MUTANTS]

/** A few that are caught within seconds, for CI. */
export const QUICK_MUTANTS: readonly string[] = [
  'vote-not-synced',
  'votes-for-anybody',
  'leader-counts-itself-before-its-write-is-durable',
  'keeps-conflicting-entries',
  'learner-counted-in-the-quorum',
  'read-without-asking-a-majority',
]
