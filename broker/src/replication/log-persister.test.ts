import assert from 'node:assert/strict'
import { test } from 'node:test'
import { confStateOf, type Entry, type PersistRequest } from 'raft-ts'
import { FlushScheduler } from '../log/flush-scheduler.ts'
import { DEFAULT_LOG_CONFIG } from '../log/log-config.ts'
import { OpenFileCache } from '../log/open-file-cache.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { dataBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock, settled } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { EntryBatches } from './entry-codec.ts'
import { GroupState } from './group-state.ts'
import { GroupStateStore } from './group-state-store.ts'
import { LogPersister } from './log-persister.ts'

const KEY = 'raft/t-0'

async function newPersister() {
  const fileSystem = new FakeFileSystem()
  const disk = new MemoryStore()
  const store = await GroupStateStore.open(disk)
  const log = await PartitionLog.open({
    directory: '/t-0',
    fileSystem,
    config: DEFAULT_LOG_CONFIG,
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem }),
    clock: new ManualClock(),
  })
  const state = await GroupState.open({ store, key: KEY, log, generation: 0, nodeId: 1, initialVoters: [1, 2, 3] })
  const persisted: PersistRequest<Buffer>[] = []
  const commit = { position: 0 }
  const failures: unknown[] = []
  const persister = new LogPersister({
    log,
    state,
    batches: new EntryBatches(1, () => state.row.conf.confState),
    durableCommit: () => commit.position,
    onReplaced: () => undefined,
    onPersisted: (request) => persisted.push(request),
    onFailed: (error) => failures.push(error),
  })
  return { fileSystem, disk, store, log, persister, persisted, failures, commit }
}

function entry(base: number, end: number, term = 1): Entry<Buffer> {
  const data = dataBatch({ baseOffset: base, epoch: term, recordCount: end - base })
  return { base, end, term, kind: 'data', bytes: data.length, data, change: null }
}

function request(parts: Partial<PersistRequest<Buffer>>): PersistRequest<Buffer> {
  const attestation = { nodeTerm: 1, end: 0, term: 0 }
  return {
    hardState: null,
    truncateTo: null,
    entries: [],
    snapshot: null,
    mustSync: true,
    attestation,
    responses: [],
    ...parts,
  }
}

test('requests that come during a flush share the next one, and are reported in their order', async () => {
  const { fileSystem, log, persister, persisted } = await newPersister()
  const release = fileSystem.holdSyncs()
  const requests = Array.from({ length: 20 }, (_, i) => request({ entries: [entry(i, i + 1)] }))
  const before = fileSystem.counters.syncs
  for (const each of requests) persister.submit(each)
  await settled()
  assert.equal(persisted.length, 0)
  release()
  await settled()
  assert.deepEqual(persisted, requests)
  assert.ok(fileSystem.counters.syncs - before <= 3, `${fileSystem.counters.syncs - before} syncs`)
  await persister.close()
  await log.close()
})

test('a leader entry becomes its control batch, stamped', async () => {
  const { log, persister, persisted } = await newPersister()
  const leader: Entry<Buffer> = { base: 0, end: 1, term: 7, kind: 'leader', bytes: 0, data: null, change: null }
  persister.submit(request({ entries: [leader] }))
  await settled()
  assert.equal(persisted.length, 1)
  assert.equal(log.lastEpoch, 7)
  assert.equal(log.visibleEnd(log.logEndOffset), 0)
  await log.close()
})

test('term and vote are synced before a request is reported; the commit position waits for the close', async () => {
  const { disk, store, log, persister, persisted, commit } = await newPersister()
  persister.submit(request({ hardState: { term: 3, vote: 1, commit: 0 } }))
  await settled()
  assert.equal(persisted.length, 1)
  const syncs = disk.syncCount
  for (let i = 0; i < 50; i++) persister.submit(request({ entries: [entry(i, i + 1, 3)] }))
  await settled()
  commit.position = 49
  assert.equal(persisted.length, 51)
  assert.equal(disk.syncCount, syncs)
  await persister.close()
  assert.deepEqual(store.get(KEY)?.hardState, { term: 3, vote: 1, commit: 49 })
  assert.equal(store.get(KEY)?.flushedEnd, 50)
  await log.close()
})

test('a request that replaces the tail waits for what is under way, and is whole when reported', async () => {
  const { fileSystem, log, persister, persisted } = await newPersister()
  persister.submit(request({ entries: [entry(0, 2), entry(2, 5)] }))
  await settled()
  const release = fileSystem.holdSyncs()
  persister.submit(request({ entries: [entry(5, 9)] }))
  persister.submit(request({ truncateTo: 2, entries: [entry(2, 3, 2)] }))
  persister.submit(request({ entries: [entry(3, 4, 2)] }))
  await settled()
  assert.equal(persisted.length, 1)
  assert.equal(log.logEndOffset, 9)
  release()
  await settled()
  assert.equal(persisted.length, 4)
  assert.deepEqual([log.logEndOffset, log.flushedEndOffset, log.lastEpoch], [4, 4, 2])
  await log.close()
})

test('a hand-over empties the log and begins it where the leader begins', async () => {
  const { log, persister, persisted } = await newPersister()
  persister.submit(request({ entries: [entry(0, 5)] }))
  const snapshot = { position: 50, term: 2, confState: confStateOf([1, 2, 3]), confPosition: 50, data: null }
  persister.submit(request({ snapshot, entries: [] }))
  persister.submit(request({ entries: [entry(50, 52, 2)] }))
  await settled()
  assert.equal(persisted.length, 3)
  assert.deepEqual([log.logStartOffset, log.logEndOffset, log.epochs.epochAt(49)], [50, 52, 2])
  await log.close()
})

test('after a failed sync nothing is reported any more, and the failure once', async () => {
  const { fileSystem, log, persister, persisted, failures } = await newPersister()
  fileSystem.failNextDatasync()
  persister.submit(request({ entries: [entry(0, 1)] }))
  persister.submit(request({ entries: [entry(1, 2)] }))
  await settled()
  persister.submit(request({ hardState: { term: 9, vote: 1, commit: 0 } }))
  await settled()
  assert.deepEqual([persisted.length, failures.length], [0, 1])
  await log.close()
})

test('a failed write of term or vote is a failure of the group', async () => {
  const { disk, log, persister, persisted, failures } = await newPersister()
  disk.failWrites()
  persister.submit(request({ hardState: { term: 9, vote: 1, commit: 0 }, entries: [entry(0, 1)] }))
  await settled()
  assert.deepEqual([persisted.length, failures.length], [0, 1])
  await log.close()
})

test('a commit position is not stored ahead of the log that it speaks of', async () => {
  const { fileSystem, store, log, persister, persisted } = await newPersister()
  persister.submit(request({ hardState: { term: 1, vote: 1, commit: 0 }, entries: [entry(0, 1), entry(1, 3)] }))
  await settled()
  persister.submit(request({ hardState: { term: 2, vote: 1, commit: 0 } }))
  await settled()
  assert.equal(store.get(KEY)?.flushedEnd, 3)
  const release = fileSystem.holdSyncs()
  persister.submit(
    request({
      hardState: { term: 3, vote: null, commit: 3 },
      truncateTo: 1,
      entries: [entry(1, 3, 3), entry(3, 4, 3)],
    }),
  )
  await settled()
  assert.deepEqual(store.get(KEY)?.hardState, { term: 3, vote: null, commit: 0 })
  assert.equal(store.get(KEY)?.flushedEnd, 1, 'the durable end goes back before the log is cut')
  release()
  await settled()
  assert.equal(persisted.length, 3)
  assert.deepEqual(store.get(KEY)?.hardState, { term: 3, vote: null, commit: 3 })
  await log.close()
})

test('a change of the members is stored before its entry is in the log, and its commit position before it is reported', async () => {
  const { fileSystem, store, log, persister, persisted } = await newPersister()
  persister.submit(request({ hardState: { term: 1, vote: 1, commit: 0 }, entries: [entry(0, 2)] }))
  await settled()
  const release = fileSystem.holdSyncs()
  const change = { transition: 'auto', steps: [{ kind: 'add-learner', id: 4 }] } as const
  const config: Entry<Buffer> = { base: 2, end: 3, term: 1, kind: 'config', bytes: 0, data: null, change }
  persister.submit(request({ hardState: { term: 1, vote: 1, commit: 2 }, entries: [config] }))
  persister.submit(request({ entries: [entry(3, 4)] }))
  await settled()
  assert.deepEqual(store.get(KEY)?.conf?.pending, [{ end: 3, term: 1, change }])
  assert.deepEqual([persisted.length, store.get(KEY)?.hardState?.commit], [1, 0])
  release()
  await settled()
  assert.deepEqual([persisted.length, store.get(KEY)?.hardState?.commit, log.logEndOffset], [3, 2, 4])
  await log.close()
})
