/**
 * Counts the starts of a data folder, so that an old copy of it gives itself away.
 *
 * Each start takes the next number, on disk before anybody is told, and registers under it. The controllers take only
 * numbers above the last: a folder that was put back from a copy presents one that was used already.
 */
import { invariant } from '@stratalog/proto'
import type { KeyValueStore } from '../storage/key-value-store.ts'

const KEY = 'local/start-epoch'

/** The number of this start, 1 or more. Durability: synced when it resolves. Errors: those of the store. */
export async function takeStartEpoch(store: KeyValueStore): Promise<number> {
  const row = await store.get(KEY)
  const last = row === null ? 0 : Number(row.toString())
  invariant(Number.isSafeInteger(last) && last >= 0, () => `the stored start epoch is ${String(row)}`)
  await store.batch([{ kind: 'put', key: KEY, value: Buffer.from(String(last + 1)) }], { sync: true })
  return last + 1
}
