import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { WireClient } from '@stratalog/broker/testing'
import { createClient, isStratalogError } from '@stratalog/client'
import { COMMITTED_OFFSETS_FILE, decodeCommittedOffsets, FetchService, stratalog } from '@stratalog/proto'
import { iterateBatches } from '@stratalog/proto/records'
import { TestCluster } from './test-cluster.ts'

const TOPIC = 'orders'

/** Offsets that a broker's own copy serves between two offsets, and the error that it ends with, if any. */
async function readCopy(address: string, offset: number, endOffset: number): Promise<number[] | string> {
  using client = new WireClient(address)
  const stream = client.stream(FetchService.fetchStream)
  const readClass = stratalog.v1.ReadClass.READ_CLASS_REPLAY
  const start = { handle: 1, topic: TOPIC, partition: 0, offset, endOffset, creditBytes: 1 << 20 }
  stream.send({ starts: [{ ...start, readClass, anyReplica: true }] })
  const last = await stream.next(({ data }) => data.find((one) => one.error || one.endReached), 'the end of a copy')
  stream.cancel()
  if (last.error) return last.error.reason ?? ''
  const offsets: number[] = []
  for (const { recordBatches } of stream.received.flatMap(({ data }) => data)) {
    if (!recordBatches) continue
    for (const { header } of iterateBatches(Buffer.from(recordBatches))) {
      for (let at = header.baseOffset; at <= header.lastOffset; at++) offsets.push(at)
    }
  }
  return offsets.filter((at) => at >= offset && at < endOffset)
}

test('records deleted through any broker are gone from every copy, through kills and changes of leader', async () => {
  await using cluster = await TestCluster.start()
  const { admin } = cluster.client
  await cluster.createTopic(TOPIC)
  await cluster.send(TOPIC, 600)
  const addresses = cluster.brokers.bootstrap.split(',')
  const status = async () => (await admin.describePartitions({ topics: [TOPIC] }))[0]!
  let deleted = 0
  for (const [round, address] of addresses.entries()) {
    const { leaderId, visibleEnd } = await status()
    deleted = 20 + round * 30
    // Asked through each broker in turn: whoever leads does it.
    await using client = createClient({ bootstrap: address })
    const done = await client.admin.deleteRecords({ topic: TOPIC, partition: 0, beforeOffset: deleted })
    assert.equal(done.logStartOffset, deleted)
    const brokerId = leaderId!
    await cluster.brokers.brokers[brokerId - 1]!.kill()
    await cluster.until(
      async () => ![null, brokerId].includes((await status()).leaderId),
      () => 'nobody takes over',
    )
    assert.equal((await status()).logStartOffset, deleted, 'the next leader begins there, too')
    const [answer] = await admin.listOffsets([{ topic: TOPIC, partition: 0, position: 'earliest' }])
    assert.equal(answer?.offset, deleted)
    await assert.rejects(
      admin
        .planSplits([{ topic: TOPIC, partition: 0, startOffset: 0 }])
        .then(([split]) => Promise.reject(split?.error)),
      (error) => isStratalogError(error, 'OFFSET_OUT_OF_RANGE') && error.metadata['logStartOffset'] === String(deleted),
    )
    await cluster.brokers.restart(brokerId)
    await cluster.healthy()
    for (const copy of addresses) {
      await cluster.until(
        async () => (await readCopy(copy, deleted - 1, visibleEnd!)) === 'OFFSET_OUT_OF_RANGE',
        () => `the copy at ${copy} still serves what was deleted`,
      )
      const read = await readCopy(copy, deleted, visibleEnd!)
      assert.equal(read[0], deleted, `the copy at ${copy}: ${String(read).slice(0, 100)}`)
      assert.equal(read.at(-1), visibleEnd! - 1)
    }
  }
})

test('every copy writes down how far it is committed, also one that was killed', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC, 3)
  await cluster.send(TOPIC, 300)
  const { visibleEnd } = (await cluster.client.admin.describePartitions({ topics: [TOPIC] }))[0]!
  const markOf = async (brokerId: number) => {
    const bytes = await readFile(join(cluster.dataDir(brokerId), COMMITTED_OFFSETS_FILE))
    return decodeCommittedOffsets(bytes)?.find(({ topic, partition }) => topic === TOPIC && partition === 0)
  }
  for (const brokerId of [1, 2, 3]) {
    await cluster.until(
      async () => ((await markOf(brokerId))?.committedEnd ?? 0) >= visibleEnd!,
      () => `broker ${brokerId} does not say what is committed`,
    )
  }
  await cluster.brokers.brokers[1]!.kill()
  assert.equal((await markOf(2))?.committedEnd, (await markOf(3))?.committedEnd)
})
