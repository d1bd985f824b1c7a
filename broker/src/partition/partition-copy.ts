/**
 * Which of its copies of a partition a broker opens: that of the generation it is told, and never one that was given up.
 *
 * A copy of an older generation may have votes and acknowledgements behind it that the group no longer counts on. Its
 * folder is moved aside, kept until the new copy is a voter, and its stored state is forgotten.
 * ```
 *  <topic>-<partition>            the copy in use
 *  <topic>-<partition>.stale-g<n> the copy of generation n, given up
 * ```
 */
import { basename, dirname, join } from 'node:path'
import { StratalogError } from '@stratalog/proto'
import { groupKey } from '../replication/group-state-store.ts'
import type { FileSystem } from '../storage/file-system.ts'
import { claimFolder, folderTopicId, namesIn } from './partition-folder.ts'
import type { PartitionEnvironment, PartitionSpec } from './partition-types.ts'

const STALE_SUFFIX = /\.stale-g\d+$/

/**
 * Makes sure that the folder is that of the copy to open; what is void is out of the way then.
 *
 * Durable when it resolves, and safe to repeat after a crash. Errors: PARTITION_DAMAGED and STORAGE_ERROR as of
 * `claimFolder`; STORAGE_ERROR when a newer copy has run here than the one to open.
 */
export async function claimCopy(spec: PartitionSpec, environment: PartitionEnvironment): Promise<void> {
  const { topic, topicId, partition, generation, directory } = spec
  const { groupStates, fileSystem } = environment
  const key = groupKey(topicId, partition)
  const stored = groupStates.get(key)
  if (stored !== null && stored.generation > generation) {
    const text = `copy ${stored.generation} of ${topic}-${partition} has run here; the metadata knows of copy ${generation}`
    throw new StratalogError('STORAGE_ERROR', text, {
      topic,
      partition,
      hint: 'Metadata from before a rebuild of this copy: was it restored from an old copy of the data folder?',
    })
  }
  if (generation > 0 && stored?.generation !== generation) {
    await setAside(fileSystem, directory, topicId, stored?.generation ?? null, generation)
    if (stored !== null) await groupStates.put(key, null)
  }
  await claimFolder(fileSystem, spec, groupStates.get(key) === null)
}

/** Removes copies that were given up. */
export async function removeStaleCopies(fileSystem: FileSystem, directory: string): Promise<void> {
  const parent = dirname(directory)
  for (const name of await namesIn(fileSystem, parent)) {
    if (folderOfCopy(name) !== basename(directory) || name === basename(directory)) continue
    await fileSystem.removeDirectory(join(parent, name))
  }
}

/** The name of the folder in use beside which a copy was set aside; the name itself when it is none. */
export function folderOfCopy(name: string): string {
  return name.replace(STALE_SUFFIX, '')
}

/** @param stored generation of the copy in the folder; null when nobody knows. */
async function setAside(
  fileSystem: FileSystem,
  directory: string,
  topicId: string,
  stored: number | null,
  generation: number,
): Promise<void> {
  if (!(await fileSystem.exists(directory))) return
  const owner = await folderTopicId(fileSystem, directory)
  // Another topic's folder is not ours to move.
  if (owner !== null && owner !== topicId) return
  const aside = `${directory}.stale-g${stored ?? generation - 1}`
  if (await fileSystem.exists(aside)) {
    // A start that was interrupted has moved the old copy already: this folder is the new one, still empty.
    if (stored === null) return
    await fileSystem.removeDirectory(aside)
  }
  await fileSystem.rename(directory, aside)
  await fileSystem.syncDirectory(dirname(directory))
}
