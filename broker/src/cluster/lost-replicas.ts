/**
 * Copies of this broker that are lost (damaged, missing, older than they were) are asked to be replaced.
 *
 * The controllers give the copy its next generation; this broker then begins it anew, empty, and the partition's leader
 * fills it. Asked again until the controllers have answered, as they may be away themselves; a copy that has none beside
 * it is not given up, its error stays.
 * Owner: the broker.
 */
import { isStratalogError } from '@stratalog/proto'
import type { LostReplica, PartitionLogger } from '../partition/partition-types.ts'
import type { Clock } from '../replication/tick-loop.ts'

/** What is asked for. */
export interface LostReplicasOptions {
  readonly clock: Clock
  /** Asks the controllers for the next generation. Errors: StratalogError. */
  readonly renew: (lost: LostReplica) => Promise<void>
  readonly logger: PartitionLogger
}

const RETRY_MS = 2000

/** See the file's header. */
export class LostReplicas {
  readonly #options: LostReplicasOptions
  readonly #cancels = new Set<() => void>()
  #closed = false

  constructor(options: LostReplicasOptions) {
    this.#options = options
  }

  /** A copy is lost. */
  report(lost: LostReplica): void {
    const { topic, partition, generation, error } = lost
    const { logger } = this.#options
    logger.error({ topic, partition, generation, err: error }, 'this copy is lost and is to be rebuilt from the others')
    this.#ask(lost)
  }

  close(): void {
    this.#closed = true
    for (const cancel of this.#cancels) cancel()
  }

  #ask(lost: LostReplica): void {
    if (this.#closed) return
    this.#options.renew(lost).catch((error: unknown) => {
      if (isStratalogError(error) && !error.retriable) {
        const { topic, partition } = lost
        this.#options.logger.error({ topic, partition, err: error }, 'the lost copy cannot be rebuilt')
        return
      }
      const cancel = this.#options.clock.schedule(RETRY_MS, () => {
        this.#cancels.delete(cancel)
        this.#ask(lost)
      })
      this.#cancels.add(cancel)
    })
  }
}
