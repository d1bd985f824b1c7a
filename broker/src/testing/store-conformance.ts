/** What every key-value store must do; run on the real one and on the fake. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type KeyValueStore, keysWithPrefix } from '../storage/key-value-store.ts'

/** A store under test; `reopen` closes it and opens what is left. */
export interface StoreUnderTest {
  readonly store: KeyValueStore
  reopen(): Promise<KeyValueStore>
  dispose(): Promise<void>
}

async function rowsOf(store: KeyValueStore, prefix: string): Promise<[string, string][]> {
  const rows: [string, string][] = []
  for await (const [key, value] of store.iterate(keysWithPrefix(prefix))) rows.push([key, value.toString()])
  return rows
}

const put = (key: string, value: string) => ({ kind: 'put' as const, key, value: Buffer.from(value) })

/** Registers the suite. */
export function storeConformance(name: string, open: () => Promise<StoreUnderTest>): void {
  test(`${name}: values come back; missing ones are null`, async () => {
    const { store, dispose } = await open()
    await store.batch([put('a/1', 'one'), put('a/2', '')], { sync: true })
    assert.equal((await store.get('a/1'))?.toString(), 'one')
    assert.equal((await store.get('a/2'))?.length, 0)
    assert.equal(await store.get('a/3'), null)
    await dispose()
  })

  test(`${name}: a batch applies in order; iteration is sorted and keeps to its range`, async () => {
    const { store, dispose } = await open()
    await store.batch(
      [put('b/2', 'x'), put('a/9', 'x'), put('b/1', 'y'), { kind: 'delete', key: 'b/2' }, put('c/1', 'z')],
      {
        sync: false,
      },
    )
    await store.batch([put('b/3', '3')], { sync: true })
    assert.deepEqual(await rowsOf(store, 'b/'), [
      ['b/1', 'y'],
      ['b/3', '3'],
    ])
    await dispose()
  })

  test(`${name}: what was synced is there when it is opened again`, async () => {
    const { store, reopen, dispose } = await open()
    await store.batch(
      Array.from({ length: 2500 }, (_, i) => put(`k/${String(i).padStart(5, '0')}`, String(i))),
      { sync: true },
    )
    const again = await reopen()
    const rows = await rowsOf(again, 'k/')
    assert.equal(rows.length, 2500)
    assert.deepEqual(rows[2499], ['k/02499', '2499'])
    await dispose()
  })
}
