/** Whether a cluster has recovered: every broker up, every partition led, every replica caught up. */
import type { ChaosCluster } from './chaos-cluster.ts'

/** Topics and partitions that must be served. */
export interface WatchedPartition {
  readonly topic: string
  readonly partition: number
}

const LOOK_EVERY_MS = 100
const CALL_TIMEOUT_MS = 3000

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
    const queries = partitions.map((each) => ({ ...each, position: 'latest' as const }))
    for (const answer of await admin.listOffsets(queries, options)) {
      if (answer.error !== null) problems.push(`${answer.topic}-${answer.partition}: ${answer.error.message}`)
    }
    return problems
  } catch (error) {
    return [`the cluster does not answer: ${String(error)}`]
  }
}

/** Waits until it is healthy. Returns how long it took, ms, or what is still wrong after `timeoutMs`. */
export async function untilHealthy(
  cluster: ChaosCluster,
  partitions: readonly WatchedPartition[],
  timeoutMs: number,
): Promise<number | readonly string[]> {
  const startedMs = performance.now()
  for (;;) {
    const problems = await clusterProblems(cluster, partitions)
    const tookMs = performance.now() - startedMs
    if (problems.length === 0) return tookMs
    if (tookMs > timeoutMs) return problems
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}
