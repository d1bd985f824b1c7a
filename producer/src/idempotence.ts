/**
 * The producer id and epoch of a producer: asked for once, renewed when a sequence had to be given up.
 *
 * A renewal keeps the id and raises the epoch, which fences whatever of the old epoch is still under way; when epochs
 * are used up the broker hands out a new id. Partitions adopt a new identity one by one, each when nothing of its old
 * one is outstanding (partition-queue.ts).
 *
 * Invariant: at most one call is under way. `current` never goes back to an identity that was renewed.
 */
import { backoffDelayMs, type Logger, RETRY_BACKOFF } from '@stratalog/client'
import { StratalogError } from '@stratalog/proto'

/** What the broker tells a producer by. Compared by reference: one object for each that was handed out. */
export interface ProducerIdentity {
  readonly producerId: number
  /** int16 >= 0. */
  readonly producerEpoch: number
}

/** What the producer's identity needs from outside. */
export interface IdentityPort {
  /** Asks for the next epoch of `previous`, or for a new id. Rejects with StratalogError. */
  readonly init: (previous: ProducerIdentity | null) => Promise<ProducerIdentity>
  /** Calls back once after `ms`. */
  readonly after: (ms: number, callback: () => void) => void
  readonly random: () => number
  /** There is a new identity. */
  readonly onIdentity: () => void
  /** The broker will not give one; everything that waits for it fails. */
  readonly onRefused: (error: StratalogError) => void
  readonly logger: Logger
}

/** See the head of this file. */
export class Idempotence {
  readonly #port: IdentityPort
  #current: ProducerIdentity | null = null
  #previous: ProducerIdentity | null = null
  #asking = false
  #failureCount = 0
  #lastError: StratalogError | null = null
  #closed = false

  constructor(port: IdentityPort) {
    this.#port = port
  }

  /** The identity for new batches; `null` while one is asked for. */
  get current(): ProducerIdentity | null {
    return this.#current
  }

  /** Why the last attempt to get one failed, if it did. */
  get lastError(): StratalogError | null {
    return this.#lastError
  }

  /** Asks for an identity if there is none. */
  request(): void {
    if (this.#current !== null || this.#asking || this.#closed) return
    this.#asking = true
    void this.#ask()
  }

  /** Gives up `stale`, which must not be used for new sequences in some partition; asks for another if it is current. */
  renew(stale: ProducerIdentity | null): void {
    if (this.#current !== null && this.#current === stale) {
      this.#previous = stale
      this.#current = null
    }
    this.request()
  }

  /** Asks no more. */
  close(): void {
    this.#closed = true
  }

  async #ask(): Promise<void> {
    try {
      this.#current = await this.#port.init(this.#previous)
    } catch (thrown) {
      this.#asking = false
      this.#failed(
        thrown instanceof StratalogError ? thrown : new StratalogError('UNKNOWN_SERVER_ERROR', String(thrown)),
      )
      return
    }
    this.#asking = false
    this.#previous = null
    this.#failureCount = 0
    this.#lastError = null
    if (!this.#closed) this.#port.onIdentity()
  }

  #failed(error: StratalogError): void {
    this.#lastError = error
    if (this.#closed) return
    if (error.code === 'UNKNOWN_PRODUCER_ID' || error.code === 'INVALID_PRODUCER_EPOCH') {
      this.#previous = null
    } else if (!error.retriable) {
      this.#port.onRefused(error)
      return
    }
    this.#failureCount++
    this.#port.logger.debug({ err: error }, 'no producer id yet')
    this.#port.after(backoffDelayMs(this.#failureCount, RETRY_BACKOFF, this.#port.random), () => this.request())
  }
}
