/** The log of a coordinator: a replicated log that is trimmed by who folds it. */
import type { Partition } from '../partition/partition.ts'
import { PartitionReplicatedLog } from '../partition/partition-replicated-log.ts'
import type { ReplicatedLog } from '../partition/replicated-log.ts'

/** See the file's header. */
export interface CoordinatorLog extends ReplicatedLog {
  /** First offset that can be read. */
  readonly logStartOffset: number
  /** Gives up what lies below `offset`, a batch boundary that is committed. Errors: those of the disk. */
  trimTo(offset: number): Promise<void>
}

/** A partition of the offsets topic as a coordinator's log. */
export class PartitionCoordinatorLog extends PartitionReplicatedLog implements CoordinatorLog {
  readonly #partition: Partition

  constructor(partition: Partition) {
    super(partition)
    this.#partition = partition
  }

  get logStartOffset(): number {
    return this.#partition.bounds().logStartOffset
  }

  trimTo(offset: number): Promise<void> {
    return this.#partition.trimTo(offset)
  }
}
