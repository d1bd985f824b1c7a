/**
 * The uniform assignor: as equal as the subscriptions allow, over all topics together, and moving no more than that takes.
 *
 * 1. Everyone keeps what it had.
 * 2. Where all subscribe to the same: whoever has more than its share gives up the rest; what is free goes to those who have
 *    less, first to members in a rack that holds a copy. The counts then differ by one at most (uniform-equal.ts).
 * 3. Where they do not: what is free goes to the least loaded subscriber; then partitions go from more to less loaded ones
 *    until no single move makes it more even (uniform-mixed.ts).
 *
 * Racks decide who gets what is free and what is given up first; nothing moves for a rack's sake alone.
 * Source of the idea: Kafka UniformAssignor.
 */
import type { Assignment } from '../assignment.ts'
import { type AssignorMember, subscribedTopics } from './assignor.ts'
import { PartitionPlan } from './partition-plan.ts'
import { balanceEqual } from './uniform-equal.ts'
import { balanceMixed } from './uniform-mixed.ts'

/** See the file's header. O(n log n) in partitions and members where all subscribe to the same. */
export function assignUniform(members: readonly AssignorMember[]): readonly Assignment[] {
  const plan = new PartitionPlan(members, subscribedTopics(members))
  plan.keepPrevious()
  const [first] = members
  if (members.every(({ topics }) => topics === first!.topics)) balanceEqual(plan)
  else balanceMixed(plan)
  return plan.toAssignments()
}
