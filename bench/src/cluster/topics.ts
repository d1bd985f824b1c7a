/** What scenarios ask of a cluster's topics. */
import { createClient } from '@stratalog/client'

/** Creates a topic. */
export async function createTopic(
  bootstrap: string,
  topic: { readonly name: string; readonly partitionCount: number; readonly replicationFactor: number },
): Promise<void> {
  await using client = createClient({ bootstrap })
  await client.admin.createTopic(topic, { timeoutMs: CREATE_TIMEOUT_MS })
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
