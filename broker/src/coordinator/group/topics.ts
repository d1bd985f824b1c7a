/**
 * The topics of the cluster as groups need them: names, ids, partition counts, and the racks of the copies.
 *
 * The shell makes one view per metadata image and gives it, with what has changed, to every shard that it leads. Views are
 * immutable and share the topics that stayed, so that comparing two of them costs one look at each topic.
 */

/** One topic. */
export interface TopicFacts {
  readonly name: string
  /** 32 lower-case hexadecimal digits. A topic made again under its name has another. */
  readonly topicId: string
  /** Partitions are 0..partitionCount-1. */
  readonly partitionCount: number
  /** Of each partition, the racks that hold a copy; empty where none is known. Null when no rack is known at all. */
  readonly racks: readonly (readonly string[])[] | null
}

/** All topics that clients may read. */
export interface Topics {
  /** How far the metadata was followed; a view of a higher version is newer. */
  readonly version: number
  readonly byName: ReadonlyMap<string, TopicFacts>
  readonly byId: ReadonlyMap<string, TopicFacts>
}

/** What is different between two views. */
export interface TopicsDelta {
  readonly before: Topics
  readonly after: Topics
  /** New topics, and topics with more partitions or other racks, as they are now. */
  readonly changed: readonly TopicFacts[]
  /** Topics that are gone, as they were. */
  readonly deleted: readonly TopicFacts[]
}

/** The view before anything is known. */
export const NO_TOPICS: Topics = { version: 0, byName: new Map(), byId: new Map() }

/** A view of these topics. */
export function topicsOf(version: number, list: Iterable<TopicFacts>): Topics {
  const byName = new Map<string, TopicFacts>()
  const byId = new Map<string, TopicFacts>()
  for (const topic of list) {
    byName.set(topic.name, topic)
    byId.set(topic.topicId, topic)
  }
  return { version, byName, byId }
}

/** What has changed from one view to the next. */
export function topicsDelta(before: Topics, after: Topics): TopicsDelta {
  const changed: TopicFacts[] = []
  const deleted: TopicFacts[] = []
  for (const topic of after.byId.values()) {
    const former = before.byId.get(topic.topicId)
    if (former !== topic && (former === undefined || !sameFacts(former, topic))) changed.push(topic)
  }
  for (const topic of before.byId.values()) if (!after.byId.has(topic.topicId)) deleted.push(topic)
  return { before, after, changed, deleted }
}

/** Whether names that match a pattern may be this topic: names that begin with two underscores belong to the system. */
export function isMatchable(topic: TopicFacts): boolean {
  return !topic.name.startsWith('__')
}

function sameFacts(left: TopicFacts, right: TopicFacts): boolean {
  if (left.partitionCount !== right.partitionCount) return false
  if (left.racks === right.racks) return true
  if (left.racks === null || right.racks === null) return false
  return left.racks.every((racks, i) => sameRacks(racks, right.racks![i]!))
}

function sameRacks(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((rack, i) => rack === right[i])
}
