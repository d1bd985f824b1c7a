/** The application's hooks, one after another: what moves later is told later, however long a hook takes. */

/** See the file's header. */
export class HookChain {
  #last: Promise<void> = Promise.resolve()

  /** Runs a hook when those before it are over. Rejects with its error, which does not stop the chain. */
  run(hook: () => Promise<void>): Promise<void> {
    const running = this.#last.then(hook)
    this.#last = running.catch(() => {})
    return running
  }
}
