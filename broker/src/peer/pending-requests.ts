/**
 * Requests that wait for an answer on one connection: each is settled exactly once, by its answer, its time or the end of
 * the connection.
 */
import { StratalogError } from '@stratalog/proto'
import type { Clock } from '../replication/tick-loop.ts'
import { timedOut } from './request-errors.ts'

interface Pending {
  readonly resolve: (body: Buffer) => void
  readonly reject: (error: StratalogError) => void
  readonly cancelTimer: () => void
}

/** Ids are uint32 and wrap around. */
const ID_END = 0x1_0000_0000

/** See the file's header. Owner: one connection. */
export class PendingRequests {
  readonly #clock: Clock
  readonly #pending = new Map<number, Pending>()
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Requests that wait. */
  get count(): number {
    return this.#pending.size
  }

  /** Begins one; `send` gets its id. @param whom for the error of a request that takes too long. */
  begin(whom: string, kind: string, timeoutMs: number, send: (id: number) => void): Promise<Buffer> {
    const id = this.#freeId()
    return new Promise((resolve, reject) => {
      const cancelTimer = this.#clock.schedule(timeoutMs, () => this.settle(id, timedOut(whom, kind, timeoutMs)))
      this.#pending.set(id, { resolve, reject, cancelTimer })
      send(id)
    })
  }

  /** The answer to a request; one that waits no more is passed over. */
  settle(id: number, answer: Buffer | StratalogError): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    pending.cancelTimer()
    if (answer instanceof StratalogError) pending.reject(answer)
    else pending.resolve(answer)
  }

  /** No answer will come any more. */
  failAll(error: () => StratalogError): void {
    for (const id of [...this.#pending.keys()]) this.settle(id, error())
  }

  #freeId(): number {
    do this.#lastId = (this.#lastId + 1) % ID_END
    while (this.#pending.has(this.#lastId))
    return this.#lastId
  }
}
