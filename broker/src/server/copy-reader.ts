/**
 * A broker's copy of a partition for readers who do not ask for the leader: what it knows to be committed and has on disk.
 *
 * What it lacks may exist elsewhere, so nothing is beyond the end here: it is not available yet.
 */
import { isStratalogError, type StratalogError } from '@stratalog/proto'
import type { Partition } from '../partition/partition.ts'
import type { PartitionBounds, PartitionLookup, ReadablePartition } from './partition-access.ts'

/** See the file's header. */
class CopyReader implements ReadablePartition {
  readonly #partition: Partition

  constructor(partition: Partition) {
    this.#partition = partition
  }

  bounds(): PartitionBounds {
    return { ...this.#partition.committedBounds(), logEndOffset: Number.MAX_SAFE_INTEGER }
  }

  read(offset: number, maxBytes: number): ReturnType<Partition['readCommitted']> {
    return this.#partition.readCommitted(offset, maxBytes)
  }

  state(): ReturnType<ReadablePartition['state']> {
    return this.#partition.copyState()
  }

  checkEpoch(lastEpoch: number, offset: number): StratalogError | null {
    return this.#partition.checkEpoch(lastEpoch, offset)
  }

  onAdvance(listener: () => void): () => void {
    return this.#partition.onAdvance(listener)
  }
}

/** The copies of this broker, whoever leads. */
export function anyCopy(lookup: PartitionLookup<Partition>): PartitionLookup<ReadablePartition> {
  return (topic, partition, topicId) => {
    const found = lookup(topic, partition, topicId)
    return isStratalogError(found) ? found : new CopyReader(found)
  }
}
