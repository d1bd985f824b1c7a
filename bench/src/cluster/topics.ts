/** What scenarios ask of a cluster's topics. */
import { createClient, isStratalogError } from '@stratalog/client'
import { waitForPartitions } from './partition-health.ts'

/** Creates a topic; resolves when it is known, or, where the answer was late, when all of its partitions are served. */
export async function createTopic(
  bootstrap: string,
  topic: { readonly name: string; readonly partitionCount: number; readonly replicationFactor: number },
): Promise<void> {
  await using client = createClient({ bootstrap })
  try {
    await client.admin.createTopic(topic, { timeoutMs: CREATE_TIMEOUT_MS })
  } catch (error) {
    // Thousands of partitions on a busy machine: the change is made, or will be, later than the brokers wait for it.
    if (!isStratalogError(error) || error.code !== 'REQUEST_TIMED_OUT') throw error
    await waitForPartitions(bootstrap, topic.name, topic.partitionCount)
  }
}

/** How many of a topic's partitions each broker leads, by its id. */
export async function leaderCounts(bootstrap: string, topic: string): Promise<ReadonlyMap<number, number>> {
  await using client = createClient({ bootstrap })
  const [described] = await client.admin.describeTopics([topic])
  const counts = new Map<number, number>()
  for (const { leaderId } of described?.partitions ?? []) {
    if (leaderId !== null) counts.set(leaderId, (counts.get(leaderId) ?? 0) + 1)
  }
  return counts
}

/** Thousands of partitions, three files each on three brokers of one disk. */
const CREATE_TIMEOUT_MS = 120_000
