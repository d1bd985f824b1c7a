/**
 * This broker's copy of the metadata log: a partition like any other, but opened before there is metadata, and replaced
 * in place when it is lost.
 * Owner: the broker's core.
 */
import { StratalogError } from '@stratalog/proto'
import {
  METADATA_PARTITION,
  METADATA_PARTITION_CONFIG,
  METADATA_TOPIC,
  METADATA_TOPIC_ID,
} from '../controller/metadata-topic.ts'
import type { FailedCopy } from '../partition/open-copy.ts'
import { Partition } from '../partition/partition.ts'
import { partitionDirectory } from '../partition/partition-folder.ts'
import type { PartitionEnvironment } from '../partition/partition-types.ts'
import { groupKey } from '../replication/group-state-store.ts'
import type { Replica } from '../replication/raft-ids.ts'

/** Where the copy is. */
export interface MetadataCopyOptions {
  readonly environment: PartitionEnvironment
  /** `<data>/metadata`. */
  readonly directory: string
}

/** See the file's header. */
export class MetadataCopy {
  readonly #options: MetadataCopyOptions
  #partition: Partition
  #generation: number

  private constructor(options: MetadataCopyOptions, partition: Partition, generation: number) {
    this.#options = options
    this.#partition = partition
    this.#generation = generation
  }

  /** Generation of the copy that has run here; null when none has. */
  static storedGeneration({ groupStates }: PartitionEnvironment): number | null {
    return groupStates.get(groupKey(METADATA_TOPIC_ID, METADATA_PARTITION))?.generation ?? null
  }

  /**
   * Opens the copy.
   *
   * @param voters of the group that it founds; null for a copy that has run, or that the leader is to fill.
   * Errors: those of Partition.open.
   */
  static async open(
    options: MetadataCopyOptions,
    generation: number,
    voters: readonly Replica[] | null,
  ): Promise<MetadataCopy> {
    return new MetadataCopy(options, await openPartition(options, generation, voters), generation)
  }

  /** The copy in use. */
  get partition(): Partition {
    return this.#partition
  }

  get generation(): number {
    return this.#generation
  }

  /** Gives the copy up for an empty one of a later generation. */
  async renew(generation: number): Promise<Partition> {
    await this.#partition.close(new StratalogError('SHUTTING_DOWN', 'the metadata log is being rebuilt here'))
    this.#partition = await openPartition(this.#options, generation, null)
    this.#generation = generation
    return this.#partition
  }

  /** Opens the copy anew that has failed, without what was not flushed. Errors: those of Partition.open; it may be tried again. */
  async reopen(): Promise<Partition> {
    const failed = this.#partition.failedCopy()
    await this.#partition.close(new StratalogError('SHUTTING_DOWN', 'the metadata log is being opened anew'))
    this.#partition = await openPartition(this.#options, this.#generation, null, failed)
    return this.#partition
  }

  /** Closes it cleanly. */
  async close(): Promise<void> {
    await this.#partition.close(new StratalogError('SHUTTING_DOWN'))
  }
}

async function openPartition(
  { environment, directory }: MetadataCopyOptions,
  generation: number,
  initialVoters: readonly Replica[] | null,
  failed: FailedCopy | null = null,
): Promise<Partition> {
  await environment.fileSystem.makeDirectory(directory)
  const spec = {
    topic: METADATA_TOPIC,
    topicId: METADATA_TOPIC_ID,
    partition: METADATA_PARTITION,
    generation,
    initialVoters,
    config: METADATA_PARTITION_CONFIG,
    directory: partitionDirectory(directory, METADATA_TOPIC, METADATA_PARTITION),
  }
  return await Partition.open(spec, environment, failed)
}
