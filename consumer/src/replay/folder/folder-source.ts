/**
 * A folder of segment files as the source of a replay: a broker's data folder, copied, mounted, of a dead broker, or
 * of one that is running.
 *
 * It only reads and takes no lock. It gives out what that broker knew to be committed, and nothing behind it.
 */
import { resolve } from 'node:path'
import { StratalogError, type TopicPartition } from '@stratalog/proto'
import { topicRecreated } from '../errors.ts'
import type { ReplaySplit } from '../manifest.ts'
import type {
  RangeOfPartition,
  ReplaySource,
  ReplaySourceSpec,
  SourceBounds,
  SourceChunk,
  SourceRange,
  SourceReadOptions,
  SourceTopic,
} from '../source.ts'
import { DataFolder } from './data-folder.ts'
import { readFolder } from './folder-read.ts'
import { type PartitionState, partitionState, visibleBounds } from './partition-bounds.ts'
import { splitPoints } from './split-points.ts'
import { offsetForTime } from './time-search.ts'

/** Options of `folderSource`. */
export interface FolderSourceOptions {
  /**
   * Read to the end of the sound batches, also where the broker has not noted what is committed. What lies behind the
   * committed end may be records that the cluster never acknowledged and has replaced since. Default false.
   */
  readonly unsafeToLogEnd?: boolean | undefined
}

/** A source over a data folder: the one that holds `topics/`. Nothing is read before it is used. */
export function folderSource(directory: string, options: FolderSourceOptions = {}): ReplaySource {
  return new FolderSource(resolve(directory), options.unsafeToLogEnd ?? false)
}

class FolderSource implements ReplaySource {
  readonly kind = 'folder'
  readonly spec: ReplaySourceSpec
  readonly #folder: DataFolder
  readonly #unsafeToLogEnd: boolean

  constructor(dir: string, unsafeToLogEnd: boolean) {
    this.spec = { kind: 'folder', dir, unsafeToLogEnd }
    this.#folder = new DataFolder(dir)
    this.#unsafeToLogEnd = unsafeToLogEnd
  }

  clusterId(): Promise<string | null> {
    return this.#folder.clusterId()
  }

  async topic(name: string): Promise<SourceTopic> {
    const found = await this.#folder.partitionsOf(name)
    const topicId = found[0]!.topicId
    const other = found.find((place) => place.topicId !== topicId)
    if (other !== undefined) {
      throw new StratalogError(
        'UNKNOWN_TOPIC_ID',
        `the folders of topic ${name} belong to two topics of that name, with ids ${topicId} and ${other.topicId}`,
        { topic: name, hint: 'The topic was deleted and created again: remove the folders of the old one.' },
      )
    }
    return { topic: name, topicId, partitions: found.map(({ partition }) => partition) }
  }

  async bounds(partitions: readonly TopicPartition[]): Promise<SourceBounds[]> {
    const bounds: SourceBounds[] = []
    for (const place of partitions) bounds.push(await visibleBounds(await this.#state(place)))
    return bounds
  }

  async offsetsForTime(
    questions: readonly (TopicPartition & { readonly timestampMs: number })[],
  ): Promise<(number | null)[]> {
    const offsets: (number | null)[] = []
    for (const question of questions) {
      offsets.push(await offsetForTime(await this.#state(question), question.timestampMs))
    }
    return offsets
  }

  committedOffsets(groupId: string): Promise<(number | null)[]> {
    const text = `what group ${groupId} has committed is known to a cluster only; this source is a folder`
    return Promise.reject(new StratalogError('INVALID_REQUEST', text, { metadata: { field: 'group' } }))
  }

  async range(range: RangeOfPartition, targetBytes: number): Promise<SourceRange> {
    const { startOffset, endOffset } = range
    if (startOffset >= endOffset) return { points: [], hosts: [] }
    const place = await this.#folder.partition(range.topic, range.partition)
    if (place.topicId !== range.topicId) throw topicRecreated(range, place.topicId)
    const state = await partitionState(this.#folder, place, this.#unsafeToLogEnd)
    return { points: await splitPoints(state, startOffset, endOffset, targetBytes), hosts: [] }
  }

  read(split: ReplaySplit, options: SourceReadOptions): AsyncIterable<SourceChunk> {
    return readFolder(this.#folder, split, options, this.#unsafeToLogEnd)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve()
  }

  async #state({ topic, partition }: TopicPartition): Promise<PartitionState> {
    return await partitionState(this.#folder, await this.#folder.partition(topic, partition), this.#unsafeToLogEnd)
  }
}
