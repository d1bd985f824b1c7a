/**
 * The range assignor: each topic's partitions are cut into as many runs as it has subscribers.
 *
 * Members that subscribe to the same topics get the same partition numbers of each, which is what a join by key needs. The
 * first members get one partition more where it does not come out even, so topics with few partitions favour them.
 * It does not look at what there was before, nor at racks. Source: Kafka RangeAssignor.
 */
import { type Assignment, assignmentOf } from '../assignment.ts'
import { type AssignorMember, subscribedTopics } from './assignor.ts'

/** See the file's header. */
export function assignRange(members: readonly AssignorMember[]): readonly Assignment[] {
  const entries = members.map((): [string, number[]][] => [])
  for (const { topic, subscribers } of subscribedTopics(members)) {
    const least = Math.floor(topic.partitionCount / subscribers.length)
    const extra = topic.partitionCount % subscribers.length
    let next = 0
    for (const [rank, i] of subscribers.entries()) {
      const count = least + (rank < extra ? 1 : 0)
      const first = next
      entries[i]!.push([topic.topicId, Array.from({ length: count }, (_, k) => first + k)])
      next += count
    }
  }
  return entries.map((each) => assignmentOf(each))
}
