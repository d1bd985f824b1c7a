import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BrokerProcess } from '../../cluster/broker-process.ts'
import { TestCluster } from './test-cluster.ts'

const TOPIC = 'orders'

function broker(cluster: TestCluster, brokerId: number): BrokerProcess {
  return cluster.brokers.brokers[brokerId - 1]!
}

async function leaderOf(cluster: TestCluster, partition: number): Promise<number> {
  const [topic] = await cluster.client.admin.describeTopics([TOPIC])
  const leaderId = topic?.partitions[partition]?.leaderId
  assert.ok(leaderId)
  return leaderId
}

/** Folder of a partition's segments on a broker. */
function folderOf(cluster: TestCluster, brokerId: number, partition: number): string {
  return join(cluster.dataDir(brokerId), 'topics', `${TOPIC}-${partition}`)
}

async function generations(cluster: TestCluster, brokerId: number): Promise<number[]> {
  const partitions = await cluster.client.admin.describePartitions({ topics: [TOPIC] })
  return partitions.flatMap(({ replicas }) =>
    replicas.filter((replica) => replica.brokerId === brokerId).map(({ generation }) => generation),
  )
}

/** Resolves when each copy on a broker is the second, and the first is out of its group. */
async function rebuilt(cluster: TestCluster, brokerId: number): Promise<void> {
  let last: readonly number[] = []
  await cluster.until(
    async () => {
      last = await generations(cluster, brokerId)
      return last.join() === '1,1,1'
    },
    () => `the copies on broker ${brokerId} are of the generations ${last.join()}`,
  )
}

test('each broker in turn is killed under load; nothing is lost, and it catches up when it is back', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  for (const brokerId of [1, 2, 3]) {
    const longestMs = await cluster.whileSending(TOPIC, async () => {
      await broker(cluster, brokerId).kill()
      await cluster.send(TOPIC, 200)
      await cluster.brokers.restart(brokerId)
      await cluster.healthy()
    })
    assert.ok(longestMs < 10_000, `a write took ${longestMs} ms`)
  }
  await cluster.checkAll(TOPIC)
})

test('all brokers are killed at once, and come back with everything', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  await cluster.send(TOPIC, 1000)
  await Promise.all([1, 2, 3].map((id) => broker(cluster, id).kill()))
  await Promise.all([1, 2, 3].map((id) => cluster.brokers.restart(id)))
  await cluster.send(TOPIC, 100)
  await cluster.healthy()
  await cluster.checkAll(TOPIC)
})

test('a broker whose disk was wiped comes back as another copy and is filled from the others', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  await cluster.send(TOPIC, 500)
  await cluster.whileSending(TOPIC, async () => {
    await broker(cluster, 2).kill()
    rmSync(cluster.dataDir(2), { recursive: true })
    await cluster.brokers.restart(2)
    await cluster.healthy()
  })
  await rebuilt(cluster, 2)
  const { voters } = await cluster.client.admin.describeQuorum()
  assert.deepEqual(
    voters.map(({ brokerId, generation }) => [brokerId, generation]),
    [
      [1, 0],
      [2, 1],
      [3, 0],
    ],
  )
  await cluster.checkAll(TOPIC)
  // What was rebuilt counts: with another one away it makes the majority.
  await broker(cluster, 3).kill()
  await cluster.send(TOPIC, 100)
  await cluster.checkAll(TOPIC)
})

test('an old copy of a data folder is told from the folder that it was copied from', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  await cluster.send(TOPIC, 300)
  await broker(cluster, 3).kill()
  const copy = join(cluster.path, 'copy-of-3')
  cpSync(cluster.dataDir(3), copy, { recursive: true })
  await cluster.brokers.restart(3)
  await cluster.send(TOPIC, 300)
  await cluster.healthy()
  await broker(cluster, 3).kill()
  rmSync(cluster.dataDir(3), { recursive: true })
  cpSync(copy, cluster.dataDir(3), { recursive: true })
  await cluster.brokers.restart(3)
  await cluster.healthy()
  await rebuilt(cluster, 3)
  await cluster.send(TOPIC, 100)
  await cluster.checkAll(TOPIC)
})

test('damaged segments of one replica are rebuilt, wherever the damage is, and the others serve meanwhile', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  await cluster.send(TOPIC, 2000)
  const victim = await leaderOf(cluster, 0)
  await broker(cluster, victim).kill()
  const damages: Array<(segment: string) => void> = [
    (segment) => flipBit(segment, 0.3),
    (segment) => truncateSync(segment, Math.floor(readFileSync(segment).length / 2)),
    (segment) => rmSync(join(segment, '..'), { recursive: true }),
  ]
  for (const [partition, damage] of damages.entries()) damage(segmentOf(folderOf(cluster, victim, partition)))
  await cluster.send(TOPIC, 100)
  await cluster.brokers.restart(victim)
  await cluster.checkAll(TOPIC)
  await cluster.until(
    async () => {
      // A flipped bit is found when it is read: once this broker leads again.
      await cluster.checkAll(TOPIC)
      return (await generations(cluster, victim)).every((generation) => generation === 1)
    },
    () => 'the damaged copies were not replaced',
  )
  await cluster.healthy()
  await cluster.checkAll(TOPIC)
})

test('a bit flipped in a replica that nobody reads is found by the broker itself, and the copy is rebuilt', async () => {
  await using cluster = await TestCluster.start(3, {
    'log.scrub.interval.ms': '500',
    'log.scrub.bytes.per.second': '100000000',
  })
  await cluster.createTopic(TOPIC)
  await cluster.send(TOPIC, 2000)
  await cluster.healthy()
  const leader = await leaderOf(cluster, 0)
  const victim = [1, 2, 3].find((id) => id !== leader)!
  flipBit(segmentOf(folderOf(cluster, victim, 0)), 0.5)
  await cluster.until(
    async () => (await generations(cluster, victim))[0] === 1,
    () => `the copy on broker ${victim} was not replaced`,
  )
  await cluster.healthy()
  await cluster.until(
    async () => {
      const logs = [1, 2, 3].map((id) => readFileSync(segmentOf(folderOf(cluster, id, 0))))
      return logs.every((log) => log.equals(logs[0]!))
    },
    () => 'the replicas differ',
  )
  assert.equal(await leaderOf(cluster, 0), leader)
  await cluster.checkAll(TOPIC)
})

test('a broker paused past the election timeout neither serves nor acknowledges when it goes on', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  const victim = await leaderOf(cluster, 0)
  const longestMs = await cluster.whileSending(TOPIC, async () => {
    process.kill(broker(cluster, victim).pid, 'SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, 3000))
    process.kill(broker(cluster, victim).pid, 'SIGCONT')
    await cluster.healthy()
  })
  assert.ok(longestMs < 15_000, `a write took ${longestMs} ms`)
  await cluster.checkAll(TOPIC)
})

function segmentOf(folder: string): string {
  const name = readdirSync(folder).find((each) => each.endsWith('.log'))
  assert.ok(name)
  return join(folder, name)
}

function flipBit(file: string, part: number): void {
  const bytes = readFileSync(file)
  const at = Math.floor(bytes.length * part)
  bytes[at] = bytes[at]! ^ 1
  writeFileSync(file, bytes)
}
