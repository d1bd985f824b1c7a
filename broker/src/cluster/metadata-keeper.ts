/**
 * What the leader of the metadata group sees to beside commands: the cluster's founding, the group's own members, and
 * that a broker which is being decommissioned is emptied and then removed.
 *
 * Every broker has one; only the leader's does anything. Each look asks anew what is so, so that a new leader goes on
 * where the last one was. Owner: the broker's core.
 */
import { isStratalogError } from '@stratalog/proto'
import type { MetadataImage } from '../controller/metadata-image.ts'
import { metadataMembers } from '../controller/metadata-image.ts'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { Replica } from '../replication/raft-ids.ts'
import type { Clock } from '../replication/tick-loop.ts'

/** What a keeper is made of. */
export interface MetadataKeeperOptions {
  readonly clock: Clock
  readonly image: () => MetadataImage
  readonly isLeader: () => boolean
  /** A step of the metadata group towards these members. */
  readonly reconcile: (voters: readonly Replica[], learners: readonly Replica[]) => 'done' | 'under-way' | 'not-leader'
  /** Commits the beginning of the cluster. */
  readonly found: () => Promise<void>
  readonly removeBroker: (brokerId: number) => Promise<unknown>
  /** Hands leadership of the group over if this broker is to lead nothing. */
  readonly handOver: () => void
  readonly logger: PartitionLogger
}

const INTERVAL_MS = 100
/** Looks between two attempts to remove a broker that is being emptied. */
const LOOKS_PER_REMOVAL = 10

/** See the file's header. */
export class MetadataKeeper {
  readonly #options: MetadataKeeperOptions
  readonly #cancel: () => void
  #busy = false
  #lookCount = 0

  constructor(options: MetadataKeeperOptions) {
    this.#options = options
    this.#cancel = options.clock.every(INTERVAL_MS, () => this.#look())
  }

  close(): void {
    this.#cancel()
  }

  #look(): void {
    const { image, isLeader, reconcile, found } = this.#options
    if (!isLeader()) return
    const now = image()
    if (now.clusterId === null) {
      this.#attempt('the cluster could not be founded', found)
      return
    }
    const { voters, learners } = metadataMembers(now)
    const isSettled = reconcile(voters, learners) === 'done'
    if (this.#lookCount++ % LOOKS_PER_REMOVAL !== 0) return
    this.#options.handOver()
    const leaving = [...now.brokers.values()].find(({ isDecommissioning }) => isDecommissioning)
    // A seat that was given up counts until the group has let it go.
    if (leaving === undefined || !isSettled) return
    const { brokerId } = leaving
    this.#attempt(`broker ${brokerId} could not be emptied`, () => this.#options.removeBroker(brokerId))
  }

  /** One thing at a time; what fails is tried again at a later look. */
  #attempt(failure: string, step: () => Promise<unknown>): void {
    if (this.#busy) return
    this.#busy = true
    step()
      .catch((error: unknown) => {
        if (isStratalogError(error) && error.retriable) return
        this.#options.logger.warn({ err: error }, failure)
      })
      .finally(() => {
        this.#busy = false
      })
  }
}
