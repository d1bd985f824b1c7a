import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toLeaderEpoch, toOffset } from '@stratalog/proto'
import { confStateOf } from 'raft-ts'
import { FlushScheduler } from '../log/flush-scheduler.ts'
import { DEFAULT_LOG_CONFIG } from '../log/log-config.ts'
import { OpenFileCache } from '../log/open-file-cache.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock, settled } from '../testing/manual-clock.ts'
import { batchOf } from './entry-codec.ts'
import { RaftStorage, type RaftStorageOptions } from './raft-storage.ts'

async function openLog(): Promise<PartitionLog> {
  const fileSystem = new FakeFileSystem()
  return PartitionLog.open({
    directory: '/t-0',
    fileSystem,
    config: DEFAULT_LOG_CONFIG,
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem }),
    clock: new ManualClock(),
  })
}

function storageOver(log: PartitionLog, options: Partial<RaftStorageOptions> = {}): RaftStorage {
  const storage = new RaftStorage({
    log,
    hardState: null,
    confState: confStateOf([1]),
    onLoaded: () => undefined,
    onFailed: (error) => assert.fail(String(error)),
    ...options,
  })
  return storage
}

/** Offsets 0..2 in epoch 1, a control batch at 3 and data 4..5 in epoch 2. */
async function filledLog(): Promise<PartitionLog> {
  const log = await openLog()
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
  const storage = storageOver(log)
  assert.equal(storage.initialState().hardState, null)
  assert.deepEqual([storage.startPosition(), storage.endPosition(), storage.termAt(0)], [0, 0, 0])
  await log.close()
})

test('terms are those of the batches; outside of the log they are unavailable', async () => {
  const log = await filledLog()
  const storage = storageOver(log)
  assert.deepEqual(
    [1, 3, 4, 6].map((position) => storage.termAt(position)),
    [1, 1, 2, 2],
  )
  assert.equal(storage.termAt(7), 'unavailable')
  await log.close()
})

test('the stored state is brought in line with the log', async () => {
  const log = await filledLog()
  const initial = (term: number, commit: number) =>
    storageOver(log, { hardState: { term, vote: 1, commit } }).initialState().hardState
  assert.deepEqual(initial(5, 4), { term: 5, vote: 1, commit: 4 })
  assert.deepEqual(initial(1, 99), { term: 2, vote: null, commit: 6 }, 'the log has a later term and ends earlier')
  assert.deepEqual(storageOver(log).initialState().hardState, { term: 2, vote: null, commit: 0 })
  await log.close()
})

test('entries are loaded once and then served; they are the batches of the log', async () => {
  const log = await filledLog()
  let loads = 0
  const storage = storageOver(log, { onLoaded: () => loads++ })
  assert.equal(storage.entries(0, 6, 1e6), 'pending')
  assert.equal(storage.entries(0, 6, 1e6), 'pending')
  await settled()
  assert.equal(loads, 1)
  const entries = storage.entries(0, 6, 1e6)
  assert.ok(typeof entries !== 'string')
  assert.deepEqual(
    entries.map(({ base, end, term, kind }) => [base, end, term, kind]),
    [
      [0, 3, 1, 'data'],
      [3, 4, 2, 'leader'],
      [4, 6, 2, 'data'],
    ],
  )
  assert.equal(storage.entries(0, 6, 1).length, 1)
  assert.deepEqual(
    batchOf(entries[2]!, () => assert.fail('not a leader entry')),
    entries[2]!.data,
  )
  await log.close()
})

test('what was being loaded when the log was cut is not served afterwards', async () => {
  const log = await filledLog()
  const storage = storageOver(log)
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
    const log = await filledLog()
    let loads = 0
    const storage = storageOver(log, { onLoaded: () => loads++ })
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
  const storage = storageOver(log)
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
  const storage = storageOver(log)
  assert.equal(storage.entries(0, 3, 100), 'compacted')
  assert.equal(storage.termAt(2), 'compacted')
  assert.equal(storage.termAt(3), 1)
  assert.deepEqual(storage.snapshot(), {
    position: 3,
    term: 1,
    confState: confStateOf([1]),
    confPosition: 3,
    data: null,
  })
  await log.close()
})
