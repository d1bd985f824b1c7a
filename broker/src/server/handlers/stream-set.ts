/**
 * The open streams of one kind: remembered so that a stop can drain them and a timer can look at them.
 * Owner: the broker, from readiness to stop.
 */

/** A set that forgets a stream when its call is over. */
export class StreamSet<Session> {
  readonly #sessions = new Set<Session>()
  readonly #idleListeners: Array<() => void> = []

  get size(): number {
    return this.#sessions.size
  }

  /** Remembers a session until the call is over. */
  add(call: { onClose(listener: () => void): void }, session: Session): void {
    this.#sessions.add(session)
    call.onClose(() => {
      this.#sessions.delete(session)
      if (this.#sessions.size === 0) for (const listener of this.#idleListeners.splice(0)) listener()
    })
  }

  /** The sessions open now; they may end while they are visited. */
  sessions(): Session[] {
    return [...this.#sessions]
  }

  /** Resolves when no stream is open. */
  whenIdle(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idleListeners.push(resolve))
  }
}
