/**
 * What a broker reports of itself, for descriptions of the cluster: counts, bytes, and what is wrong with it.
 *
 * That it does not lead, or that nobody does, is no fault of a broker: it is told of the partition instead.
 */
import type { ErrorName } from '@stratalog/proto'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { BrokerReport } from './cluster-view.ts'

/** Problems that are told one by one; the rest is counted. */
const PROBLEMS_TOLD_MAX = 100

const LEADERSHIP: ReadonlySet<ErrorName> = new Set(['NOT_LEADER_OR_FOLLOWER', 'LEADER_NOT_AVAILABLE'] as const)

/** What a report is made of beside the partitions. */
export interface BrokerFacts {
  readonly brokerId: number
  readonly isStopping: boolean
  readonly pid: number
  readonly version: string
  readonly startedAtMs: number
}

/** The report of this broker as of now. O(partitions). */
export function reportOf(facts: BrokerFacts, registry: PartitionRegistry): BrokerReport {
  const { brokerId, ...told } = facts
  const problems = problemsOf(registry)
  if (facts.isStopping) problems.unshift('it is stopping')
  let leaderCount = 0
  let replicaCount = 0
  let logBytes = 0
  for (const partition of registry.all()) {
    const description = partition.describe()
    replicaCount++
    logBytes += description.logBytes
    if (description.leaderId === brokerId) leaderCount++
  }
  return { ...told, leaderCount, replicaCount, logBytes, problems }
}

function problemsOf(registry: PartitionRegistry): string[] {
  const problems: string[] = []
  let count = 0
  const tell = (problem: string): void => {
    if (++count <= PROBLEMS_TOLD_MAX) problems.push(problem)
  }
  for (const { topic, partition, error } of registry.problems()) {
    if (!LEADERSHIP.has(error.code))
      tell(`partition ${topic}-${partition} is not served: ${error.code}: ${error.message}`)
  }
  for (const partition of registry.all()) {
    if (partition.describe().diskFull)
      tell(`partition ${partition.topic}-${partition.partition} takes no writes: DISK_FULL`)
  }
  if (count > PROBLEMS_TOLD_MAX) problems.push(`${count - PROBLEMS_TOLD_MAX} more partitions have problems`)
  return problems
}
