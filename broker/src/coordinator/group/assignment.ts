/**
 * Sets of partitions, by topic id: what a member has, should have, or gives up.
 *
 * Immutable values. Invariant: partitions of a topic are ascending and distinct, and a topic without any is not there, so
 * that equal sets look the same.
 */
import { invariant } from '@stratalog/proto'

/** Topic id (32 hexadecimal digits) to partitions. */
export type Assignment = ReadonlyMap<string, readonly number[]>

/** No partitions. */
export const EMPTY_ASSIGNMENT: Assignment = new Map()

const NO_PARTITIONS: readonly number[] = []

/** The set of what is listed; order and repetition do not matter. */
export function assignmentOf(entries: Iterable<readonly [string, Iterable<number>]>): Assignment {
  const gathered = new Map<string, number[]>()
  for (const [topicId, partitions] of entries) {
    const list = gathered.get(topicId)
    if (list === undefined) gathered.set(topicId, Array.from(partitions))
    else for (const partition of partitions) list.push(partition)
  }
  const set = new Map<string, readonly number[]>()
  for (const [topicId, list] of gathered) if (list.length > 0) set.set(topicId, ascending(list))
  return set
}

/** How many partitions. */
export function partitionCount(set: Assignment): number {
  let count = 0
  for (const partitions of set.values()) count += partitions.length
  return count
}

/** Whether the partition is in the set. */
export function hasPartition(set: Assignment, topicId: string, partition: number): boolean {
  const partitions = set.get(topicId)
  return partitions !== undefined && indexOf(partitions, partition) >= 0
}

/** Whether any partition of the set passes. */
export function hasSome(set: Assignment, passes: (topicId: string, partition: number) => boolean): boolean {
  for (const [topicId, partitions] of set) {
    if (partitions.some((partition) => passes(topicId, partition))) return true
  }
  return false
}

/** Whether both are the same set. */
export function sameAssignment(left: Assignment, right: Assignment): boolean {
  if (left === right) return true
  if (left.size !== right.size) return false
  for (const [topicId, partitions] of left) {
    const others = right.get(topicId)
    if (others === undefined || !samePartitions(partitions, others)) return false
  }
  return true
}

/** What of `set` passes. The very set when all of it does. */
export function filterAssignment(set: Assignment, passes: (topicId: string, partition: number) => boolean): Assignment {
  let changed = false
  const kept = new Map<string, readonly number[]>()
  for (const [topicId, partitions] of set) {
    const passing = partitions.filter((partition) => passes(topicId, partition))
    if (passing.length !== partitions.length) changed = true
    if (passing.length > 0) kept.set(topicId, passing.length === partitions.length ? partitions : passing)
  }
  return changed ? kept : set
}

/** What is in `left` and not in `right`. */
export function difference(left: Assignment, right: Assignment): Assignment {
  return left === right
    ? EMPTY_ASSIGNMENT
    : filterAssignment(left, (id, partition) => !hasPartition(right, id, partition))
}

/** What is in both. */
export function intersection(left: Assignment, right: Assignment): Assignment {
  return left === right ? left : filterAssignment(left, (id, partition) => hasPartition(right, id, partition))
}

/** What is in either. */
export function union(left: Assignment, right: Assignment): Assignment {
  if (right.size === 0) return left
  if (left.size === 0) return right
  const all = new Map(left)
  for (const [topicId, partitions] of right) {
    const others = all.get(topicId)
    all.set(topicId, others === undefined ? partitions : ascending([...others, ...partitions]))
  }
  return all
}

/** The partitions of one topic, none when it is not there. */
export function partitionsOf(set: Assignment, topicId: string): readonly number[] {
  return set.get(topicId) ?? NO_PARTITIONS
}

/** Throws InvariantError unless the set is as the file's header says. */
export function checkAssignment(set: Assignment): void {
  for (const [topicId, partitions] of set) {
    invariant(partitions.length > 0, () => `topic ${topicId} has no partitions in a set`)
    for (let i = 1; i < partitions.length; i++) {
      invariant(partitions[i - 1]! < partitions[i]!, () => `partitions of topic ${topicId} are out of order`)
    }
  }
}

function ascending(list: number[]): readonly number[] {
  list.sort((left, right) => left - right)
  return list.filter((partition, i) => i === 0 || partition !== list[i - 1])
}

function samePartitions(left: readonly number[], right: readonly number[]): boolean {
  if (left === right) return true
  return left.length === right.length && left.every((partition, i) => partition === right[i])
}

/** Binary search. */
function indexOf(partitions: readonly number[], partition: number): number {
  let low = 0
  let high = partitions.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const found = partitions[middle]!
    if (found === partition) return middle
    if (found < partition) low = middle + 1
    else high = middle - 1
  }
  return -1
}
