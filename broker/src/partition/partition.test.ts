import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError } from '@stratalog/proto'
import { decodeBatchSync, encodeLeaderChange, iterateBatches } from '@stratalog/proto/records'
import { resolveTopicConfig } from '../controller/topic-config.ts'
import { BrokerCore, type BrokerCoreOptions } from '../testing/broker-core.ts'
import { clientBatch } from '../testing/client-batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock, settled } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import type { Partition } from './partition.ts'
import type { ProduceOutcome } from './produce-outcome.ts'

interface World extends BrokerCoreOptions {
  readonly fileSystem: FakeFileSystem
  readonly store: MemoryStore
  readonly clock: ManualClock
}

function newWorld(): World {
  return { fileSystem: new FakeFileSystem(), store: new MemoryStore(), clock: new ManualClock() }
}

/** The world after a power loss in which nothing unsynced survived. */
function afterPowerLoss({ fileSystem, store }: World): World {
  return { fileSystem: fileSystem.crash({ keep: 'none' }), store: store.crash(), clock: new ManualClock() }
}

async function startWithTopic(world: World, configs: Record<string, string> = {}): Promise<BrokerCore> {
  const core = await BrokerCore.start(world)
  await core.createTopic('orders', 1, configs)
  return core
}

/** Values of all committed records, read batch by batch as a consumer does. */
async function valuesOf(partition: Partition, maxBytes = 200): Promise<string[]> {
  const values: string[] = []
  let next = partition.bounds().logStartOffset
  for (;;) {
    const { bytes, nextOffset } = await partition.read(next, maxBytes)
    if (bytes === null) {
      assert.equal(nextOffset, partition.bounds().highWatermark)
      return values
    }
    for (const { position, header } of iterateBatches(bytes)) {
      assert.equal(header.control, false, 'control batches are not served')
      for (const record of decodeBatchSync(bytes, position)) values.push(record.value!.toString())
    }
    assert.ok(nextOffset > next)
    next = nextOffset
  }
}

function okOf(outcome: ProduceOutcome): ProduceOutcome & { kind: 'ok' } {
  assert.equal(outcome.kind, 'ok', outcome.kind === 'error' ? outcome.error.message : '')
  return outcome as ProduceOutcome & { kind: 'ok' }
}

function codeOf(outcome: ProduceOutcome): string {
  return outcome.kind === 'error' ? outcome.error.code : 'ok'
}

test('a batch is committed, acknowledged with its durability, and read back', async () => {
  const core = await startWithTopic(newWorld())
  assert.deepEqual(await core.produce('orders', clientBatch('a', { recordCount: 3 })), {
    kind: 'ok',
    baseOffset: 0,
    leaderEpoch: 1,
    logAppendTimeMs: -1,
    logStartOffset: 0,
    durability: 'fsynced',
    duplicate: false,
  })
  const expected = { logStartOffset: 0, highWatermark: 3, visibleEnd: 3, logEndOffset: 3, leaderEpoch: 1 }
  assert.deepEqual(core.partition('orders').bounds(), expected)
  assert.deepEqual(await valuesOf(core.partition('orders')), ['a-0', 'a-1', 'a-2'])
  await core.stop()
})

test('acknowledged batches survive a power loss, and the seam between leaders is not seen', async () => {
  let world = newWorld()
  let core = await startWithTopic(world)
  const expected: string[] = []
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 3; i++) {
      okOf(await core.produce('orders', clientBatch(`r${round}b${i}`)))
      expected.push(`r${round}b${i}-0`)
    }
    world = afterPowerLoss(world)
    core = await BrokerCore.start(world)
    const partition = core.partition('orders')
    partition.checkInvariants()
    const { visibleEnd, highWatermark, leaderEpoch } = partition.bounds()
    assert.equal(leaderEpoch, round + 2)
    assert.equal(visibleEnd, highWatermark - 1, 'the new leader wrote one control batch, which clients do not see')
    assert.deepEqual(await valuesOf(partition), expected)
    assert.deepEqual(await valuesOf(partition, 100_000), expected)
  }
})

test('an empty topic stays 0..0 over restarts and power losses', async () => {
  let world = newWorld()
  let core = await startWithTopic(world)
  for (let round = 0; round < 3; round++) {
    const { logStartOffset, highWatermark, visibleEnd, logEndOffset } = core.partition('orders').bounds()
    assert.deepEqual([logStartOffset, highWatermark, visibleEnd, logEndOffset], [0, 0, 0, 0])
    assert.deepEqual(core.partition('orders').state(), { kind: 'serving' })
    if (round === 0) await core.stop()
    world = round === 0 ? { ...world, store: world.store.crash() } : afterPowerLoss(world)
    core = await BrokerCore.start(world)
  }
  assert.equal(okOf(await core.produce('orders', clientBatch('first'))).baseOffset, 0)
})

test('duplicates get the original offsets, before and after clean and unclean restarts', async () => {
  let world = newWorld()
  let core = await startWithTopic(world)
  const send = (baseSequence: number) =>
    core.produce('orders', clientBatch(`s${baseSequence}`, { producerId: 7, baseSequence, recordCount: 2 }))
  const first = okOf(await send(0))
  const second = okOf(await send(2))
  const again = okOf(await send(0))
  assert.deepEqual([again.baseOffset, again.duplicate], [first.baseOffset, true])
  for (const stop of ['clean', 'power', 'clean', 'power'] as const) {
    if (stop === 'clean') await core.stop()
    world = afterPowerLoss(world)
    core = await BrokerCore.start(world)
    const duplicate = okOf(await send(2))
    assert.deepEqual([duplicate.baseOffset, duplicate.duplicate], [second.baseOffset, true], stop)
    assert.equal(codeOf(await send(10)), 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  }
  assert.deepEqual(await valuesOf(core.partition('orders')), ['s0-0', 's0-1', 's2-0', 's2-1'])
})

test('a duplicate of a batch that is not committed yet waits for it', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  const release = world.fileSystem.holdSyncs()
  const outcomes: ProduceOutcome[] = []
  const send = () => {
    const batch = clientBatch('x', { producerId: 1, baseSequence: 0 })
    core.partition('orders').produce(batch, { acks: 'all', timeoutMs: 1000 }, (outcome) => outcomes.push(outcome))
  }
  send()
  send()
  await settled()
  assert.equal(outcomes.length, 0)
  release()
  await settled()
  assert.deepEqual(
    outcomes.map((outcome) => [okOf(outcome).baseOffset, okOf(outcome).duplicate]),
    [
      [0, false],
      [0, true],
    ],
  )
  await core.stop()
})

test('acks leader answers from the page cache, acks all after the sync, acks none at once', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  const release = world.fileSystem.holdSyncs()
  assert.equal(okOf(await core.produce('orders', clientBatch('l'), 'leader')).durability, 'memory')
  assert.equal(okOf(await core.produce('orders', clientBatch('n'), 'none')).durability, 'memory')
  let answered = false
  const pending = core.produce('orders', clientBatch('a')).then((outcome) => {
    answered = true
    return outcome
  })
  await settled()
  assert.equal(answered, false)
  assert.equal(core.partition('orders').bounds().highWatermark, 0, 'nothing is shown before it is committed')
  release()
  assert.equal(okOf(await pending).durability, 'fsynced')
  assert.equal(core.partition('orders').bounds().highWatermark, 3)
  await core.stop()
})

test('flush.policy replicated acknowledges without the sync and says so', async () => {
  const world = newWorld()
  const core = await startWithTopic(world, { 'flush.policy': 'replicated' })
  const release = world.fileSystem.holdSyncs()
  assert.equal(okOf(await core.produce('orders', clientBatch('a'))).durability, 'replicated')
  release()
  await core.stop()
})

test('a change of the flush policy never makes an acknowledgement claim a sync that did not happen', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  const release = world.fileSystem.holdSyncs()
  const first = core.produce('orders', clientBatch('a'))
  const second = core.produce('orders', clientBatch('b'))
  // As the metadata would say, whose log is on the same disk.
  const configs = new Map([['flush.policy', 'replicated']])
  core.registry.updateConfig('orders', resolveTopicConfig(configs, new Map()))
  const third = core.produce('orders', clientBatch('c'))
  release()
  for (const outcome of await Promise.all([first, second, third])) {
    const end = okOf(outcome).baseOffset + 1
    if (okOf(outcome).durability === 'fsynced') assert.ok(end <= 2)
  }
  await core.stop()
})

test('timeout: REQUEST_TIMED_OUT once, the batch may still be committed', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  const release = world.fileSystem.holdSyncs()
  const outcomes: string[] = []
  const partition = core.partition('orders')
  partition.produce(clientBatch('a'), { acks: 'all', timeoutMs: 300 }, (outcome) => outcomes.push(codeOf(outcome)))
  await settled()
  await world.clock.advance(200)
  assert.deepEqual(outcomes, [])
  await world.clock.advance(200)
  assert.deepEqual(outcomes, ['REQUEST_TIMED_OUT'])
  release()
  await settled()
  assert.deepEqual(outcomes, ['REQUEST_TIMED_OUT'])
  assert.deepEqual(await valuesOf(partition), ['a-0'])
  await core.stop()
})

test('a failing fsync stops the partition: nothing is acknowledged after it, reads end, others go on', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  await core.createTopic('other')
  okOf(await core.produce('orders', clientBatch('safe')))
  world.fileSystem.failNextDatasync()
  assert.equal(codeOf(await core.produce('orders', clientBatch('lost'))), 'STORAGE_ERROR')
  assert.equal(codeOf(await core.produce('orders', clientBatch('later'))), 'STORAGE_ERROR')
  assert.equal(core.partition('orders').state().kind, 'unavailable')
  await assert.rejects(core.partition('orders').read(0, 100), (error) => isStratalogError(error, 'STORAGE_ERROR'))
  okOf(await core.produce('other', clientBatch('fine')))
  assert.deepEqual(
    [...core.registry.problems()].map(({ topic, error }) => [topic, error.code]),
    [['orders', 'STORAGE_ERROR']],
  )
  const restarted = await BrokerCore.start(afterPowerLoss(world))
  assert.deepEqual(await valuesOf(restarted.partition('orders')), ['safe-0'])
})

test('a full disk refuses writes, serves reads, and is over by itself', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  okOf(await core.produce('orders', clientBatch('before')))
  world.fileSystem.diskFullAfterBytes(10)
  const caught = clientBatch('caught', { producerId: 3 })
  assert.equal(codeOf(await core.produce('orders', Buffer.from(caught))), 'DISK_FULL')
  assert.equal(codeOf(await core.produce('orders', clientBatch('refused'))), 'DISK_FULL')
  assert.deepEqual(await valuesOf(core.partition('orders')), ['before-0'])
  assert.equal(core.partition('orders').describe().diskFull, true)
  world.fileSystem.diskFullAfterBytes(Number.POSITIVE_INFINITY)
  await world.clock.advance(2000)
  assert.equal(core.partition('orders').describe().diskFull, false)
  const retried = okOf(await core.produce('orders', Buffer.from(caught)))
  assert.deepEqual([retried.baseOffset, retried.duplicate], [1, true], 'the batch that was caught is written once')
  okOf(await core.produce('orders', clientBatch('after')))
  assert.deepEqual(await valuesOf(core.partition('orders')), ['before-0', 'caught-0', 'after-0'])
  await core.stop()
})

test('stopping on a full disk ends, and answers everybody', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  world.fileSystem.diskFullAfterBytes(10)
  const pending = core.produce('orders', clientBatch('a'))
  await core.stop()
  assert.notEqual(codeOf(await pending), 'ok')
})

test('bad batches are refused with the right error and leave no trace', async () => {
  const core = await startWithTopic(newWorld(), { 'max.message.bytes': '1024' })
  const refused = async (batch: Buffer) => codeOf(await core.produce('orders', batch))
  const flipped = clientBatch('a')
  flipped[70]! ^= 1
  const magic = clientBatch('a')
  magic[16] = 1
  const codec = clientBatch('a')
  codec[22] = 7
  assert.equal(await refused(flipped), 'CORRUPT_MESSAGE')
  assert.equal(await refused(magic), 'CORRUPT_MESSAGE')
  assert.equal(await refused(codec), 'UNSUPPORTED_COMPRESSION_TYPE')
  assert.equal(await refused(clientBatch('a').subarray(0, 40)), 'CORRUPT_MESSAGE')
  assert.equal(await refused(Buffer.alloc(0)), 'CORRUPT_MESSAGE')
  assert.equal(await refused(Buffer.concat([clientBatch('a'), clientBatch('b')])), 'CORRUPT_MESSAGE')
  assert.equal(await refused(encodeLeaderChange({ leaderId: 1, voterIds: [1], timestamp: 1 })), 'INVALID_RECORD')
  const large = await core.produce('orders', clientBatch('a', { valueBytes: 2000 }))
  assert.ok(large.kind === 'error' && large.error.code === 'MESSAGE_TOO_LARGE')
  assert.match(large.error.message, /\d{4} bytes .* 1024/)
  assert.equal(core.partition('orders').bounds().logEndOffset, 0)
  okOf(await core.produce('orders', clientBatch('good')))
  await core.stop()
})

test('LogAppendTime stamps the broker clock, and duplicates are told the original time', async () => {
  const world = newWorld()
  const core = await startWithTopic(world, { 'message.timestamp.type': 'LogAppendTime' })
  const nowMs = world.clock.nowMs()
  const send = () => core.produce('orders', clientBatch('a', { producerId: 1, timestamp: 5 }))
  assert.equal(okOf(await send()).logAppendTimeMs, nowMs)
  await world.clock.advance(1000)
  assert.equal(okOf(await send()).logAppendTimeMs, nowMs)
  const { bytes } = await core.partition('orders').read(0, 1000)
  const [record] = [...decodeBatchSync(bytes!, 0)]
  assert.equal(record!.timestamp, nowMs)
  await core.stop()
})

test('uncommitted bytes are bounded: OVERLOADED, and over once the disk catches up', async () => {
  const world = { ...newWorld(), uncommittedBytesMax: 3000 }
  const core = await startWithTopic(world)
  const release = world.fileSystem.holdSyncs()
  const outcomes = Array.from({ length: 5 }, (_, i) =>
    core.produce('orders', clientBatch(`b${i}`, { valueBytes: 1000 })),
  )
  await settled()
  release()
  assert.deepEqual((await Promise.all(outcomes)).map(codeOf), ['ok', 'ok', 'OVERLOADED', 'OVERLOADED', 'OVERLOADED'])
  okOf(await core.produce('orders', clientBatch('after', { valueBytes: 1000 })))
  await core.stop()
})

test('answers come in the order of the calls, errors included', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  const order: string[] = []
  const partition = core.partition('orders')
  for (let i = 0; i < 40; i++) {
    const batch = i % 3 === 1 ? Buffer.alloc(5) : clientBatch(`b${i}`)
    partition.produce(batch, { acks: 'all', timeoutMs: 1000 }, (outcome) => order.push(`${i}:${codeOf(outcome)}`))
  }
  await settled()
  assert.deepEqual(
    order,
    Array.from({ length: 40 }, (_, i) => `${i}:${i % 3 === 1 ? 'CORRUPT_MESSAGE' : 'ok'}`),
  )
  await core.stop()
})

test('offsets out of range say what was asked and what exists', async () => {
  const core = await startWithTopic(newWorld())
  await core.produce('orders', clientBatch('a', { recordCount: 2 }))
  await assert.rejects(core.partition('orders').read(3, 100), (error) => {
    assert.ok(isStratalogError(error, 'OFFSET_OUT_OF_RANGE'))
    assert.deepEqual(error.metadata, { offset: '3', logStartOffset: '0', visibleEnd: '2' })
    return true
  })
  const atEnd = await core.partition('orders').read(2, 100)
  assert.deepEqual([atEnd.bytes, atEnd.nextOffset], [null, 2])
  await core.stop()
})

test('timestamps and epochs are looked up among committed data', async () => {
  let world = newWorld()
  let core = await startWithTopic(world)
  await core.produce('orders', clientBatch('a', { recordCount: 3, timestamp: 100 }))
  world = afterPowerLoss(world)
  core = await BrokerCore.start(world)
  await core.produce('orders', clientBatch('b', { recordCount: 2, timestamp: 50 }))
  const partition = core.partition('orders')
  assert.deepEqual(await partition.offsetForTimestamp(101), { offset: 1, timestamp: 101, leaderEpoch: 1 })
  assert.deepEqual(await partition.maxTimestamp(), { offset: 2, timestamp: 102, leaderEpoch: 1 })
  assert.equal(await partition.offsetForTimestamp(103), null)
  assert.equal(partition.checkEpoch(1, 3), null)
  assert.equal(partition.checkEpoch(1, 4)?.code, 'OFFSET_OUT_OF_RANGE')
  assert.equal(partition.checkEpoch(9, 4)?.code, 'UNKNOWN_LEADER_EPOCH')
  await core.stop()
})

test('an idle partition needs no ticks, and wakes up for work', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  await world.clock.advance(10_000)
  assert.equal(core.environment.ticks.memberCount, 0)
  const idleAlarmCount = world.clock.alarmCount
  okOf(await core.produce('orders', clientBatch('a')))
  assert.notEqual(core.environment.ticks.memberCount, 0)
  await world.clock.advance(10_000)
  assert.equal(core.environment.ticks.memberCount, 0)
  assert.equal(world.clock.alarmCount, idleAlarmCount)
  await core.stop()
})

test('stopping lets what is under way be acknowledged and refuses what comes later', async () => {
  const world = newWorld()
  const core = await startWithTopic(world)
  const partition = core.partition('orders')
  const release = world.fileSystem.holdSyncs()
  const pending = core.produce('orders', clientBatch('a'))
  const stopped = core.stop()
  await settled()
  const late = await new Promise<ProduceOutcome>((resolve) => {
    partition.produce(clientBatch('late'), { acks: 'leader', timeoutMs: 1000 }, resolve)
  })
  assert.equal(codeOf(late), 'SHUTTING_DOWN')
  await settled()
  release()
  await stopped
  assert.equal(okOf(await pending).durability, 'fsynced')
})

test('damage met by a read ends the partition: nothing of it is served, others go on', async () => {
  const world = newWorld()
  let core = await startWithTopic(world)
  await core.createTopic('other')
  for (let i = 0; i < 5; i++) okOf(await core.produce('orders', clientBatch(`b${i}`, { valueBytes: 3000 })))
  await core.stop()
  const path = world.fileSystem.paths.find((name) => /orders-0\/\d+\.log$/.test(name))!
  world.fileSystem.flipBit(path, 7000)
  core = await BrokerCore.start({ ...world, store: world.store.crash() })
  const partition = core.partition('orders')
  assert.equal((await partition.read(0, 4000)).nextOffset, 1)
  await assert.rejects(partition.read(2, 4000), (error) => isStratalogError(error, 'PARTITION_DAMAGED'))
  assert.equal(codeOf(await core.produce('orders', clientBatch('x'))), 'PARTITION_DAMAGED')
  okOf(await core.produce('other', clientBatch('fine')))
  assert.ok(core.logged.some(({ message }) => message === 'the partition is damaged'))
  await core.stop()
})

test('two opens after a kill agree on everything', async () => {
  let world = newWorld()
  let core = await startWithTopic(world)
  for (let i = 0; i < 5; i++)
    okOf(await core.produce('orders', clientBatch(`b${i}`, { producerId: 4, baseSequence: i })))
  const values = await valuesOf(core.partition('orders'))
  for (let open = 0; open < 2; open++) {
    world = { ...world, fileSystem: world.fileSystem.crash({ keep: 'all' }), store: world.store.crash() }
    core = await BrokerCore.start(world)
    assert.deepEqual(await valuesOf(core.partition('orders')), values)
    const retried = okOf(await core.produce('orders', clientBatch('b2', { producerId: 4, baseSequence: 2 })))
    assert.deepEqual([retried.baseOffset, retried.duplicate], [2, true])
  }
})
