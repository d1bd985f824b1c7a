/** Replays of a topic that compaction has been through: offsets stay, and what is gone is told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestBroker } from '@stratalog/broker/testing'
import { createClient } from '@stratalog/client'
import { clusterSource, folderSource, planReplay, type ReplaySource } from '../../index.ts'
import { produceRaw } from '../raw-produce.ts'
import { readAll } from './replay-reading.ts'

const KEYS = 50
const UPDATES = 6_000
const PER_BATCH = 40

test('a compacted topic is read with its offsets, whole and cut into splits, from the cluster and from the folder', async () => {
  await using broker = await startTestBroker({ settings: { 'log.cleaner.backoff.ms': 200 } })
  await using client = createClient({ bootstrap: broker.bootstrap })
  const configs = { 'cleanup.policy': 'compact', 'segment.bytes': '1048576', 'min.cleanable.dirty.ratio': '0' }
  await client.admin.createTopic({ name: 't', configs })
  const padding = 'x'.repeat(1_000)
  const batches = Array.from({ length: UPDATES / PER_BATCH }, (_, batch) =>
    Array.from({ length: PER_BATCH }, (_, index) => {
      const number = batch * PER_BATCH + index
      return { key: `k${number % KEYS}`, value: `${number} ${padding}`, timestamp: number }
    }),
  )
  await produceRaw(client, { topic: 't', batches })
  const planBefore = await planReplay(clusterSource(client), { topics: ['t'], splits: 7 })
  const sources: readonly ReplaySource[] = [clusterSource(client), folderSource(broker.dataDir)]
  const [, folder] = sources
  const deadlineMs = performance.now() + 30_000
  for (;;) {
    const left = await readAll(folder!, planBefore).then(
      ({ records }) => records.length,
      (error: unknown) => {
        // The broker has not noted the last records yet.
        assert.match(String(error), /does not say how far|is known to be committed/)
        return UPDATES
      },
    )
    if (left < UPDATES / 2) break
    assert.ok(performance.now() < deadlineMs, `${left} records are left`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  // What the broker still has in memory is not compacted.
  await broker.restart()
  for (const source of sources) {
    for (const manifest of [planBefore, await planReplay(source, { topics: ['t'], splits: 5 })]) {
      const { records, gaps } = await readAll(source, manifest)
      const last = new Map(records.map(({ key, value }) => [key, value]))
      for (let key = 0; key < KEYS; key++) {
        assert.equal(last.get(`k${key}`), `${UPDATES - KEYS + key} ${padding}`, source.kind)
      }
      for (const { offset, value, timestamp } of records) {
        assert.equal(value, `${offset} ${padding}`)
        assert.equal(timestamp, offset)
      }
      assert.ok(records.length < UPDATES && gaps.some(({ cause }) => cause === 'compacted'))
    }
    const question = { topic: 't', partition: 0, timestampMs: UPDATES - 1 }
    assert.deepEqual(await source.offsetsForTime([question]), [UPDATES - 1])
  }
})
