/** A partition as the log that a state machine replicates: the metadata, or the groups. */
import type { StratalogError } from '@stratalog/proto'
import { readBatchHeader } from '@stratalog/proto/records'
import type { Partition } from './partition.ts'
import type { Appending, LogRead, ReplicatedLog } from './replicated-log.ts'

/** Long enough never to happen: whoever waits has a deadline of its own, and must hear what became of the batch. */
const NEVER_MS = 1e15

/** What a partition says while it may yet serve. */
const PASSING: ReadonlySet<string> = new Set(['NOT_LEADER_OR_FOLLOWER', 'LEADER_NOT_AVAILABLE', 'DISK_FULL'])

/** See the file's header. */
export class PartitionReplicatedLog implements ReplicatedLog {
  readonly #partition: Partition

  constructor(partition: Partition) {
    this.#partition = partition
  }

  get isLeader(): boolean {
    return this.#partition.state().kind === 'serving'
  }

  get leaderId(): number | null {
    return this.#partition.describe().leaderId
  }

  get leaderEpoch(): number {
    return this.#partition.bounds().leaderEpoch
  }

  get committedEnd(): number {
    return this.#partition.committedEnd
  }

  get logEndOffset(): number {
    return this.#partition.bounds().logEndOffset
  }

  get failure(): StratalogError | null {
    const state = this.#partition.state()
    return state.kind === 'serving' || PASSING.has(state.error.code) ? null : state.error
  }

  append(batch: Buffer): Appending {
    const committed = new Promise<void>((resolve, reject) => {
      this.#partition.produce(batch, { acks: 'all', timeoutMs: NEVER_MS }, (outcome) => {
        if (outcome.kind === 'ok') resolve()
        else reject(outcome.error)
      })
    })
    // A batch that was taken has been stamped, in place, with its offset and epoch.
    const { leaderEpoch, lastOffset } = readBatchHeader(batch, 0)
    return { place: leaderEpoch < 0 ? null : { endOffset: lastOffset + 1, leaderEpoch }, committed }
  }

  read(from: number, maxBytes: number): Promise<LogRead> {
    return this.#partition.readCommitted(from, maxBytes)
  }

  onAdvance(listener: () => void): () => void {
    return this.#partition.onAdvance(listener)
  }
}
