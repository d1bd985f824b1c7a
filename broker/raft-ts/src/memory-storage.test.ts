/** MemoryStorage against the storage conformance suite. */
import { test } from 'node:test'
import { confStateOf } from './core/conf-change.ts'
import { MemoryStorage } from './memory-storage.ts'
import { type StorageDriver, storageConformance } from './testing/storage-conformance.ts'

function driverOf(storage: MemoryStorage<string>): StorageDriver<string> {
  return {
    storage,
    write: (request) => storage.write(request),
    compactTo: (position) => storage.compactTo(position),
    saveConfState: (confState, end) => storage.saveConfState(confState, end),
    reopen: () => driverOf(storage.clone()),
    close: () => undefined,
  }
}

const checks = storageConformance<string>({
  create: () => driverOf(new MemoryStorage({ confState: confStateOf([1, 2, 3]) })),
  payload: (base, end, term) => `${base}-${end}@${term}`,
  equal: (a, b) => a === b,
})

for (const check of checks) test(check.name, check.run)
