/**
 * A broker's data folder, or a copy of one, as a reader without a broker sees it: which partitions of which topics are
 * in it, and how far each is known to be committed.
 *
 * A broker may be running on the folder, and what is true changes: nothing is remembered but a file that is still the same.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import {
  COMMITTED_OFFSETS_FILE,
  type CommittedOffsets,
  decodeCommittedOffsets,
  StratalogError,
  type TopicPartition,
} from '@stratalog/proto'
import { isMissing, orMissing, readTopicId } from './partition-files.ts'

/** A partition's folder and whose it is. */
export interface FoundPartition extends TopicPartition {
  readonly directory: string
  /** 32 hexadecimal digits. */
  readonly topicId: string
}

const PARTITION_FOLDER = /^(.+)-(\d{1,10})$/

/** See the file's header. */
export class DataFolder {
  readonly path: string
  /** The note last read: it has a line for each partition, and is asked for one of them at a time. */
  #notes: { readonly version: string; readonly byPartition: ReadonlyMap<string, CommittedOffsets> } | null = null

  constructor(path: string) {
    this.path = path
  }

  /** The cluster's id in `meta.properties`; null when there is none. */
  async clusterId(): Promise<string | null> {
    const text = await orMissing(readFile(join(this.path, 'meta.properties'), 'utf8'), '')
    return /^cluster\.id=(.+)$/m.exec(text)?.[1]?.trim() ?? null
  }

  /** Partitions of a topic that are here, ascending. Errors: UNKNOWN_TOPIC_OR_PARTITION. */
  async partitionsOf(topic: string): Promise<FoundPartition[]> {
    const names = await this.#partitionFolders()
    const numbers = names.flatMap((name) => {
      const match = PARTITION_FOLDER.exec(name)
      return match?.[1] === topic ? [Number(match[2])] : []
    })
    if (numbers.length === 0) {
      const topics = new Set(names.flatMap((name) => PARTITION_FOLDER.exec(name)?.[1] ?? []))
      throw new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', `${this.path} holds no partition of topic ${topic}`, {
        topic,
        hint: `It holds ${topics.size === 0 ? 'no topics' : `partitions of ${[...topics].slice(0, 10).join(', ')}`}.`,
      })
    }
    return await Promise.all(numbers.sort((a, b) => a - b).map((partition) => this.partition(topic, partition)))
  }

  /** One partition. Errors: UNKNOWN_TOPIC_OR_PARTITION; STORAGE_ERROR when the folder does not say whose it is. */
  async partition(topic: string, partition: number): Promise<FoundPartition> {
    const directory = join(this.path, 'topics', `${topic}-${partition}`)
    const topicId = await readTopicId(directory)
    if (topicId !== null) return { topic, partition, directory, topicId }
    const exists = (await this.#partitionFolders()).includes(basename(directory))
    throw exists
      ? new StratalogError('STORAGE_ERROR', `${directory} has no partition.metadata that says whose it is`, {
          topic,
          partition,
          hint: 'Copy the file along with the segments.',
        })
      : new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', `${this.path} holds no partition ${partition} of ${topic}`, {
          topic,
          partition,
        })
  }

  /** What the broker last noted of the partition; null when it noted nothing. Errors: STORAGE_ERROR for a damaged note. */
  async committed({ topicId, partition }: FoundPartition): Promise<CommittedOffsets | null> {
    const path = join(this.path, COMMITTED_OFFSETS_FILE)
    const found = await orMissing(stat(path, { bigint: true }), null)
    if (found === null) return null
    // It is replaced as a whole: another file each time.
    const version = `${found.ino} ${found.mtimeNs} ${found.size}`
    if (this.#notes?.version !== version) {
      const bytes = await orMissing(readFile(path), null)
      const notes = bytes === null ? [] : decodeCommittedOffsets(bytes)
      if (notes === null) {
        throw new StratalogError('STORAGE_ERROR', `${path} is damaged`, {
          hint: 'Copy it again, or start and stop the broker, which writes it anew.',
        })
      }
      this.#notes = { version, byPartition: new Map(notes.map((note) => [noteKey(note), note])) }
    }
    return this.#notes.byPartition.get(noteKey({ topicId, partition })) ?? null
  }

  async #partitionFolders(): Promise<string[]> {
    const topics = join(this.path, 'topics')
    try {
      return (await readdir(topics)).filter((name) => PARTITION_FOLDER.test(name))
    } catch (error) {
      if (!isMissing(error)) throw error
      throw new StratalogError(
        'STORAGE_ERROR',
        `${this.path} is no data folder: it has no folder ${basename(topics)}`,
        {
          cause: error,
          hint: 'Name the folder that a broker was given as --data, or a copy of it.',
        },
      )
    }
  }
}

function noteKey({ topicId, partition }: Pick<CommittedOffsets, 'topicId' | 'partition'>): string {
  return `${topicId}/${partition}`
}
