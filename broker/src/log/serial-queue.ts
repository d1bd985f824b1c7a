/** Runs asynchronous steps one after another: the partition's writer loop as a queue. */

/** Steps of one owner, in the order of asking; a step that fails does not stop those behind it. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `step` once all earlier ones have settled, and settles as it does. */
  run<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#last.then(step)
    this.#last = result.catch(() => undefined)
    return result
  }
}
