/**
 * The bytes that a producer may hold, and those who wait for room, first come first served.
 *
 * Invariant: `usedBytes` never exceeds `capacityBytes`. Whoever asks while others wait, waits behind them, so that
 * records keep the order of their `send` calls.
 */
import { onAbort } from '@stratalog/client'
import { invariant, StratalogError } from '@stratalog/proto'

interface Waiter {
  readonly bytes: number
  readonly grant: () => void
  readonly refuse: (error: StratalogError) => void
}

/** See the head of this file. */
export class BufferMemory {
  readonly capacityBytes: number
  #usedBytes = 0
  #waiters: Waiter[] = []

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Those who wait. */
  get waiterCount(): number {
    return this.#waiters.length
  }

  /** Takes the bytes if there is room and nobody waits. */
  tryReserve(bytes: number): boolean {
    if (this.#waiters.length > 0 || this.#usedBytes + bytes > this.capacityBytes) return false
    this.#usedBytes += bytes
    return true
  }

  /** Takes the bytes, when there is room. Zero bytes wait for those before. Errors: CANCELLED; what `close` says. */
  reserve(bytes: number, signal?: AbortSignal): Promise<void> {
    invariant(bytes <= this.capacityBytes, 'more than the whole buffer can never be reserved')
    if (this.tryReserve(bytes)) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        bytes,
        grant: () => {
          stop()
          resolve()
        },
        refuse: (error) => {
          stop()
          reject(error)
        },
      }
      this.#waiters.push(waiter)
      const stop = onAbort(signal, () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
        reject(new StratalogError('CANCELLED', undefined, { cause: signal?.reason }))
        this.#grant()
      })
    })
  }

  /** Gives bytes back and lets in who waits. */
  release(bytes: number): void {
    this.#usedBytes -= bytes
    invariant(this.#usedBytes >= 0, 'more was released than reserved')
    this.#grant()
  }

  /** Refuses all who wait. */
  refuseWaiters(error: StratalogError): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.refuse(error)
  }

  #grant(): void {
    let granted = 0
    for (const waiter of this.#waiters) {
      if (this.#usedBytes + waiter.bytes > this.capacityBytes) break
      this.#usedBytes += waiter.bytes
      granted++
      waiter.grant()
    }
    if (granted > 0) this.#waiters.splice(0, granted)
  }
}
