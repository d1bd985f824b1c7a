/** Whether a cluster has recovered: every broker up, every partition led, every replica caught up. */
import type { PartitionDescription } from '@stratalog/client'
import type { ChaosCluster } from './chaos-cluster.ts'

/** Topics and partitions that must be served. */
export interface WatchedPartition {
  readonly topic: string
  readonly partition: number
}

const LOOK_EVERY_MS = 100
const CALL_TIMEOUT_MS = 5000

/** What is wrong now, in sentences; empty when healthy. */
export async function clusterProblems(
  cluster: ChaosCluster,
  partitions: readonly WatchedPartition[],
): Promise<readonly string[]> {
  const { admin } = cluster.client
  const options = { timeoutMs: CALL_TIMEOUT_MS }
  try {
    const description = await admin.describeCluster(options)
    const problems = [...description.problems]
    for (const brokerId of cluster.ids) {
      const broker = description.brokers.find((each) => each.brokerId === brokerId)
      if (broker?.state !== 'running') problems.push(`broker ${brokerId} is ${broker?.state ?? 'not registered'}`)
    }
    const topics = [...new Set(partitions.map(({ topic }) => topic))]
    const described = await admin.describePartitions({ topics, includeInternal: true }, options)
    for (const { topic, partition } of partitions) {
      const found = described.find((each) => each.topic === topic && each.partition === partition)
      const replicaCount = Math.min(3, cluster.ids.length)
      problems.push(...(found === undefined ? [`${topic}-${partition} is missing`] : wrongWith(found, replicaCount)))
    }
    const quorum = await admin.describeQuorum(options)
    for (const { brokerId, live, caughtUp } of [...quorum.voters, ...quorum.observers]) {
      if (!live || !caughtUp) problems.push(`the metadata on broker ${brokerId} lags`)
    }
    return problems
  } catch (error) {
    return [`the cluster does not answer: ${String(error)}`]
  }
}

function wrongWith(found: PartitionDescription, replicaCount: number): string[] {
  const name = `${found.topic}-${found.partition}`
  const problems: string[] = found.problems.map((problem) => `${name} is ${problem}`)
  if (found.leaderId === null) problems.push(`${name} has no leader`)
  if (found.targetReplicas.length > 0) problems.push(`${name} is on its way to ${found.targetReplicas.join(' ')}`)
  if (found.replicas.length !== replicaCount) problems.push(`${name} has ${found.replicas.length} replicas`)
  for (const { brokerId, role, live, caughtUp } of found.replicas) {
    if (role === 'learner' || role === 'missing') problems.push(`${name} on broker ${brokerId} is ${role}`)
    else if (!live || !caughtUp) problems.push(`${name} on broker ${brokerId} is ${live ? 'behind' : 'not there'}`)
  }
  return problems
}

/** How a recovery went. */
export interface Recovery {
  readonly isHealthy: boolean
  readonly tookMs: number
  /** What was wrong when it was last looked at before; what still is, unless it is healthy. */
  readonly problems: readonly string[]
}

/** Waits until it is healthy, or for `timeoutMs`. */
export async function untilHealthy(
  cluster: ChaosCluster,
  partitions: readonly WatchedPartition[],
  timeoutMs: number,
): Promise<Recovery> {
  const startedMs = performance.now()
  let last: readonly string[] = []
  for (;;) {
    const problems = await clusterProblems(cluster, partitions)
    const tookMs = performance.now() - startedMs
    if (problems.length === 0) return { isHealthy: true, tookMs, problems: last }
    last = problems
    if (tookMs > timeoutMs) return { isHealthy: false, tookMs, problems }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}
