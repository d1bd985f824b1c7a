/**
 * What members subscribe to, looked up in the topics that there are.
 *
 * Members with the same wishes get the same list (the very array), which is how assignors tell that all are alike.
 */
import type { MemberValue } from './group-records.ts'
import type { Member } from './member.ts'
import type { TopicPatterns } from './topic-patterns.ts'
import type { TopicFacts, Topics } from './topics.ts'

/** The topics of each member, by name. */
export function resolveSubscriptions(
  members: Iterable<Member>,
  topics: Topics,
  patterns: TopicPatterns,
): Map<Member, readonly TopicFacts[]> {
  const byNames = new Map<readonly string[], Map<string | null, readonly TopicFacts[]>>()
  const resolved = new Map<Member, readonly TopicFacts[]>()
  for (const member of members) {
    const { topics: names, topicPattern } = member.value
    let byPattern = byNames.get(names)
    if (byPattern === undefined) {
      byPattern = new Map()
      byNames.set(names, byPattern)
    }
    let list = byPattern.get(topicPattern)
    if (list === undefined) {
      list = resolve(names, topicPattern, topics, patterns)
      byPattern.set(topicPattern, list)
    }
    resolved.set(member, list)
  }
  return resolved
}

/** Whether any of the members subscribes to a topic of that name. */
export function isSubscribed(members: Iterable<Member>, name: string, patterns: TopicPatterns): boolean {
  let looked: MemberValue | null = null
  for (const { value } of members) {
    if (looked !== null && looked.topics === value.topics && looked.topicPattern === value.topicPattern) continue
    looked = value
    if (value.topicPattern !== null && patterns.matches(value.topicPattern).has(name)) return true
    if (includes(value.topics, name)) return true
  }
  return false
}

/** A list of names as records hold it: ascending, distinct. */
export function sortedNames(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort()
}

function resolve(
  names: readonly string[],
  pattern: string | null,
  topics: Topics,
  patterns: TopicPatterns,
): readonly TopicFacts[] {
  const matched = pattern === null ? null : patterns.matches(pattern)
  const all = matched === null || matched.size === 0 ? names : sortedNames([...names, ...matched])
  const list: TopicFacts[] = []
  for (const name of all) {
    const topic = topics.byName.get(name)
    if (topic !== undefined) list.push(topic)
  }
  return list
}

/** Binary search. */
function includes(names: readonly string[], name: string): boolean {
  let low = 0
  let high = names.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const found = names[middle]!
    if (found === name) return true
    if (found < name) low = middle + 1
    else high = middle - 1
  }
  return false
}
