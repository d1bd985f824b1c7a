/** Who wants to hear when a partition moves: its ends, its leader, or its own end. */

/** See the file's header. Owner: the partition. */
export class AdvanceListeners {
  readonly #listeners = new Set<() => void>()

  /** Calls `listener` at every move, synchronously; it must be cheap and must not throw. Returns how to stop it. */
  add(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves at the next move. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      const stopListening = this.add(() => {
        stopListening()
        resolve()
      })
    })
  }

  /** It has moved. */
  tell(): void {
    for (const listener of this.#listeners) listener()
  }
}
