/** Whether a topic's partitions are all served and fully replicated, as their leaders tell it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient } from '@stratalog/client'
import { AdminService } from '@stratalog/proto'

const DEADLINE_MS = 180_000
const CALL_TIMEOUT_MS = 5_000
/** The question is work for every broker, so it is not asked without a pause. */
const PAUSE_MS = 50

/**
 * Resolves when every partition has a leader and all its replicas are live and caught up; rejects with what is amiss
 * after three minutes. Brokers that are not there yet are asked again.
 */
export async function waitForPartitions(bootstrap: string, topic: string, partitionCount: number): Promise<void> {
  await using client = createClient({ bootstrap, requestTimeoutMs: CALL_TIMEOUT_MS })
  const deadlineMs = performance.now() + DEADLINE_MS
  for (;;) {
    const amiss = await findFault(client, topic, partitionCount)
    if (amiss === null) return
    if (performance.now() > deadlineMs) throw new Error(`after ${DEADLINE_MS / 1000} s ${amiss}`)
    await sleep(PAUSE_MS)
  }
}

async function findFault(client: Client, topic: string, partitionCount: number): Promise<string | null> {
  try {
    const { partitions } = await client.call(AdminService.describePartitions, { topics: [topic] })
    if (partitions.length < partitionCount) return `${partitions.length} of ${partitionCount} partitions are known`
    const troubled = partitions.filter(({ problems, replicas }) => {
      const behind = replicas?.some(({ live, caughtUp }) => live !== true || caughtUp !== true)
      return (problems?.length ?? 0) > 0 || behind !== false
    })
    return troubled.length === 0 ? null : `${troubled.length} of ${partitionCount} partitions have problems`
  } catch (error) {
    return `the cluster does not answer: ${error instanceof Error ? error.message : String(error)}`
  }
}
