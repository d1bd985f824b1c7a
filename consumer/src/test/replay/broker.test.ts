/** Replays of a real broker: from the cluster and from its data folder, while it runs and after. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startTestBroker, type TestBroker } from '@stratalog/broker/testing'
import { type Client, createClient, isStratalogError } from '@stratalog/client'
import type { CompressionName } from '@stratalog/proto/records'
import {
  clusterSource,
  compareManifests,
  folderSource,
  openReplaySource,
  parseManifest,
  planReplay,
  type ReplaySource,
  type SourceBounds,
} from '../../index.ts'
import { numbered, produceRaw } from '../raw-produce.ts'
import { read, readAll } from './replay-reading.ts'

const CODECS: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const BATCHES = 60
const PER_BATCH = 50
const TOTAL = BATCHES * PER_BATCH

async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + 20_000
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, `did not come to pass: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** What the broker has noted for readers of its folder; null before it has noted anything. */
async function noted(source: ReplaySource, topic: string): Promise<SourceBounds | null> {
  try {
    return (await source.bounds([{ topic, partition: 0 }]))[0]!
  } catch (error) {
    if (isStratalogError(error, 'OFFSET_NOT_AVAILABLE')) return null
    throw error
  }
}

describe('a replay of a broker', () => {
  let broker: TestBroker
  let client: Client

  before(async () => {
    broker = await startTestBroker()
    client = createClient({ bootstrap: broker.bootstrap })
    const configs = { 'index.interval.bytes': '512' }
    await client.admin.createTopic({ name: 'numbers', partitionCount: 3, replicationFactor: 1, configs })
    for (let partition = 0; partition < 3; partition++) {
      for (const [turn, codec] of CODECS.entries()) {
        const each = BATCHES / CODECS.length
        const batches = Array.from({ length: each }, (_, index) =>
          numbered((turn * each + index) * PER_BATCH, PER_BATCH),
        )
        await produceRaw(client, { topic: 'numbers', partition, codec, batches })
      }
      // Each restart leaves a control batch.
      await broker.restart()
    }
  })

  after(async () => {
    await client?.close()
    await broker?.[Symbol.asyncDispose]()
  })

  it('reads the same from the cluster and from the folder of the running broker', async () => {
    const cluster = clusterSource(client)
    const folder = folderSource(broker.dataDir)
    await until(async () => {
      const [a, b] = await Promise.all([cluster, folder].map((source) => planReplay(source, { topics: ['numbers'] })))
      return compareManifests(a!, b!).every(({ kind }) => kind === 'splits')
    }, 'the folder has all that the cluster has')
    for (const source of [cluster, folder]) {
      const manifest = await planReplay(source, { topics: ['numbers'], splits: 12 })
      assert.ok(manifest.splits.length >= 9 && manifest.splits.length <= 15, `${manifest.splits.length} splits`)
      assert.equal(manifest.clusterId, (await client.admin.describeCluster()).clusterId)
      const saved = parseManifest(JSON.parse(JSON.stringify(manifest)))
      await using opened = openReplaySource(source.spec)
      const { records } = await readAll(opened, saved)
      assert.equal(records.length, 3 * TOTAL)
      for (const [index, { value, timestamp }] of records.entries()) {
        assert.equal(value, String(index % TOTAL))
        assert.equal(timestamp, (index % TOTAL) * 1_000)
      }
    }
  })

  it('cuts on batch boundaries, into pieces with their hosts and epochs', async () => {
    const { splits } = await planReplay(clusterSource(client), {
      topics: ['numbers'],
      partitions: [1],
      splitBytes: 4_000,
    })
    assert.ok(splits.length > 5)
    const total = splits.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const { bytes, hosts, leaderEpoch } of splits) {
      assert.ok(bytes > 0 && bytes < total / 3)
      assert.deepEqual(
        hosts.map(({ port }) => port),
        [Number(broker.bootstrap.split(':')[1])],
      )
      assert.ok(leaderEpoch !== null && leaderEpoch >= 1)
    }
  })

  it('begins and ends at times, offsets and what a group has committed, from both sources alike', async () => {
    await client.admin.commitOffsets('readers', [{ topic: 'numbers', partition: 0, offset: 777 }])
    const cluster = clusterSource(client)
    const folder = folderSource(broker.dataDir)
    const count = async (source: ReplaySource, from: object, to?: object): Promise<number> => {
      const options = { topics: ['numbers'], partitions: [0], from, ...(to === undefined ? {} : { to }) }
      return (await readAll(source, await planReplay(source, options as never))).records.length
    }
    await until(async () => (await noted(folder, 'numbers'))?.visibleEnd === TOTAL, 'the note of the last records')
    for (const source of [cluster, folder]) {
      assert.equal(await count(source, { timestamp: 1_000_000 }, { timestamp: 1_500_500 }), 501)
      assert.equal(await count(source, { timestamp: 0 }, { timestamp: 0 }), 0)
      assert.equal(await count(source, { timestamp: 9e12 }), 0)
      assert.equal(await count(source, { ago: '1h' }), 0)
      assert.equal(await count(source, { offset: 10 }, { offset: 25 }), 15)
      await assert.rejects(count(source, { offset: 9_999_999 }), { code: 'OFFSET_OUT_OF_RANGE' })
    }
    assert.equal(await count(cluster, { group: 'readers' }), TOTAL - 777)
    await assert.rejects(count(folder, { group: 'readers' }), { code: 'INVALID_REQUEST', message: /a folder/ })
  })
})

describe('a topic that changes after the plan', () => {
  it('is an error when it is created again, from either source, and when it is gone', async () => {
    await using broker = await startTestBroker()
    await using client = createClient({ bootstrap: broker.bootstrap })
    await client.admin.createTopic({ name: 't' })
    await produceRaw(client, { topic: 't', batches: [numbered(0, 10)] })
    const cluster = clusterSource(client)
    const folder = folderSource(broker.dataDir)
    await until(async () => (await noted(folder, 't'))?.visibleEnd === 10, 'the note of the records')
    const { splits } = await planReplay(cluster, { topics: ['t'] })
    await client.admin.deleteTopic('t')
    await assert.rejects(read(cluster, splits[0]!), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await client.admin.createTopic({ name: 't' })
    await client.metadata.refresh(['t'])
    await produceRaw(client, { topic: 't', batches: [numbered(100, 20)] })
    for (const source of [cluster, folder]) {
      await assert.rejects(read(source, splits[0]!), { code: 'UNKNOWN_TOPIC_ID' }, source.kind)
    }
  })

  it('tells what was deleted in between, from either source', async () => {
    await using broker = await startTestBroker()
    await using client = createClient({ bootstrap: broker.bootstrap })
    await client.admin.createTopic({ name: 't' })
    await produceRaw(client, { topic: 't', batches: [numbered(0, 10), numbered(10, 10)] })
    const cluster = clusterSource(client)
    const folder = folderSource(broker.dataDir)
    const { splits } = await planReplay(cluster, { topics: ['t'] })
    await client.admin.deleteRecords({ topic: 't', partition: 0, beforeOffset: 13 })
    await until(async () => (await noted(folder, 't'))?.logStartOffset === 13, 'the note')
    for (const source of [cluster, folder]) {
      const gone = { reason: 'deleted', deletedFrom: '0', deletedEnd: '13', logStartOffset: '13' }
      await assert.rejects(read(source, splits[0]!), { code: 'OFFSET_OUT_OF_RANGE', metadata: gone }, source.kind)
      const { records, gaps } = await read(source, splits[0]!, { onDeleted: 'skip' })
      assert.deepEqual(
        records.map(({ value }) => Number(value)),
        [13, 14, 15, 16, 17, 18, 19],
      )
      assert.deepEqual(
        gaps.map(({ cause, endOffset }) => [cause, endOffset]),
        [['deleted', 13]],
      )
    }
  })
})

describe('a folder beside a running broker', () => {
  it('gives what was committed while more is written, trimmed and rolled, and never anything else', async () => {
    await using broker = await startTestBroker({ settings: { 'retention.check.ms': 1_000 } })
    await using client = createClient({ bootstrap: broker.bootstrap })
    const configs = { 'segment.bytes': '1048576', 'retention.bytes': '2097152' }
    await client.admin.createTopic({ name: 't', configs })
    const folder = folderSource(broker.dataDir)
    let written = 0
    let isWriting = true
    const writing = (async () => {
      while (isWriting) {
        const batch = numbered(written, 100).map((record) => ({ ...record, key: 'k'.repeat(1_000) }))
        await produceRaw(client, { topic: 't', batches: [batch] })
        written += 100
      }
    })()
    let replays = 0
    let deletions = 0
    let last = 0
    const deadlineMs = performance.now() + 20_000
    while ((replays < 20 || last < 8_000) && performance.now() < deadlineMs) {
      if ((await noted(folder, 't')) === null) continue
      const manifest = await planReplay(folder, { topics: ['t'], splits: 3 })
      for (const split of manifest.splits) {
        try {
          const { records } = await read(folder, split)
          assert.equal(records.length, split.endOffset - split.startOffset)
          for (const { offset, value } of records) assert.equal(value, String(offset))
          last = split.endOffset
        } catch (error) {
          // Retention was faster than this reader, and said so.
          assert.equal((error as { code?: string }).code, 'OFFSET_OUT_OF_RANGE', String(error))
          deletions++
        }
      }
      replays++
    }
    isWriting = false
    await writing
    assert.ok(replays >= 20 && last > 1_000, `${replays} replays, ${deletions} overtaken, up to ${last}`)
  })
})
