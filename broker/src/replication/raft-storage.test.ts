import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toLeaderEpoch, toOffset } from '@stratalog/proto'
import { confStateOf, type HardState } from 'raft-ts'
import { FlushScheduler } from '../log/flush-scheduler.ts'
import { DEFAULT_LOG_CONFIG } from '../log/log-config.ts'
import { OpenFileCache } from '../log/open-file-cache.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { TailBudget } from '../log/tail-cache.ts'
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock, settled } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { ByteRate } from './byte-rate.ts'
import { GroupState } from './group-state.ts'
import { GroupStateStore } from './group-state-store.ts'
import { RaftStorage } from './raft-storage.ts'

async function openLog(tailBytes = 1024 * 1024): Promise<PartitionLog> {
  const fileSystem = new FakeFileSystem()
  return PartitionLog.open({
    directory: '/t-0',
    fileSystem,
    config: DEFAULT_LOG_CONFIG,
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem }),
    tails: new TailBudget(tailBytes),
    clock: new ManualClock(),
  })
}

interface Made {
  readonly storage: RaftStorage
  readonly clock: ManualClock
}

async function storageOver(
  log: PartitionLog,
  options: { hardState?: HardState; bytesPerSecond?: number; onLoaded?: () => void } = {},
): Promise<Made> {
  const clock = new ManualClock()
  const store = await GroupStateStore.open(new MemoryStore())
  const conf = { confState: confStateOf([1]), confPosition: 0, pending: [] }
  await store.put('raft/t-0', {
    generation: 0,
    hardState: options.hardState ?? null,
    conf,
    flushedEnd: 0,
    resetTo: null,
  })
  const state = await GroupState.open({ store, key: 'raft/t-0', log, generation: 0, nodeId: 1, initialVoters: [1] })
  const storage = new RaftStorage({
    log,
    state,
    catchUp: new ByteRate(clock, options.bytesPerSecond ?? 0),
    clock,
    onLoaded: options.onLoaded ?? (() => undefined),
    onFailed: (error) => assert.fail(String(error)),
  })
  return { storage, clock }
}

/** Offsets 0..2 in epoch 1, a control batch at 3 and data 4..5 in epoch 2. */
async function filledLog(tailBytes?: number): Promise<PartitionLog> {
  const log = await openLog(tailBytes)
  log.append([
    dataBatch({ baseOffset: 0, recordCount: 3 }),
    leaderChangeBatch(3, 2),
    dataBatch({ baseOffset: 4, epoch: 2, recordCount: 2 }),
  ])
  await log.flush()
  return log
}

test('a new log has no state; positions are the offsets of the log', async () => {
  const log = await openLog()
  const { storage } = await storageOver(log)
  assert.equal(storage.initialState().hardState, null)
  assert.deepEqual([storage.startPosition(), storage.endPosition(), storage.termAt(0)], [0, 0, 0])
  await log.close()
})

test('terms are those of the batches; outside of the log they are unavailable', async () => {
  const log = await filledLog()
  const { storage } = await storageOver(log)
  assert.deepEqual(
    [1, 3, 4, 6].map((position) => storage.termAt(position)),
    [1, 1, 2, 2],
  )
  assert.equal(storage.termAt(7), 'unavailable')
  await log.close()
})

test('the stored state is brought in line with the log', async () => {
  const log = await filledLog()
  const initial = async (term: number, commit: number) =>
    (await storageOver(log, { hardState: { term, vote: 1, commit } })).storage.initialState().hardState
  assert.deepEqual(await initial(5, 4), { term: 5, vote: 1, commit: 4 })
  assert.deepEqual(
    await initial(1, 99),
    { term: 2, vote: null, commit: 6 },
    'the log has a later term and ends earlier',
  )
  const { storage } = await storageOver(log)
  assert.deepEqual(storage.initialState().hardState, { term: 2, vote: null, commit: 0 })
  await log.close()
})

const FILLED = [
  [0, 3, 1, 'data'],
  [3, 4, 2, 'leader'],
  [4, 6, 2, 'data'],
]

test('entries in memory are read at once, with the bytes of all', async () => {
  const log = await filledLog()
  const { storage } = await storageOver(log)
  const entries = storage.entries(0, 6, 1e6)
  assert.ok(typeof entries !== 'string')
  assert.deepEqual(
    entries.map(({ base, end, term, kind }) => [base, end, term, kind]),
    FILLED,
  )
  const { bytes } = await log.read(toOffset(0), toOffset(6), 1e6)
  assert.deepEqual(Buffer.concat(entries.map(({ data }) => data!)), bytes)
  assert.equal(storage.entries(0, 6, 1).length, 1)
  assert.equal(storage.entries(0, 4, 1e6).length, 2)
  await log.close()
})

test('entries that are not in memory are loaded, and given out once', async () => {
  const log = await filledLog(0)
  let loads = 0
  const { storage } = await storageOver(log, { onLoaded: () => loads++ })
  assert.equal(storage.entries(0, 6, 1e6), 'pending')
  assert.equal(storage.entries(0, 6, 1e6), 'pending')
  await settled()
  assert.equal(loads, 1)
  const entries = storage.entries(0, 6, 1e6)
  assert.ok(typeof entries !== 'string')
  assert.deepEqual(
    entries.map(({ base, end, term, kind }) => [base, end, term, kind]),
    FILLED,
  )
  assert.equal(storage.entries(0, 6, 1), 'pending')
  await log.close()
})

test('followers that lag at different places do not take turns', async () => {
  const log = await filledLog(0)
  const { storage } = await storageOver(log)
  storage.entries(0, 3, 1e6)
  storage.entries(4, 6, 1e6)
  await settled()
  assert.notEqual(storage.entries(4, 6, 1e6), 'pending')
  assert.notEqual(storage.entries(0, 3, 1e6), 'pending')
  await log.close()
})

test('what is read from files keeps to the catch-up limit, on average', async () => {
  const log = await filledLog(0)
  let loads = 0
  const { storage, clock } = await storageOver(log, { bytesPerSecond: 100, onLoaded: () => loads++ })
  for (let i = 0; i < 500; i++) {
    storage.entries(0, 3, 1e6)
    storage.entries(0, 3, 1e6)
    await clock.advance(100)
  }
  const sizeBytes = (await log.read(toOffset(0), toOffset(3), 1e6)).sizeBytes
  assert.ok(Math.abs(loads - (50 * 100) / sizeBytes) <= 2, `${loads} loads of ${sizeBytes} bytes in 50 s`)
  await log.close()
})

test('old boundaries are known once they were looked up', async () => {
  const log = await openLog(0)
  log.append(Array.from({ length: 10 }, (_, i) => dataBatch({ baseOffset: i * 10, recordCount: 10 })))
  await log.flush()
  const { storage } = await storageOver(log)
  assert.deepEqual([storage.knows(55), storage.boundaryAtOrBelow(55)], [false, 0])
  await storage.learn(55)
  assert.deepEqual([storage.knows(55), storage.boundaryAtOrBelow(55), storage.boundaryAtOrBelow(50)], [true, 50, 50])
  assert.equal(storage.knows(60), false)
  storage.noteTruncated(50)
  assert.equal(storage.knows(55), false)
  await log.close()
})

test('what was being loaded when the log was cut is not served afterwards', async () => {
  const log = await filledLog(0)
  const { storage } = await storageOver(log)
  assert.equal(storage.entries(0, 6, 1e6), 'pending')
  storage.noteTruncated(4)
  const cut = log.truncateTo(toOffset(4))
  await settled()
  await cut
  log.append([dataBatch({ baseOffset: 4, epoch: 3, recordCount: 2 })])
  await log.flush()
  let entries = storage.entries(4, 6, 1e6)
  await settled()
  if (entries === 'pending') entries = storage.entries(4, 6, 1e6)
  assert.ok(typeof entries !== 'string')
  assert.deepEqual(
    entries.map(({ base, term }) => [base, term]),
    [[4, 3]],
  )
  await log.close()
})

test('what is taken away while it is being loaded is no failure', async () => {
  for (const takeAway of [
    (log: PartitionLog) => log.deleteTo(toOffset(3)),
    (log: PartitionLog) => log.resetTo(toOffset(50), { epoch: toLeaderEpoch(2), startOffset: toOffset(49) }),
  ]) {
    const log = await filledLog(0)
    let loads = 0
    const { storage } = await storageOver(log, { onLoaded: () => loads++ })
    assert.equal(storage.entries(0, 6, 1e6), 'pending')
    await takeAway(log)
    await settled()
    assert.equal(loads, 1)
    assert.equal(storage.entries(0, 6, 1e6), 'compacted')
    await log.close()
  }
})

test('boundaries: exact for what was appended, starts of epochs for what is older', async () => {
  const log = await filledLog()
  const { storage } = await storageOver(log)
  assert.deepEqual(
    [0, 2, 3, 5, 6, 9].map((position) => storage.boundaryAtOrBelow(position)),
    [0, 0, 3, 3, 6, 6],
  )
  log.append([dataBatch({ baseOffset: 6, epoch: 2, recordCount: 4 }), dataBatch({ baseOffset: 10, epoch: 2 })])
  storage.noteAppended(10)
  storage.noteAppended(11)
  assert.deepEqual(
    [10, 11].map((position) => storage.boundaryAtOrBelow(position)),
    [10, 11],
  )
  await log.close()
})

test('below the start entries are compacted', async () => {
  const log = await filledLog()
  await log.deleteTo(toOffset(3))
  const { storage } = await storageOver(log)
  assert.equal(storage.entries(0, 3, 100), 'compacted')
  assert.equal(storage.termAt(2), 'compacted')
  assert.equal(storage.termAt(3), 1)
  assert.deepEqual(storage.snapshot(), {
    position: 3,
    term: 1,
    confState: confStateOf([1]),
    confPosition: 0,
    data: null,
  })
  await log.close()
})
