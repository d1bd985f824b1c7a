import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError, isStratalogError, StratalogError } from '@stratalog/proto'
import { RecordBatchBuilder } from '@stratalog/proto/records'
import type { KeyRange, KeyValueStore, StoreOperation } from '../storage/key-value-store.ts'
import { settled } from '../testing/manual-clock.ts'
import { MemoryLogCluster } from '../testing/memory-replicated-log.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { MetadataError } from './metadata-error.ts'
import { encodeRecords, type MetadataChange, MetadataGroup } from './metadata-group.ts'
import type { MetadataImage } from './metadata-image.ts'
import { type MetadataRecord, newPartition } from './metadata-records.ts'
import { recordsOfImage } from './metadata-rows.ts'
import { MetadataStore } from './metadata-store.ts'

const FOUNDED: MetadataRecord = {
  type: 'cluster-founded',
  clusterId: 'c',
  controllers: [{ brokerId: 1, generation: 0 }],
  featureLevel: 1,
}

const topicId = (serial: number): string => serial.toString(16).padStart(32, '0')

function created(serial: number): MetadataRecord {
  const partitions = [newPartition(0, [1])]
  return { type: 'topic-created', name: `topic-${serial}`, topicId: topicId(serial), partitions, configs: {} }
}

const executed = (serial: number): MetadataRecord => {
  return { type: 'command-executed', commandId: `c${serial}`, result: {} }
}

/** Batches that make ten topics and delete every third, with a change of leaders in between. */
function fill(log: MemoryLogCluster): void {
  const leader = log.replica(1)
  log.elect(1)
  leader.append(batchOf([FOUNDED]))
  for (let serial = 0; serial < 10; serial++) {
    leader.append(batchOf([created(serial), executed(serial)]))
    if (serial % 3 === 0) leader.append(batchOf([{ type: 'topic-deleted', topicId: topicId(serial) }]))
    log.commit()
    if (serial === 4) log.elect(1)
  }
}

function batchOf(records: readonly MetadataRecord[]): Buffer {
  const builder = new RecordBatchBuilder()
  for (const value of encodeRecords(records)) builder.append({ key: null, value })
  return builder.buildSync()
}

interface Follower {
  readonly group: MetadataGroup
  readonly failures: unknown[]
  readonly carriedOut: MetadataChange[]
}

async function follow(log: MemoryLogCluster, disk: KeyValueStore, starts = true): Promise<Follower> {
  const failures: unknown[] = []
  const carriedOut: MetadataChange[] = []
  const group = await MetadataGroup.open({
    log: log.replica(2),
    store: new MetadataStore(disk),
    beside: (records) =>
      records
        .filter(({ type }) => type === 'topic-deleted')
        .map((record) => ({ kind: 'put', key: `local/deleted/${JSON.stringify(record)}`, value: Buffer.of(1) })),
    onFailed: (error) => failures.push(error),
  })
  const carryOut = async (change: MetadataChange): Promise<void> => {
    await settled()
    carriedOut.push(change)
  }
  if (starts) await group.startFollowing({ start: async () => undefined, carryOut })
  return { group, failures, carriedOut }
}

/** Whatever came of following must be this. */
async function expected(): Promise<{ image: MetadataImage; rows: Map<string, Buffer> }> {
  const log = new MemoryLogCluster()
  fill(log)
  const disk = new MemoryStore()
  const { group } = await follow(log, disk)
  await group.reached(log.committedEnd)
  await group.close()
  return { image: group.image, rows: await rowsOf(disk) }
}

async function rowsOf(disk: MemoryStore): Promise<Map<string, Buffer>> {
  const rows = new Map<string, Buffer>()
  for await (const [key, value] of disk.iterate({ from: '', to: '~' })) rows.set(key, value)
  return rows
}

/** Stops with the power: at a batch of operations, before or after it is on the disk. */
class PoweredStore implements KeyValueStore {
  readonly #disk: MemoryStore
  readonly #stopAt: number
  readonly #when: 'before' | 'after'
  count = 0

  constructor(disk: MemoryStore, stopAt: number, when: 'before' | 'after') {
    this.#disk = disk
    this.#stopAt = stopAt
    this.#when = when
  }

  get stopped(): boolean {
    return this.count >= this.#stopAt
  }

  async batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    if (this.stopped) return new Promise(() => undefined)
    this.count++
    if (this.stopped && this.#when === 'before') return new Promise(() => undefined)
    await this.#disk.batch(operations, options)
    if (this.stopped) return new Promise(() => undefined)
  }

  get(key: string): Promise<Buffer | null> {
    return this.#disk.get(key)
  }

  iterate(range: KeyRange): AsyncIterable<readonly [string, Buffer]> {
    return this.#disk.iterate(range)
  }

  close(): Promise<void> {
    return this.#disk.close()
  }
}

test('a crash at each batch of the store: it goes on with the first one that is not there', async (t) => {
  const { image, rows } = await expected()
  let crashes = 0
  for (const starts of [true, false]) {
    for (const when of ['before', 'after'] as const) {
      for (let step = 1; ; step++) {
        const log = new MemoryLogCluster()
        const disk = new MemoryStore()
        const powered = new PoweredStore(disk, step, when)
        const { group } = await follow(log, powered, starts)
        fill(log)
        for (let turn = 0; turn < 20 && !powered.stopped; turn++) await settled()
        const before = group.image.metadataOffset
        const survivor = disk.crash()
        const again = await follow(log, survivor)
        assert.ok(again.group.image.metadataOffset >= 0 && before <= log.committedEnd)
        await again.group.reached(log.committedEnd)
        assert.deepEqual(again.failures, [])
        assert.deepEqual(again.group.image, image)
        await again.group.close()
        assert.deepEqual(await rowsOf(survivor), rows)
        crashes++
        if (!powered.stopped) break
      }
    }
  }
  t.diagnostic(`${crashes} crashes`)
})

test('changes are carried out one after another, and told of afterwards', async () => {
  const log = new MemoryLogCluster()
  const { group, carriedOut } = await follow(log, new MemoryStore())
  const heard: number[] = []
  group.onChange(({ after }) => {
    assert.equal(carriedOut.at(-1)?.after, after)
    heard.push(after.metadataOffset)
  })
  fill(log)
  await group.reached(log.committedEnd)
  assert.equal(carriedOut.length, 15)
  assert.deepEqual(
    heard,
    carriedOut.map(({ after }) => after.metadataOffset),
  )
  for (const [i, { before }] of carriedOut.entries()) {
    if (i > 0) assert.deepEqual(before.topicsById, carriedOut[i - 1]!.after.topicsById)
  }
})

test('before it is to follow nothing is carried out, and few writes catch up with a long log', async () => {
  const log = new MemoryLogCluster()
  fill(log)
  const disk = new MemoryStore()
  const { group, carriedOut } = await follow(log, disk, false)
  await group.reached(log.committedEnd)
  assert.equal(carriedOut.length, 0)
  assert.equal(disk.syncCount, 2, 'one on each side of the change of leaders')
  const started: MetadataImage[] = []
  await group.startFollowing({
    start: async (image) => {
      await settled()
      started.push(image)
    },
    carryOut: async (change) => void carriedOut.push(change),
  })
  assert.deepEqual(started, [group.image])
  log.replica(1).append(batchOf([created(20)]))
  log.commit()
  await group.reached(log.committedEnd)
  assert.deepEqual(
    carriedOut.map(({ records }) => records.map(({ type }) => type)),
    [['topic-created']],
  )
})

test('what arrives while it starts to follow is carried out after it has', async () => {
  const log = new MemoryLogCluster()
  const leader = log.replica(1)
  log.elect(1)
  leader.append(batchOf([FOUNDED]))
  log.commit()
  const { group } = await follow(log, new MemoryStore(), false)
  await group.reached(log.committedEnd)
  const order: string[] = []
  await group.startFollowing({
    start: async () => {
      leader.append(batchOf([created(1)]))
      log.commit()
      await settled()
      order.push('started')
    },
    carryOut: async ({ records }) => void order.push(...records.map(({ type }) => type)),
  })
  await group.reached(log.committedEnd)
  assert.deepEqual(order, ['started', 'topic-created'])
})

test('records that cannot be read end it, with what was before them intact', async () => {
  const bad: [Buffer, RegExp][] = [
    [raw('\u0003{}'), /version 3/],
    [raw('\u0002{"type":"from-the-future"}'), /does not know/],
    [raw('\u0002{"type":"topic-deleted"}'), /topicId/],
    [batchOf([{ type: 'topic-deleted', topicId: topicId(77) }]), /does not exist/],
    [corrupted(batchOf([created(1)])), /checksum/],
  ]
  for (const [batch, text] of bad) {
    const log = new MemoryLogCluster()
    fill(log)
    const disk = new MemoryStore()
    const { group, failures } = await follow(log, disk)
    await group.reached(log.committedEnd)
    const before = await rowsOf(disk)
    log.replica(1).append(batch)
    log.commit()
    const waiting = group.reached(log.committedEnd)
    await assert.rejects(waiting, (error) => isStratalogError(error, 'STORAGE_ERROR'))
    assert.equal(failures.length, 1)
    assert.ok(failures[0] instanceof MetadataError || failures[0] instanceof InvariantError)
    assert.match(failures[0].message, text)
    assert.equal(group.isLeader, false)
    assert.deepEqual(await rowsOf(disk), before)
  }
})

test('a feature level from the future ends it', async () => {
  const log = new MemoryLogCluster()
  const leader = log.replica(1)
  log.elect(1)
  leader.append(batchOf([{ ...FOUNDED, featureLevel: 99 } as MetadataRecord]))
  log.commit()
  const { group, failures } = await follow(log, new MemoryStore())
  await assert.rejects(group.reached(1))
  assert.match(String(failures[0]), /feature level 99/)
})

test('a store that fails ends it; a log that has failed does too; a damaged copy is replaced', async () => {
  const log = new MemoryLogCluster()
  const disk = new MemoryStore()
  const { group, failures } = await follow(log, disk)
  disk.failWrites()
  fill(log)
  await assert.rejects(group.reached(1))
  assert.match(String(failures[0]), /could not be stored/)

  const other = new MemoryLogCluster()
  fill(other)
  const replica = other.replica(3)
  const ends: unknown[] = []
  const store = new MetadataStore(new MemoryStore())
  const second = await MetadataGroup.open({ log: replica, store, onFailed: (error) => ends.push(error) })
  replica.fail(new StratalogError('PARTITION_DAMAGED'))
  await settled()
  assert.deepEqual(ends, [])
  const renewed = other.replica(3)
  second.useLog(renewed)
  await second.reached(other.committedEnd)
  renewed.fail(new StratalogError('STORAGE_ERROR'))
  assert.match(String(ends[0]), /log has failed/)
})

test('what a broker held before there was a cluster comes into the one that it founds, and into no other', async () => {
  const v1 = (record: object): Buffer => Buffer.concat([Buffer.of(1), Buffer.from(JSON.stringify(record))])
  const partitions = [{ partition: 0, replicas: [1], lineage: null, fork: null }]
  const rows: [string, Buffer][] = [
    ['meta/applied', Buffer.from('{"metadataOffset":3}')],
    ['meta/broker/1', v1({ type: 'broker-registered', brokerId: 1, host: 'h', port: 1, rack: '' })],
    ['meta/producer-ids', v1({ type: 'producer-ids-allocated', nextProducerId: 1000 })],
    [
      `meta/topic/${topicId(7)}`,
      v1({ type: 'topic-created', name: 'mine', topicId: topicId(7), partitions, configs: {} }),
    ],
  ]
  const disk = new MemoryStore(new Map(rows))
  const log = new MemoryLogCluster()
  log.elect(1)
  const { group, failures } = await follow(log, disk)
  assert.equal(group.image.topicsByName.has('mine'), true)
  log.replica(1).append(batchOf([FOUNDED, ...recordsOfImage(group.legacyImage!)]))
  log.commit()
  await group.reached(log.committedEnd)
  assert.deepEqual(failures, [])
  assert.equal(group.legacyImage, null)
  assert.equal(group.image.nextProducerId, 1000)
  assert.deepEqual(group.image.topicsByName.get('mine')?.partitions, [newPartition(0, [1])])
  assert.deepEqual((await new MetadataStore(disk.crash()).load()).image, group.image)

  const foreign = new MemoryLogCluster()
  const stranger = await follow(foreign, new MemoryStore(new Map(rows)))
  fill(foreign)
  await assert.rejects(stranger.group.reached(1))
  assert.match(String(stranger.failures[0]), /topic mine from before it was in a cluster/)
})

function raw(text: string): Buffer {
  const builder = new RecordBatchBuilder()
  builder.append({ key: null, value: Buffer.from(text) })
  return builder.buildSync()
}

/** The last byte of its value is another one. */
function corrupted(batch: Buffer): Buffer {
  const position = batch.length - 2
  batch[position] = batch[position]! ^ 1
  return batch
}
