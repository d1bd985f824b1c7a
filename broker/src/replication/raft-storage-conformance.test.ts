/**
 * The partition log against raft-ts's storage conformance suite, put together as a Raft group does it: persist requests
 * through the persister, reads through the storage, both over a real log on a fake file system.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { confStateOf, type PersistRequest } from 'raft-ts'
import { type StorageDriver, type StorageHarness, storageConformance } from 'raft-ts/testing'
import { FlushScheduler } from '../log/flush-scheduler.ts'
import { DEFAULT_LOG_CONFIG } from '../log/log-config.ts'
import { OpenFileCache } from '../log/open-file-cache.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { dataBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { ByteRate } from './byte-rate.ts'
import { EntryBatches } from './entry-codec.ts'
import { GroupState } from './group-state.ts'
import { GroupStateStore } from './group-state-store.ts'
import { LogPersister } from './log-persister.ts'
import { endOffsetAt } from './raft-ids.ts'
import { RaftStorage } from './raft-storage.ts'

const KEY = 'raft/t-0'

/** What a power loss leaves to begin with: a disk, and the store of group states. */
interface Machine {
  readonly fileSystem: FakeFileSystem
  readonly store: MemoryStore
}

async function driverOn({ fileSystem, store }: Machine): Promise<StorageDriver<Buffer>> {
  const clock = new ManualClock()
  const log = await PartitionLog.open({
    directory: '/t-0',
    fileSystem,
    config: DEFAULT_LOG_CONFIG,
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem }),
    clock,
  })
  const fail = (error: unknown): never => assert.fail(String(error))
  const state = await GroupState.open({
    store: await GroupStateStore.open(store),
    key: KEY,
    log,
    generation: 0,
    nodeId: 1,
    initialVoters: [1, 2, 3],
  })
  const storage = new RaftStorage({
    log,
    state,
    catchUp: new ByteRate(clock, 0),
    clock,
    onLoaded: () => undefined,
    onFailed: fail,
  })
  const waiting: (() => void)[] = []
  let commit = 0
  const persister = new LogPersister({
    log,
    state,
    batches: new EntryBatches(1, () => confStateOf([1, 2, 3])),
    durableCommit: () => Math.min(commit, log.flushedEndOffset),
    onReplaced: () => undefined,
    onPersisted: () => waiting.shift()!(),
    onFailed: fail,
  })
  const write = (request: PersistRequest<Buffer>): Promise<void> => {
    if (request.truncateTo !== null) storage.noteTruncated(endOffsetAt(request.truncateTo))
    if (request.snapshot !== null) storage.noteTruncated(0)
    for (const entry of request.entries) storage.noteAppended(entry.end)
    commit = request.hardState?.commit ?? commit
    return new Promise((resolve) => {
      waiting.push(resolve)
      persister.submit(request)
    })
  }
  return {
    storage,
    write,
    compactTo: async (position) => {
      await log.deleteTo(toOffset(position))
    },
    // What was reported as written must be there without an orderly end.
    reopen: () => driverOn({ fileSystem: fileSystem.crash({ keep: 'none' }), store: store.crash() }),
    close: async () => {
      await persister.close()
      await log.close()
    },
  }
}

const harness: StorageHarness<Buffer> = {
  create: () => driverOn({ fileSystem: new FakeFileSystem(), store: new MemoryStore() }),
  payload: (base, end, term, bytes) =>
    dataBatch({ baseOffset: base, epoch: term, recordCount: end - base, valueBytes: bytes }),
  sizeOf: (batch) => batch.length,
  equal: (a, b) => a.equals(b),
  // A partition is handed over as the place where its log begins.
  snapshots: false,
}

for (const check of storageConformance(harness)) test(check.name, check.run)
