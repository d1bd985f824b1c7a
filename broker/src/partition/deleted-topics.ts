/**
 * Topics whose deletion is durable while their folders may still be there: one row each, `local/deleted/<topic id>`.
 *
 * The row is stored in the batch that deletes the topic and removed when the last folder is gone, so that a crash at
 * any moment leaves either the topic or the order to clean up, never a folder that nobody knows of.
 */
import { DELETED_DIRECTORY_SUFFIX } from '../log/file-names.ts'
import { type GroupStateStore, groupKey } from '../replication/group-state-store.ts'
import type { FileSystem } from '../storage/file-system.ts'
import { type KeyValueStore, keysWithPrefix, type StoreOperation } from '../storage/key-value-store.ts'
import { removeStaleCopies } from './partition-copy.ts'
import { folderTopicId, partitionDirectory } from './partition-folder.ts'

const PREFIX = 'local/deleted/'

/** A topic to clean up after. */
export interface DeletedTopic {
  readonly topic: string
  readonly topicId: string
  readonly partitionCount: number
}

/** What cleaning up needs. */
export interface CleanUp {
  readonly store: KeyValueStore
  readonly groupStates: GroupStateStore
  readonly fileSystem: FileSystem
  readonly topicsDirectory: string
}

/** The operation that notes the topic, for the batch that deletes it. */
export function noteDeletedTopic(deleted: DeletedTopic): StoreOperation {
  return { kind: 'put', key: PREFIX + deleted.topicId, value: Buffer.from(JSON.stringify(deleted)) }
}

/** Topics whose clean-up was interrupted. */
export async function loadDeletedTopics(store: KeyValueStore): Promise<DeletedTopic[]> {
  const deleted: DeletedTopic[] = []
  for await (const [, value] of store.iterate(keysWithPrefix(PREFIX)))
    deleted.push(JSON.parse(value.toString()) as DeletedTopic)
  return deleted
}

/** Removes what is left of the topic: folders that bear its id, votes, and last the note. Safe to repeat. */
export async function cleanUpTopic(deleted: DeletedTopic, cleanUp: CleanUp): Promise<void> {
  const { topic, topicId, partitionCount } = deleted
  const { store, groupStates, fileSystem, topicsDirectory } = cleanUp
  for (let partition = 0; partition < partitionCount; partition++) {
    await removeFolders(topic, topicId, partition, cleanUp)
  }
  await fileSystem.syncDirectory(topicsDirectory)
  const forgotten = Array.from({ length: partitionCount }, (_, partition) =>
    groupStates.put(groupKey(topicId, partition), null),
  )
  await Promise.all(forgotten)
  await store.batch([{ kind: 'delete', key: PREFIX + topicId }], { sync: true })
}

/** Removes what is left of one copy that this broker holds no longer: its folders, and last its votes. Safe to repeat. */
export async function cleanUpReplica(
  { topic, topicId, partition }: { readonly topic: string; readonly topicId: string; readonly partition: number },
  cleanUp: Omit<CleanUp, 'store'>,
): Promise<void> {
  await removeFolders(topic, topicId, partition, cleanUp)
  await cleanUp.fileSystem.syncDirectory(cleanUp.topicsDirectory)
  await cleanUp.groupStates.put(groupKey(topicId, partition), null)
}

async function removeFolders(
  topic: string,
  topicId: string,
  partition: number,
  { fileSystem, topicsDirectory }: Omit<CleanUp, 'store'>,
): Promise<void> {
  const directory = partitionDirectory(topicsDirectory, topic, partition)
  const doomed = directory + DELETED_DIRECTORY_SUFFIX
  await fileSystem.removeDirectory(doomed)
  if ((await folderTopicId(fileSystem, directory)) === topicId) {
    // Renamed first: what a crash leaves then is known to be of no use.
    await fileSystem.rename(directory, doomed)
    await fileSystem.removeDirectory(doomed)
  }
  await removeStaleCopies(fileSystem, directory)
}
