/**
 * Brings the Raft group of each partition that this broker leads to the copies that the metadata wants.
 *
 * The metadata says where copies belong; the leader adds what is missing as learners, and once those have caught up
 * exchanges the voters in one joint change (see RaftGroup.reconcile). When it is done and the partition was being moved,
 * the controllers are told. Every step asks anew what is so: a new leader, or a restart, goes on where the last one was.
 * A partition that is as it should be costs nothing: only those are looked at that changed, or are on their way.
 * Owner: the broker.
 */
import { isStratalogError } from '@stratalog/proto'
import type { MetadataImage, PartitionImage } from '../controller/metadata-image.ts'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { Replica } from '../replication/raft-ids.ts'
import type { Clock } from '../replication/tick-loop.ts'

/** What a reconciler needs of a partition. */
export interface ReconciledPartition {
  readonly topic: string
  /** 16 bytes. */
  readonly topicId: Buffer
  readonly partition: number
  /** A step towards exactly these voters; see RaftGroup. */
  reconcile(voters: readonly Replica[]): 'done' | 'under-way' | 'not-leader'
}

/** What a reconciler is made of. */
export interface ReplicaReconcilerOptions {
  readonly clock: Clock
  readonly image: () => MetadataImage
  /** Tells the controllers that a move is complete. */
  readonly completeMove: (topicId: string, partition: number, target: readonly Replica[]) => Promise<unknown>
  readonly logger: PartitionLogger
}

/** How often what is under way is looked at. */
const INTERVAL_MS = 200

/** See the file's header. */
export class ReplicaReconciler {
  readonly #options: ReplicaReconcilerOptions
  readonly #pending = new Set<ReconciledPartition>()
  /** Moves whose completion the controllers are being told. */
  readonly #completing = new Set<ReconciledPartition>()
  #cancel: (() => void) | null = null
  #closed = false

  constructor(options: ReplicaReconcilerOptions) {
    this.#options = options
  }

  /** What the metadata says of this partition changed, or this broker began to lead it. */
  consider(partition: ReconciledPartition): void {
    if (this.#closed) return
    this.#pending.add(partition)
    this.#cancel ??= this.#options.clock.every(INTERVAL_MS, () => this.#run())
  }

  close(): void {
    this.#closed = true
    this.#pending.clear()
    this.#cancel?.()
    this.#cancel = null
  }

  #run(): void {
    for (const partition of this.#pending) {
      if (this.#isSettled(partition)) this.#pending.delete(partition)
    }
    if (this.#pending.size > 0) return
    this.#cancel?.()
    this.#cancel = null
  }

  #isSettled(partition: ReconciledPartition): boolean {
    const wanted = wantedCopies(this.#options.image(), partition)
    if (wanted === null) return true
    const { replicas, target } = wanted
    const outcome = partition.reconcile(target ?? replicas)
    if (outcome === 'not-leader') return true
    if (outcome === 'under-way') return false
    if (target === null) return true
    this.#complete(partition, target)
    return false
  }

  #complete(partition: ReconciledPartition, target: readonly Replica[]): void {
    if (this.#completing.has(partition)) return
    this.#completing.add(partition)
    const { completeMove, logger } = this.#options
    const topicId = partition.topicId.toString('hex')
    completeMove(topicId, partition.partition, target)
      .catch((error: unknown) => {
        // Tried again at the next look, unless it is no longer wanted.
        if (isStratalogError(error) && error.retriable) return
        const { topic } = partition
        logger.warn({ topic, partition: partition.partition, err: error }, 'the end of a move could not be told')
      })
      .finally(() => this.#completing.delete(partition))
  }
}

/** What the metadata wants of a partition; null when it is no partition of the cluster any more. */
export function wantedCopies(
  image: MetadataImage,
  { topicId, partition }: { readonly topicId: Buffer; readonly partition: number },
): PartitionImage | null {
  return image.topicsById.get(topicId.toString('hex'))?.partitions[partition] ?? null
}
