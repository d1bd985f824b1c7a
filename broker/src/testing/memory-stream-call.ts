/**
 * A streaming call in memory, for tests of stream sessions: the test plays the client and decides when the network
 * takes what was written.
 */
import type { StratalogError } from '@stratalog/proto'
import { ByteBudget } from '../server/byte-budget.ts'
import type { ClientConnection, StreamCall } from '../server/call.ts'

/** A connection with budgets of the given size. */
export function memoryConnection(limitBytes: number): ClientConnection & { isDestroyed: boolean } {
  return {
    peer: '127.0.0.1:1',
    localHost: '127.0.0.1',
    localPort: 9400,
    produceBudget: new ByteBudget(limitBytes),
    fetchBudget: new ByteBudget(limitBytes),
    isDestroyed: false,
    destroy() {
      this.isDestroyed = true
    },
  }
}

/** See the file's header. */
export class MemoryStreamCall<In, Out> implements StreamCall<In, Out> {
  readonly connection: ReturnType<typeof memoryConnection>
  /** What the session wrote and the client has not taken. */
  readonly written: Array<{ readonly message: Out; readonly bytes: number }> = []
  /** What the client has taken. */
  readonly received: Out[] = []
  isPaused = false
  /** `null` while the call is open; the error it failed with, or `ok`. */
  ending: StratalogError | 'ok' | null = null
  readonly #messages: Array<(message: In) => void> = []
  readonly #halfCloses: Array<() => void> = []
  readonly #flushes: Array<(bytes: number) => void> = []
  readonly #closes: Array<() => void> = []

  constructor(connection: ReturnType<typeof memoryConnection>) {
    this.connection = connection
  }

  get unflushedBytes(): number {
    return this.written.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  write(message: Out, bytes: number): void {
    if (this.ending === null) this.written.push({ message, bytes })
  }

  onMessage(listener: (message: In) => void): void {
    this.#messages.push(listener)
  }

  onHalfClose(listener: () => void): void {
    this.#halfCloses.push(listener)
  }

  onFlush(listener: (bytes: number) => void): void {
    this.#flushes.push(listener)
  }

  onClose(listener: () => void): void {
    this.#closes.push(listener)
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  end(): void {
    this.ending ??= 'ok'
  }

  fail(error: StratalogError): void {
    this.ending ??= error
  }

  /** The client sends a message. */
  send(message: In): void {
    for (const listener of this.#messages) listener(message)
  }

  /** The client will send no more. */
  halfClose(): void {
    for (const listener of this.#halfCloses) listener()
  }

  /** The network takes all that was written. @returns what the client got by it. */
  take(): Out[] {
    const taken = this.written.splice(0)
    for (const { message, bytes } of taken) {
      this.received.push(message)
      for (const listener of this.#flushes) listener(bytes)
    }
    return taken.map(({ message }) => message)
  }

  /** The client is gone. */
  disconnect(): void {
    this.written.length = 0
    for (const listener of this.#closes) listener()
  }
}
