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
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { HardStateStore } from './hard-state-store.ts'
import { LogPersister } from './log-persister.ts'
import { endOffsetAt } from './raft-ids.ts'
import { RaftStorage } from './raft-storage.ts'

const KEY = 'raft/t-0'

/** What a power loss leaves to begin with: a disk, and the store of hard states. */
interface Machine {
  readonly fileSystem: FakeFileSystem
  readonly store: MemoryStore
}

async function driverOn({ fileSystem, store }: Machine): Promise<StorageDriver<Buffer>> {
  const hardStates = await HardStateStore.open(store)
  const log = await PartitionLog.open({
    directory: '/t-0',
    fileSystem,
    config: DEFAULT_LOG_CONFIG,
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem }),
    clock: new ManualClock(),
  })
  const fail = (error: unknown): never => assert.fail(String(error))
  const hardState = hardStates.get(KEY)
  const storage = new RaftStorage({
    log,
    hardState,
    confState: confStateOf([1, 2, 3]),
    onLoaded: () => undefined,
    onFailed: fail,
  })
  const waiting: (() => void)[] = []
  const persister = new LogPersister({
    log,
    hardStates,
    hardStateKey: KEY,
    leaderBatch: () => leaderChangeBatch(0, 1),
    onPersisted: () => waiting.shift()!(),
    onFailed: fail,
  })
  const write = (request: PersistRequest<Buffer>): Promise<void> => {
    if (request.truncateTo !== null) storage.noteTruncated(endOffsetAt(request.truncateTo))
    if (request.snapshot !== null) storage.noteTruncated(0)
    for (const entry of request.entries) storage.noteAppended(entry.end)
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
