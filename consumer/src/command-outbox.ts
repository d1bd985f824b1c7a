/**
 * What is to be sent on each stream, gathered until its session sends it in one message. Pure.
 *
 * Invariant: bounded by the number of partitions (and of seeks while a stream takes nothing): credits of a handle add
 * up, and a start that was not sent yet is withdrawn rather than followed by a stop.
 */
import type { stratalog } from '@stratalog/proto'

/** What is to be sent on one stream, in one message. */
export interface StreamCommands {
  readonly starts: stratalog.v1.FetchStart.$Properties[]
  readonly credits: stratalog.v1.FetchCredit.$Properties[]
  readonly stops: stratalog.v1.FetchStop.$Properties[]
}

interface Pending {
  readonly starts: stratalog.v1.FetchStart.$Properties[]
  readonly credits: Map<number, number>
  readonly stops: number[]
}

/** See the file's header. */
export class CommandOutbox {
  readonly #pending = new Map<number, Pending>()
  readonly #onCommands: (sessionId: number) => void

  /** @param onCommands a session has something to send; called once until it is drained. */
  constructor(onCommands: (sessionId: number) => void) {
    this.#onCommands = onCommands
  }

  /** Begins a handle. */
  start(sessionId: number, start: stratalog.v1.FetchStart.$Properties): void {
    this.#of(sessionId).starts.push(start)
  }

  /** Grants bytes > 0. */
  grant(sessionId: number, handle: number, bytes: number): void {
    const { credits } = this.#of(sessionId)
    credits.set(handle, (credits.get(handle) ?? 0) + bytes)
  }

  /** Ends a handle. */
  stop(sessionId: number, handle: number): void {
    const pending = this.#of(sessionId)
    pending.credits.delete(handle)
    const unsent = pending.starts.findIndex((start) => start.handle === handle)
    if (unsent >= 0) pending.starts.splice(unsent, 1)
    else pending.stops.push(handle)
  }

  /** What is to be sent now, or null; it then counts as sent. */
  drain(sessionId: number): StreamCommands | null {
    const pending = this.#pending.get(sessionId)
    if (pending === undefined) return null
    this.#pending.delete(sessionId)
    return {
      starts: pending.starts,
      credits: [...pending.credits].map(([handle, bytes]) => ({ handle, bytes })),
      stops: pending.stops.map((handle) => ({ handle })),
    }
  }

  /** The stream is lost. */
  drop(sessionId: number): void {
    this.#pending.delete(sessionId)
  }

  #of(sessionId: number): Pending {
    let pending = this.#pending.get(sessionId)
    if (pending === undefined) {
      pending = { starts: [], credits: new Map(), stops: [] }
      this.#pending.set(sessionId, pending)
      this.#onCommands(sessionId)
    }
    return pending
  }
}
