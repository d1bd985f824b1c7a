/** Replays while brokers die: from three real processes, and from the data folders that they leave. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, createClient } from '@stratalog/client'
import {
  clusterSource,
  folderSource,
  planReplay,
  type ReplaySource,
  type ReplaySplit,
  readSplit,
} from '@stratalog/consumer'
import { createProducer } from '@stratalog/producer'
import { TestCluster } from './test-cluster.ts'

const TOPIC = 'orders'
const RECORDS = 30_000
/** The least that a reader takes ahead, so that a broker that dies takes what was not read yet with it. */
const PREFETCH_BYTES = 64 * 1024
/** So that each split is many times that. */
const PADDING = 'x'.repeat(500)

async function produce(client: Client): Promise<void> {
  await using producer = createProducer(client)
  const sends: Promise<unknown>[] = []
  for (let index = 0; index < RECORDS; index++) {
    sends.push(producer.send({ topic: TOPIC, key: `k${index}`, value: `${index} ${PADDING}` }))
    if (sends.length >= 2_000) await Promise.all(sends.splice(0))
  }
  await Promise.all(sends)
}

/** Reads a split; `onHalf` runs once in the middle of it. @returns `partition@offset value` of each record. */
async function readOne(source: ReplaySource, split: ReplaySplit, onHalf?: () => Promise<void>): Promise<string[]> {
  const seen: string[] = []
  const half = (split.startOffset + split.endOffset) / 2
  let isBefore = true
  const reader = readSplit(source, split, { prefetchBytes: PREFETCH_BYTES, signal: AbortSignal.timeout(90_000) })
  for await (const batch of reader) {
    for (const { offset, value } of batch) seen.push(`${split.partition}@${offset} ${value?.toString().split(' ')[0]}`)
    if (isBefore && reader.stats.position >= half) {
      isBefore = false
      await onHalf?.()
    }
  }
  const { recordCount, missingCount, position } = reader.stats
  assert.equal(position, split.endOffset)
  assert.equal(recordCount + missingCount, split.endOffset - split.startOffset)
  return seen
}

test('a replay reads what was planned, once each, while every broker is killed in turn', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  await produce(cluster.client)
  await using client = createClient({ bootstrap: cluster.brokers.bootstrap, connectTimeoutMs: 1_000 })
  for (const readFrom of ['leader', 'any'] as const) {
    const source = clusterSource(client, { readFrom, stallTimeoutMs: 2_000 })
    const manifest = await planReplay(source, { topics: [TOPIC], splits: 6 })
    const seen: string[] = []
    for (const [index, split] of manifest.splits.entries()) {
      const [topic] = await client.admin.describeTopics([TOPIC])
      const leaderId = topic!.partitions[split.partition]!.leaderId
      const brokerId = readFrom === 'leader' && leaderId !== null ? leaderId : (index % 3) + 1
      seen.push(...(await readOne(source, split, () => cluster.brokers.brokers[brokerId - 1]!.kill())))
      await cluster.brokers.restart(brokerId)
      await cluster.healthy()
    }
    assert.equal(new Set(seen).size, RECORDS)
    assert.equal(seen.length, RECORDS)
    const values = seen.map((text) => Number(text.split(' ')[1])).sort((a, b) => a - b)
    assert.ok(values.every((value, index) => value === index))
  }
})

test('the folders of brokers that are dead give the same records as the cluster did', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  await produce(cluster.client)
  const source = clusterSource(cluster.client)
  const manifest = await planReplay(source, { topics: [TOPIC], splits: 6 })
  const expected = (await Promise.all(manifest.splits.map((split) => readOne(source, split)))).flat()
  assert.equal(expected.length, RECORDS)
  const places = manifest.topics[0]!.partitions.map(({ partition }) => ({ topic: TOPIC, partition }))
  const ends = manifest.topics[0]!.partitions.map(({ endOffset }) => endOffset)
  for (const brokerId of [1, 2, 3]) {
    const folder = folderSource(cluster.dataDir(brokerId))
    await cluster.until(
      async () => {
        const bounds = await folder.bounds(places).catch(() => [])
        return bounds.length > 0 && bounds.every(({ visibleEnd }, index) => visibleEnd >= ends[index]!)
      },
      () => `broker ${brokerId} has not noted all that is committed`,
    )
  }
  for (const process of cluster.brokers.brokers) await process.kill()
  for (const brokerId of [1, 2, 3]) {
    const folder = folderSource(cluster.dataDir(brokerId))
    const seen: string[] = []
    for (const split of manifest.splits) seen.push(...(await readOne(folder, split)))
    assert.deepEqual(seen, expected, `broker ${brokerId}`)
  }
})
