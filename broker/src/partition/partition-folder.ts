/**
 * The folder of a partition and whose it is: `partition.metadata` holds the topic's id, as Kafka's file of that name does.
 *
 * Names are reused, ids never: a folder is opened, or removed, only for the topic whose id it bears.
 */
import { dirname, join } from 'node:path'
import { StratalogError, topicPartitionKey } from '@stratalog/proto'
import { DELETED_DIRECTORY_SUFFIX, parseSegmentFileName } from '../log/file-names.ts'
import type { FileSystem } from '../storage/file-system.ts'
import { fileErrorCode } from '../storage/file-system.ts'

/** Kafka's name for the file. */
export const PARTITION_METADATA_FILE = 'partition.metadata'

/** `<topic>-<partition>`. */
const PARTITION_FOLDER = /-\d+$/

/** The folder of a partition below the folder of all of them. */
export function partitionDirectory(topicsDirectory: string, topic: string, partition: number): string {
  return join(topicsDirectory, topicPartitionKey(topic, partition))
}

/**
 * Makes sure that the folder exists and belongs to the topic.
 *
 * @param isNew whether the partition has never run here; only then a missing folder is created.
 * Durability: folder and id are synced when it resolves.
 * Errors: PARTITION_DAMAGED when the folder of a partition that has run is missing or empty; STORAGE_ERROR when the
 * folder belongs to another topic.
 */
export async function claimFolder(
  fileSystem: FileSystem,
  folder: { readonly topic: string; readonly topicId: string; readonly partition: number; readonly directory: string },
  isNew: boolean,
): Promise<void> {
  const { topic, partition, topicId, directory } = folder
  const found = await folderTopicId(fileSystem, directory)
  if (found === topicId) return
  const where = { topic, partition, metadata: { directory } }
  if (found !== null) {
    throw new StratalogError('STORAGE_ERROR', `${directory} belongs to another topic, with id ${found}`, {
      ...where,
      hint: 'Move the folder away; the partition is created anew at the next start.',
    })
  }
  const names = await namesIn(fileSystem, directory)
  if (names.some((name) => parseSegmentFileName(name) !== null)) {
    throw new StratalogError(
      'STORAGE_ERROR',
      `${directory} holds segments, but no ${PARTITION_METADATA_FILE} says whose`,
      {
        ...where,
        hint: 'Restore the file from a copy, or move the folder away.',
      },
    )
  }
  if (!isNew) throw new StratalogError('PARTITION_DAMAGED', `the files of ${directory} are missing`, where)
  await fileSystem.makeDirectory(directory)
  await fileSystem.writeFileAtomic(join(directory, PARTITION_METADATA_FILE), encodePartitionMetadata(topicId))
  await fileSystem.syncDirectory(dirname(directory))
}

/** Whether a name below the folder of all partitions is that of one whose deletion was begun. */
export function isDeletedFolder(name: string): boolean {
  return (
    name.endsWith(DELETED_DIRECTORY_SUFFIX) && PARTITION_FOLDER.test(name.slice(0, -DELETED_DIRECTORY_SUFFIX.length))
  )
}

/** The id of the topic that the folder belongs to; null when it is missing or does not say. */
export async function folderTopicId(fileSystem: FileSystem, directory: string): Promise<string | null> {
  try {
    return decodePartitionMetadata(await fileSystem.readFile(join(directory, PARTITION_METADATA_FILE)))
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT') return null
    throw error
  }
}

/** Names in a folder, none when it is missing. */
export async function namesIn(fileSystem: FileSystem, directory: string): Promise<string[]> {
  try {
    return await fileSystem.readDirectory(directory)
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Kafka's two lines: a version and the id in its URL-safe base 64. */
export function encodePartitionMetadata(topicId: string): Buffer {
  return Buffer.from(`version: 0\ntopic_id: ${Buffer.from(topicId, 'hex').toString('base64url')}`)
}

/** The topic id (32 hexadecimal digits); null when the text is not what {@link encodePartitionMetadata} writes. */
export function decodePartitionMetadata(bytes: Buffer): string | null {
  const match = /^version: 0\ntopic_id: ([\w-]{22})\s*$/.exec(bytes.toString('latin1'))
  return match === null ? null : Buffer.from(match[1]!, 'base64url').toString('hex')
}
