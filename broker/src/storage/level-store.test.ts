import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Level } from 'level'
import { MemoryStore } from '../testing/memory-store.ts'
import { storeConformance } from '../testing/store-conformance.ts'
import { StoreError } from './key-value-store.ts'
import { LevelStore } from './level-store.ts'
import { openValue, sealValue } from './store-value.ts'

async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'stratalog-store-'))
}

storeConformance('LevelStore', async () => {
  const folder = await temporaryFolder()
  let store = await LevelStore.open(join(folder, 'store'))
  return {
    store,
    reopen: async () => {
      await store.close()
      store = await LevelStore.open(join(folder, 'store'))
      return store
    },
    dispose: async () => {
      await store.close()
      await rm(folder, { recursive: true })
    },
  }
})

storeConformance('MemoryStore', async () => {
  const store = new MemoryStore()
  return { store, reopen: async () => store.crash(), dispose: async () => undefined }
})

test('a store in use says so', async () => {
  const folder = await temporaryFolder()
  const store = await LevelStore.open(join(folder, 'store'))
  await assert.rejects(LevelStore.open(join(folder, 'store')), (error) => {
    assert.ok(error instanceof StoreError)
    assert.equal(error.code, 'STORE_LOCKED')
    assert.match(error.hint, /another data folder/)
    return true
  })
  await store.close()
  await rm(folder, { recursive: true })
})

test('a folder that cannot hold a store is an error with its cause', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'file'), 'in the way')
  await assert.rejects(LevelStore.open(join(folder, 'file')), (error) => {
    assert.ok(error instanceof StoreError)
    assert.equal(error.code, 'STORE_OPEN_FAILED')
    return true
  })
  await rm(folder, { recursive: true })
})

test('a value that was changed behind our back is found out', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'store')
  const store = await LevelStore.open(path)
  await store.batch([{ kind: 'put', key: 'k', value: Buffer.from('value') }], { sync: true })
  await store.close()
  const raw = new Level<string, Buffer>(path, { valueEncoding: 'buffer' })
  const sealed = (await raw.get('k'))!
  sealed[7]! ^= 1
  await raw.put('k', sealed)
  await raw.close()
  const again = await LevelStore.open(path)
  await assert.rejects(again.get('k'), (error) => error instanceof StoreError && error.code === 'STORE_VALUE_CORRUPT')
  await again.close()
  await rm(folder, { recursive: true })
})

test('the envelope refuses every flipped bit, other keys and other versions', () => {
  const sealed = sealValue('key', Buffer.from('payload'))
  assert.equal(openValue('p', 'key', sealed).toString(), 'payload')
  assert.throws(() => openValue('p', 'other', sealed), StoreError)
  assert.throws(() => openValue('p', 'key', sealed.subarray(0, 3)), StoreError)
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const damaged = Buffer.from(sealed)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => openValue('p', 'key', damaged), StoreError)
  }
})
