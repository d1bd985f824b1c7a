import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMMITTED_OFFSETS_FILE, type CommittedOffsets, decodeCommittedOffsets } from '@stratalog/proto'
import { BrokerCore } from '../testing/broker-core.ts'
import { clientBatch } from '../testing/client-batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock, turn } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { COMMITTED_MARKS_INTERVAL_MS, CommittedMarks, type MarkedCopy } from './committed-marks.ts'

const PATH = `/data/${COMMITTED_OFFSETS_FILE}`
const TOPIC_ID = '0123456789abcdef0123456789abcdef'

class Copy implements MarkedCopy {
  readonly topic: string
  readonly topicId: Buffer = Buffer.from(TOPIC_ID, 'hex')
  readonly partition = 0
  committedEnd = 0
  logStartOffset = 0
  readonly #listeners = new Set<() => void>()

  constructor(topic: string) {
    this.topic = topic
  }

  committedBounds(): { readonly logStartOffset: number } {
    return { logStartOffset: this.logStartOffset }
  }

  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  moveTo(committedEnd: number, logStartOffset = this.logStartOffset): void {
    Object.assign(this, { committedEnd, logStartOffset })
    for (const listener of this.#listeners) listener()
  }
}

async function bench(fileSystem = new FakeFileSystem()) {
  await fileSystem.makeDirectory('/data/topics')
  const clock = new ManualClock()
  const warnings: string[] = []
  const logger = {
    info: () => undefined,
    warn: (_: object, text: string) => warnings.push(text),
    error: () => undefined,
  }
  const marks = new CommittedMarks({ directory: '/data', topicsDirectory: '/data/topics', fileSystem, clock, logger })
  await marks.load()
  const pass = (ms = COMMITTED_MARKS_INTERVAL_MS) => clock.advance(ms, turn)
  return { fileSystem, marks, pass, warnings }
}

function read(fileSystem: FakeFileSystem): CommittedOffsets[] | null {
  return fileSystem.paths.includes(PATH) ? decodeCommittedOffsets(fileSystem.contentOf(PATH)) : null
}

const line = (topic: string, committedEnd: number, logStartOffset = 0): CommittedOffsets => ({
  topic,
  topicId: TOPIC_ID,
  partition: 0,
  logStartOffset,
  committedEnd,
})

test('what has moved is written at most once a second, and nothing while nothing moves', async () => {
  const { fileSystem, marks, pass } = await bench()
  const [a, b] = [new Copy('a'), new Copy('b')]
  for (const copy of [a, b]) marks.opened(copy)
  for (let end = 1; end <= 100; end++) a.moveTo(end)
  assert.equal(read(fileSystem), null)
  await pass()
  assert.deepEqual(read(fileSystem), [line('a', 100), line('b', 0)])
  const { mutations } = fileSystem.counters
  a.moveTo(100)
  await pass(10_000)
  assert.equal(fileSystem.counters.mutations, mutations, 'it says what it said')
  b.moveTo(7, 3)
  await pass()
  assert.deepEqual(read(fileSystem), [line('a', 100), line('b', 7, 3)])
  await marks.stop()
})

test('a start that is beyond what is durable here is written as an empty log', async () => {
  const { fileSystem, marks } = await bench()
  const copy = new Copy('a')
  marks.opened(copy)
  copy.moveTo(5, 9)
  await marks.stop()
  assert.deepEqual(read(fileSystem), [line('a', 5, 5)])
})

test('a stop writes the last word, and copies that come later know what was there', async () => {
  const { fileSystem, marks } = await bench()
  const [a, b] = [new Copy('a'), new Copy('b')]
  for (const copy of [a, b]) marks.opened(copy)
  a.moveTo(3)
  b.moveTo(4)
  marks.closed(a)
  await marks.stop()
  await fileSystem.makeDirectory('/data/topics/a-0')
  const again = await bench(fileSystem)
  const c = new Copy('c')
  again.marks.opened(c)
  await again.pass()
  assert.deepEqual(read(fileSystem), [line('a', 3), line('c', 0)], 'the folder of b is gone')
})

test('a copy that was removed is forgotten, also if it moved just before', async () => {
  const { fileSystem, marks, pass } = await bench()
  const a = new Copy('a')
  marks.opened(a)
  await pass()
  a.moveTo(5)
  marks.removed('a', 0)
  await pass()
  assert.deepEqual(read(fileSystem), [])
})

test('a disk that is full only makes it lag', async () => {
  const { fileSystem, marks, pass, warnings } = await bench()
  const a = new Copy('a')
  marks.opened(a)
  a.moveTo(1)
  await pass()
  fileSystem.diskFullAfterBytes(0)
  a.moveTo(2)
  await pass()
  assert.deepEqual(read(fileSystem), [line('a', 1)])
  assert.deepEqual(warnings, ['the committed offsets could not be written'])
  fileSystem.diskFullAfterBytes(1e9)
  a.moveTo(3)
  await pass()
  assert.deepEqual(read(fileSystem), [line('a', 3)])
})

test('at any step of a power loss the file is the old one, the new one, or none', async () => {
  for (let step = 1, finished = false; !finished; step++) {
    const { fileSystem, marks, pass } = await bench()
    const a = new Copy('a')
    marks.opened(a)
    a.moveTo(10)
    await pass()
    fileSystem.stopAtOperation(fileSystem.counters.mutations + step)
    a.moveTo(20)
    await pass()
    finished = !fileSystem.stopped
    for (const loss of [{ keep: 'none' }, { keep: 'random', seed: step }] as const) {
      const found = read(fileSystem.crash(loss))
      assert.ok(found === null || [10, 20].includes(found[0]!.committedEnd), `step ${step}: ${JSON.stringify(found)}`)
    }
    const killed = read(fileSystem.kill())
    assert.ok(killed !== null && [10, 20].includes(killed[0]!.committedEnd), 'a killed process loses nothing whole')
  }
})

test('a broker names no more than its log holds after a power loss, and all of it after a clean stop', async () => {
  const world = { fileSystem: new FakeFileSystem(), store: new MemoryStore(), clock: new ManualClock() }
  await world.fileSystem.makeDirectory('/data')
  let core = await BrokerCore.start({ ...world, dataDirectory: '/data' })
  await core.createTopic('orders')
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 4; i++) await core.produce('orders', clientBatch(`r${round}b${i}`))
    if (round % 2 === 0) await world.clock.advance(COMMITTED_MARKS_INTERVAL_MS, turn)
    const fileSystem = world.fileSystem.crash({ keep: 'random', seed: round })
    const named = read(fileSystem)?.find(({ topic }) => topic === 'orders')
    Object.assign(world, { fileSystem, store: world.store.crash(), clock: new ManualClock() })
    core = await BrokerCore.start({ ...world, dataDirectory: '/data' })
    const { logEndOffset } = core.partition('orders').bounds()
    assert.ok((named?.committedEnd ?? 0) <= logEndOffset)
    if (named !== undefined) assert.equal(named.topicId, core.partition('orders').topicId.toString('hex'))
  }
  const { highWatermark } = core.partition('orders').bounds()
  await core.stop()
  const named = read(world.fileSystem)?.find(({ topic }) => topic === 'orders')
  assert.deepEqual([named?.logStartOffset, named?.committedEnd], [0, highWatermark])
})
