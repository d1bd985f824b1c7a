import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError, StratalogError } from '@stratalog/proto'
import fc from 'fast-check'
import { MemoryStore } from '../testing/memory-store.ts'
import type { Command, DecisionContext } from './commands.ts'
import { decideOnce } from './decide.ts'
import { decodeMetadataRecord, encodeMetadataRecord } from './metadata-codec.ts'
import { MetadataError } from './metadata-error.ts'
import { EMPTY_IMAGE, type MetadataImage, REMEMBERED_COMMAND_COUNT } from './metadata-image.ts'
import { type MetadataRecord, newPartition } from './metadata-records.ts'
import { replay } from './metadata-replay.ts'
import { MetadataStore } from './metadata-store.ts'

const BROKER_IDS = [1, 2, 3, 4]

function registered(brokerId: number): MetadataRecord {
  return {
    type: 'broker-registered',
    brokerId,
    host: 'h',
    port: 9400,
    rack: `rack-${brokerId % 3}`,
    peerHost: 'h',
    peerPort: 9500,
    directoryId: `d${brokerId}`,
    run: 'first',
    formerRuns: [],
    storageLost: false,
  }
}

const FOUNDING: readonly MetadataRecord[] = [
  {
    type: 'cluster-founded',
    clusterId: 'c',
    controllers: [1, 2, 3].map((brokerId) => ({ brokerId, generation: 0 })),
    featureLevel: 1,
  },
  ...BROKER_IDS.map(registered),
]
const FOUNDED = replay(EMPTY_IMAGE, FOUNDING)

const hexId = (serial: number): string => serial.toString(16).padStart(32, '0')
const names = fc.constantFrom('a', 'b', 'c', '__internal', 'bad name', '')
const configs = fc.constantFrom<Record<string, string>>(
  {},
  { 'retention.ms': '5' },
  { 'retention.ms': 'x' },
  { no: '1' },
)
const brokerId = fc.constantFrom(...BROKER_IDS, 9)

/** A command, given the image as it will be: some name what is there. */
type Scripted = (image: MetadataImage) => Command

function topicIdOf(image: MetadataImage, name: string): string {
  return image.topicsByName.get(name)?.topicId ?? hexId(999_999)
}

const fixed = (command: Command): Scripted => {
  return () => command
}

const scripted: fc.Arbitrary<Scripted> = fc.oneof(
  fc
    .record({
      name: names,
      partitionCount: fc.integer({ min: -1, max: 4 }),
      replicationFactor: fc.integer({ min: 0, max: 5 }),
      configs,
    })
    .map((topic) => fixed({ type: 'create-topic', ...topic })),
  names.map((name) => fixed({ type: 'delete-topic', name })),
  fc
    .record({ name: names, set: configs, unset: fc.constantFrom<string[]>([], ['retention.ms'], ['nope']) })
    .map((change) => fixed({ type: 'alter-topic-config', ...change })),
  fc
    .record({ name: names, partitionCount: fc.integer({ min: 0, max: 6 }) })
    .map((change) => fixed({ type: 'add-partitions', ...change })),
  fc.constant(fixed({ type: 'allocate-producer-ids' })),
  fc
    .record({
      brokerId,
      folder: fc.constantFrom('d', 'e'),
      runs: fc.subarray(['x', 'y', 'z'], { minLength: 1 }),
    })
    .map(({ brokerId: id, folder, runs }) =>
      fixed({
        type: 'register-broker',
        registration: {
          brokerId: id,
          clusterId: 'c',
          host: 'h',
          port: 9400,
          rack: '',
          peerHost: 'h',
          peerPort: 9500,
          directoryId: `${folder}${id}`,
          runs,
        },
      }),
    ),
  fc
    .record({ brokerId, drained: fc.boolean(), force: fc.boolean() })
    .map((change) => fixed({ type: 'drain-broker', ...change })),
  fc
    .record({ brokerId, decommissioning: fc.boolean() })
    .map((change) => fixed({ type: 'decommission-broker', ...change })),
  brokerId.map((id) => fixed({ type: 'maybe-remove-broker', brokerId: id })),
  fc
    .record({
      topic: names,
      partition: fc.integer({ min: 0, max: 3 }),
      brokerIds: fc.array(brokerId, { maxLength: 3 }),
    })
    .map((move) => fixed({ type: 'move-partition', ...move })),
  fc
    .record({ topic: names, partition: fc.integer({ min: 0, max: 3 }) })
    .map((move) => fixed({ type: 'cancel-move', ...move })),
  fc.record({ topic: names, partition: fc.integer({ min: 0, max: 3 }) }).map(({ topic, partition }): Scripted => {
    return (image) => {
      const target = image.topicsByName.get(topic)?.partitions[partition]?.target ?? []
      return { type: 'complete-reassignment', topicId: topicIdOf(image, topic), partition, target }
    }
  }),
  fc
    .record({
      topic: names,
      partition: fc.integer({ min: 0, max: 3 }),
      brokerId,
      generation: fc.integer({ min: 0, max: 3 }),
    })
    .map(({ topic, partition, ...lost }): Scripted => {
      return (image) => ({ type: 'renew-replica', topicId: topicIdOf(image, topic), partition, lost })
    }),
)

/** What the script leads to, batch by batch; refusals lead to nothing. */
function recordsOf(script: readonly Scripted[], upSeed: number): MetadataRecord[][] {
  let image = FOUNDED
  const decided: MetadataRecord[][] = []
  for (const [serial, command] of script.entries()) {
    const context: DecisionContext = {
      isBrokerUp: (broker) => (broker.brokerId + upSeed + serial) % 4 !== 0,
      newTopicId: () => hexId(serial),
    }
    const decision = decideOnce(image, `command-${serial}`, command(image), context)
    if (decision instanceof StratalogError || decision.records.length === 0) continue
    decided.push([...decision.records])
    image = replay(image, decision.records)
  }
  return decided
}

const scripts = fc.tuple(fc.array(scripted, { maxLength: 60 }), fc.nat(3))

test('property: records survive their bytes, and replaying them one by one or at once gives the same image', () => {
  fc.assert(
    fc.property(scripts, ([script, upSeed]) => {
      const decided = recordsOf(script, upSeed)
      const again = decided.map((records) =>
        records.map((record) => decodeMetadataRecord(encodeMetadataRecord(record), 'the record')),
      )
      assert.deepEqual(again, decided)
      const stepwise = again.reduce((image, records) => replay(image, records), FOUNDED)
      assert.deepEqual(replay(FOUNDED, decided.flat()), stepwise)
      assert.equal(stepwise.topicsById.size, stepwise.topicsByName.size)
    }),
  )
})

test('property: no copy ever comes back as the node that it was', () => {
  fc.assert(
    fc.property(scripts, ([script, upSeed]) => {
      const gone = new Set<string>()
      let current = new Set<string>()
      let image = FOUNDED
      for (const records of recordsOf(script, upSeed)) {
        image = replay(image, records)
        const now = nodesOf(image)
        for (const node of current) if (!now.has(node)) gone.add(node)
        for (const node of now) assert.equal(gone.has(node), false, `${node} is back`)
        current = now
      }
    }),
    { numRuns: 300 },
  )
})

test('property: whatever is decided, copies are on brokers that exist, each on another, and a repetition changes nothing', () => {
  fc.assert(
    fc.property(scripts, ([script, upSeed]) => {
      let image = FOUNDED
      for (const records of recordsOf(script, upSeed)) {
        image = replay(image, records)
        for (const topic of image.topicsById.values()) {
          for (const { replicas, target } of topic.partitions) {
            for (const list of [replicas, target ?? replicas]) {
              const ids = list.map((replica) => replica.brokerId)
              assert.equal(new Set(ids).size, ids.length)
              for (const id of ids) assert.ok(image.brokers.has(id), `broker ${id} was removed with a copy`)
            }
          }
        }
        for (const seat of image.controllers) {
          assert.equal(image.brokers.get(seat.brokerId)?.metadataGeneration, seat.generation)
        }
        const executed = records.at(-1)!
        assert.equal(executed.type, 'command-executed')
        const context = { isBrokerUp: () => true, newTopicId: () => hexId(1) }
        const repeated = decideOnce(image, (executed as { commandId: string }).commandId, { type: 'barrier' }, context)
        assert.deepEqual(repeated, { records: [], result: (executed as { result: object }).result })
      }
    }),
  )
})

test('property: the store gives back the image, also after a power loss', async () => {
  await fc.assert(
    fc.asyncProperty(scripts, async ([script, upSeed]) => {
      const disk = new MemoryStore()
      const store = new MetadataStore(disk)
      let image = FOUNDED
      await store.apply(EMPTY_IMAGE, image)
      for (const records of recordsOf(script, upSeed)) {
        const next = replay(image, records, image.metadataOffset + records.length + 1)
        await store.apply(image, next)
        image = next
      }
      const stored = await new MetadataStore(disk.crash()).load()
      assert.deepEqual(stored, { image, isLegacy: false })
      // Also in the order of execution.
      assert.deepEqual([...stored.image.commands.keys()], [...image.commands.keys()])
    }),
    { numRuns: 50 },
  )
})

test('the last commands are remembered, no more', async () => {
  const disk = new MemoryStore()
  const store = new MetadataStore(disk)
  let image = FOUNDED
  await store.apply(EMPTY_IMAGE, image)
  for (let i = 0; i < REMEMBERED_COMMAND_COUNT + 5; i++) {
    const next = replay(image, [{ type: 'command-executed', commandId: `c${i}`, result: { i } }])
    await store.apply(image, next)
    image = next
  }
  assert.equal(image.commands.size, REMEMBERED_COMMAND_COUNT)
  assert.equal(image.commands.has('c4'), false)
  assert.equal(image.commands.has('c5'), true)
  const { image: stored } = await new MetadataStore(disk.crash()).load()
  assert.deepEqual(stored, image)
})

test('records of another release, and bytes that are none, are refused', () => {
  const refused = (bytes: Buffer, code: string): void => {
    assert.throws(
      () => decodeMetadataRecord(bytes, 'the record'),
      (error) => error instanceof MetadataError && error.code === code,
      bytes.toString(),
    )
  }
  const bytes = encodeMetadataRecord({ type: 'producer-ids-allocated', nextProducerId: 5 })
  refused(Buffer.concat([Buffer.of(3), bytes.subarray(1)]), 'METADATA_TOO_NEW')
  refused(Buffer.concat([Buffer.of(2), Buffer.from('{"type":"new"}')]), 'METADATA_TOO_NEW')
  refused(Buffer.concat([Buffer.of(2), Buffer.from('{"type":"topic-deleted"}')]), 'METADATA_CORRUPT')
  refused(Buffer.concat([Buffer.of(2), Buffer.from('{"type"')]), 'METADATA_CORRUPT')
  refused(Buffer.alloc(0), 'METADATA_CORRUPT')
})

test('property: bytes are a record or a MetadataError, nothing else', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(`\u0002${text}`)),
      ),
      (bytes) => {
        try {
          decodeMetadataRecord(Buffer.from(bytes), 'the record')
        } catch (error) {
          assert.ok(error instanceof MetadataError)
        }
      },
    ),
  )
})

test('records of version 1 become those of this version', () => {
  const v1 = (record: object): Buffer => Buffer.concat([Buffer.of(1), Buffer.from(JSON.stringify(record))])
  const topicId = hexId(7)
  const partitions = [{ partition: 0, replicas: [1], lineage: null, fork: null }]
  assert.deepEqual(
    decodeMetadataRecord(v1({ type: 'topic-created', name: 'a', topicId, partitions, configs: { k: 'v' } }), 'it'),
    { type: 'topic-created', name: 'a', topicId, partitions: [newPartition(0, [1])], configs: { k: 'v' } },
  )
  assert.deepEqual(decodeMetadataRecord(v1({ type: 'partitions-added', topicId, partitions }), 'it'), {
    type: 'partitions-added',
    topicId,
    partitions: [newPartition(0, [1])],
  })
  assert.deepEqual(
    decodeMetadataRecord(v1({ type: 'broker-registered', brokerId: 1, host: 'h', port: 1, rack: 'r' }), 'it'),
    {
      type: 'broker-registered',
      brokerId: 1,
      host: 'h',
      port: 1,
      rack: 'r',
      peerHost: '',
      peerPort: 0,
      directoryId: '',
      run: '',
      formerRuns: [],
      storageLost: false,
    },
  )
})

test('rows of version 1 are loaded as what a broker held before there was a cluster', async () => {
  const disk = new MemoryStore()
  const v1 = (record: object): Buffer => Buffer.concat([Buffer.of(1), Buffer.from(JSON.stringify(record))])
  const topicId = hexId(7)
  const partitions = [{ partition: 0, replicas: [1], lineage: null, fork: null }]
  const rows: [string, Buffer][] = [
    ['meta/applied', Buffer.from('{"metadataOffset":3}')],
    ['meta/broker/1', v1({ type: 'broker-registered', brokerId: 1, host: 'h', port: 1, rack: '' })],
    ['meta/producer-ids', v1({ type: 'producer-ids-allocated', nextProducerId: 1000 })],
    [`meta/topic/${topicId}`, v1({ type: 'topic-created', name: 'a', topicId, partitions, configs: {} })],
  ]
  await disk.batch(
    rows.map(([key, value]) => ({ kind: 'put', key, value })),
    { sync: true },
  )
  const { image, isLegacy } = await new MetadataStore(disk).load()
  assert.equal(isLegacy, true)
  assert.equal(image.metadataOffset, 0)
  assert.equal(image.nextProducerId, 1000)
  assert.deepEqual(image.topicsByName.get('a')?.partitions, [newPartition(0, [1])])
})

test('rows that cannot be read are refused, whatever is wrong with them', async () => {
  const load = async (change: (rows: Map<string, Buffer>) => void): Promise<unknown> => {
    const disk = new MemoryStore()
    const topic = {
      type: 'topic-created',
      name: 'a',
      topicId: hexId(1),
      partitions: [newPartition(0, [1])],
      configs: {},
    }
    await new MetadataStore(disk).apply(EMPTY_IMAGE, replay(FOUNDED, [topic as MetadataRecord]))
    const rows = new Map<string, Buffer>()
    for await (const [key, value] of disk.iterate({ from: '', to: '~' })) rows.set(key, value)
    change(rows)
    return new MetadataStore(new MemoryStore(rows)).load()
  }
  const bad: [(rows: Map<string, Buffer>) => void, string][] = [
    [(rows) => rows.delete('meta/applied'), 'METADATA_CORRUPT'],
    [(rows) => rows.delete('meta/cluster'), 'METADATA_CORRUPT'],
    [(rows) => rows.set('meta/applied', Buffer.from('\u0002{"metadataOffset":-1}')), 'METADATA_CORRUPT'],
    [(rows) => rows.set(`meta/topic/${hexId(1)}`, Buffer.from('\u0002{}')), 'METADATA_CORRUPT'],
    [(rows) => rows.set('meta/broker/1', Buffer.from('\u0003{}')), 'METADATA_TOO_NEW'],
    [(rows) => rows.set('meta/new-kind/1', Buffer.from('\u0002{}')), 'METADATA_TOO_NEW'],
    [
      (rows) => rows.set('meta/cluster', Buffer.from('\u0002{"clusterId":"c","featureLevel":99,"controllers":[]}')),
      'METADATA_TOO_NEW',
    ],
  ]
  for (const [change, code] of bad) {
    await assert.rejects(load(change), (error) => error instanceof MetadataError && error.code === code)
  }
})

test('records that cannot follow are refused', () => {
  const replicas = [{ brokerId: 1, generation: 0 }]
  const impossible: MetadataRecord[] = [
    { type: 'topic-deleted', topicId: hexId(1) },
    { type: 'producer-ids-allocated', nextProducerId: -1 },
    { type: 'broker-drained', brokerId: 9, drained: true },
    { type: 'broker-removed', brokerId: 1 },
    { type: 'partition-reassigned', topicId: hexId(1), partition: 0, target: replicas },
    { type: 'cluster-founded', clusterId: 'd', controllers: replicas, featureLevel: 1 },
  ]
  for (const record of impossible) assert.throws(() => replay(FOUNDED, [record]), InvariantError, record.type)
})

function nodesOf(image: MetadataImage): Set<string> {
  const nodes = new Set<string>()
  const add = (group: string, copies: readonly { readonly brokerId: number; readonly generation: number }[]): void => {
    for (const { brokerId: id, generation } of copies) nodes.add(`${group}: ${id} g${generation}`)
  }
  for (const { topicId, partitions } of image.topicsById.values()) {
    for (const { partition, replicas, target } of partitions)
      add(`${topicId}-${partition}`, [...replicas, ...(target ?? [])])
  }
  add('metadata', image.controllers)
  for (const broker of image.brokers.values()) {
    add('metadata', [{ brokerId: broker.brokerId, generation: broker.metadataGeneration }])
  }
  return nodes
}
