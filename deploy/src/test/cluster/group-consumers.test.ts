/** Consumers of a group on three broker processes whose coordinator is killed, and members that come, go and die. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Consumer, type ConsumerRecord, createConsumer, type GroupSubscription } from '@stratalog/consumer'
import { TestCluster } from './test-cluster.ts'

const TOPIC = 'flights'
const PARTITION_COUNT = 6
const GROUP = 'readers'

interface Member {
  readonly consumer: Consumer
  readonly subscription: GroupSubscription
  readonly running: Promise<void>
}

/** How often each record was processed, by `partition/offset`. */
class Ledger {
  readonly counts = new Map<string, number>()

  readonly handler = (record: ConsumerRecord): void => {
    const place = `${record.partition}/${record.offset}`
    this.counts.set(place, (this.counts.get(place) ?? 0) + 1)
  }

  get duplicates(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count - 1, 0)
  }
}

async function join(cluster: TestCluster, ledger: Ledger): Promise<Member> {
  const consumer = createConsumer({ bootstrap: cluster.brokers.bootstrap })
  const subscription = await consumer.subscribe({
    group: GROUP,
    topics: [TOPIC],
    from: 'earliest',
    sessionTimeoutMs: 6_000,
    autoCommitIntervalMs: 100,
  })
  return { consumer, subscription, running: subscription.run({ handler: ledger.handler }) }
}

async function settled(cluster: TestCluster, members: readonly Member[]): Promise<void> {
  const owned = (): number[] => members.map(({ subscription }) => subscription.assignment.length)
  await cluster.until(
    () => Promise.resolve(owned().every((count) => count === PARTITION_COUNT / members.length)),
    () => `partitions are with ${owned().join()}`,
  )
}

test('a group reads every record while its coordinator is killed, and members join, leave and die', async (t) => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC, PARTITION_COUNT)
  const ledger = new Ledger()
  const [first, second] = [await join(cluster, ledger), await join(cluster, ledger)]
  await settled(cluster, [first, second])
  let failoverMs = 0
  await cluster.whileSending(TOPIC, async () => {
    const { coordinator } = await cluster.client.admin.describeGroup(GROUP)
    const killedMs = performance.now()
    await cluster.brokers.brokers[coordinator!.brokerId! - 1]!.kill()
    await new Promise((resolve) => first.subscription.once('committed', resolve))
    failoverMs = performance.now() - killedMs
    const third = await join(cluster, ledger)
    await settled(cluster, [first, second, third])
    await cluster.brokers.restart(coordinator!.brokerId!)
    // Dies: its connections are gone, and it says nothing.
    await third.consumer.client.close()
    await third.running.catch(() => {})
    await settled(cluster, [first, second])
  })
  const duplicates = ledger.duplicates
  const end = await cluster.client.admin.listOffsets(
    Array.from({ length: PARTITION_COUNT }, (_, partition) => ({
      topic: TOPIC,
      partition,
      position: 'latest' as const,
    })),
  )
  const committed = async (): Promise<boolean> => {
    const { partitions } = await cluster.client.admin.describeGroup(GROUP)
    return partitions.every(({ lagRecords }) => lagRecords === 0)
  }
  await cluster.until(committed, () => 'not everything is committed')
  const written = end.reduce((sum, { visibleEnd }) => sum + visibleEnd, 0)
  t.diagnostic(
    `${ledger.counts.size} records, ${duplicates} twice; commits again ${Math.round(failoverMs)} ms after the kill`,
  )
  assert.ok(ledger.counts.size > 0 && ledger.counts.size <= written)
  await cluster.checkAll(TOPIC)
  await using reader = createConsumer(cluster.client)
  const all = await reader.assign({ topics: [TOPIC], from: 'earliest', until: 'end' })
  for await (const { partition, offset } of all) {
    assert.ok(ledger.counts.has(`${partition}/${offset}`), `${partition}/${offset} was never processed`)
  }
  for (const { subscription, consumer, running } of [first, second]) {
    await subscription.close()
    await running
    await consumer.close()
  }
})
