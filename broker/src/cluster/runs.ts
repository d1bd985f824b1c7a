/**
 * The runs of a data folder: a name for each start, kept on disk, so that an old copy of the folder gives itself away.
 *
 * Each start makes up a name, has it on disk before anybody is told, and registers under it. An honest start knows the
 * name that was registered last, however often it began since; a folder that was put back from a copy never does, however
 * often it is started. Counting starts would not do: a copy that is started twice overtakes the folder it was made of.
 * What nobody can see is a copy that is put back while those who are up have not heard of the runs after it.
 */
import { invariant } from '@stratalog/proto'
import type { KeyValueStore } from '../storage/key-value-store.ts'

const KEY = 'local/runs'
const NAME_BYTES = 6
/** Runs that are remembered: another broker may be that many registrations behind. */
const RUN_COUNT_MAX = 64

/**
 * Begins a run. @returns the names of the last runs of the folder, this one last. Durability: synced when it resolves.
 * Errors: those of the store.
 */
export async function beginRun(store: KeyValueStore, randomBytes: (count: number) => Buffer): Promise<string[]> {
  const row = await store.get(KEY)
  const earlier: unknown = row === null ? [] : JSON.parse(row.toString())
  invariant(Array.isArray(earlier) && earlier.every((run) => typeof run === 'string'), 'the stored runs are names')
  const runs = [...earlier.slice(1 - RUN_COUNT_MAX), randomBytes(NAME_BYTES).toString('hex')]
  await store.batch([{ kind: 'put', key: KEY, value: Buffer.from(JSON.stringify(runs)) }], { sync: true })
  return runs
}
