/**
 * What an assignor is: who should own which partitions, as a pure function of members, topics and what there was before.
 *
 * Every partition of a topic that any member subscribes to gets exactly one owner among its subscribers. The same input
 * gives the same answer, and an answer given in again as `previous` stays as it is.
 */
import type { Assignment } from '../assignment.ts'
import type { TopicFacts } from '../topics.ts'

/** A member to assign to. */
export interface AssignorMember {
  readonly memberId: string
  /** Failure domain; null when unknown. */
  readonly rack: string | null
  /** What it subscribes to and is there, by name. Members that subscribe to the same share one array. */
  readonly topics: readonly TopicFacts[]
  /** What it was to own so far. */
  readonly previous: Assignment
}

/** @returns what each member should own, in the order of the members. Members come in an order that stays. */
export type Assignor = (members: readonly AssignorMember[]) => readonly Assignment[]

/** A topic, and the positions of its subscribers, ascending. Topics with the same subscribers share one array. */
export interface SubscribedTopic {
  readonly topic: TopicFacts
  readonly subscribers: readonly number[]
}

/** All topics that are subscribed to, by name. */
export function subscribedTopics(members: readonly AssignorMember[]): readonly SubscribedTopic[] {
  const classes = new Map<readonly TopicFacts[], number[]>()
  for (const [i, { topics }] of members.entries()) {
    const alike = classes.get(topics)
    if (alike === undefined) classes.set(topics, [i])
    else alike.push(i)
  }
  const lists = [...classes]
  if (lists.length === 1) return lists[0]![0].map((topic) => ({ topic, subscribers: lists[0]![1] }))
  const classesOf = new Map<TopicFacts, number[]>()
  for (const [c, [topics]] of lists.entries()) {
    for (const topic of topics) {
      const those = classesOf.get(topic)
      if (those === undefined) classesOf.set(topic, [c])
      else those.push(c)
    }
  }
  const merged = new Map<string, readonly number[]>()
  const subscribed = [...classesOf].map(([topic, those]) => {
    const key = those.join()
    const subscribers = merged.get(key) ?? those.flatMap((c) => lists[c]![1]).sort((left, right) => left - right)
    merged.set(key, subscribers)
    return { topic, subscribers }
  })
  return subscribed.sort((left, right) => (left.topic.name < right.topic.name ? -1 : 1))
}
