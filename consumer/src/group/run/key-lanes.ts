/**
 * Tasks in lanes: those of one lane one after another in the order added, lanes side by side, `concurrency` at a time.
 *
 * Memory: a lane exists while it has tasks; how many tasks there are is bounded by who adds them (`size`, `room`).
 */

interface Lane<T> {
  readonly key: string | null
  readonly waiting: T[]
}

/** See the file's header. */
export class KeyLanes<T> {
  readonly #concurrency: number
  readonly #work: (task: T) => Promise<void>
  readonly #byKey = new Map<string, Lane<T>>()
  readonly #ready: Lane<T>[] = []
  #activeCount = 0
  #size = 0
  readonly #waiters: { readonly below: number; readonly wake: () => void }[] = []

  /** @param work must not reject. */
  constructor(concurrency: number, work: (task: T) => Promise<void>) {
    this.#concurrency = concurrency
    this.#work = work
  }

  /** Tasks that wait or are under way. */
  get size(): number {
    return this.#size
  }

  /** Adds a task behind those of its lane. @param key null = a lane of its own. */
  add(key: string | null, task: T): void {
    this.#size++
    const lane = key === null ? undefined : this.#byKey.get(key)
    if (lane !== undefined) {
      lane.waiting.push(task)
      return
    }
    const fresh: Lane<T> = { key, waiting: [task] }
    if (key !== null) this.#byKey.set(key, fresh)
    this.#ready.push(fresh)
    this.#startReady()
  }

  /** Takes out the tasks that wait and are meant, and returns them. Those under way go on. */
  drop(isMeant: (task: T) => boolean): T[] {
    const dropped: T[] = []
    for (const lane of new Set([...this.#byKey.values(), ...this.#ready])) {
      const kept = lane.waiting.filter((task) => {
        if (!isMeant(task)) return true
        dropped.push(task)
        return false
      })
      lane.waiting.splice(0, lane.waiting.length, ...kept)
    }
    this.#size -= dropped.length
    this.#startReady()
    this.#wake()
    return dropped
  }

  /** Resolves when fewer than `below` tasks wait or are under way. */
  async room(below: number): Promise<void> {
    while (this.#size >= below) await new Promise<void>((wake) => this.#waiters.push({ below, wake }))
  }

  #startReady(): void {
    while (this.#activeCount < this.#concurrency) {
      const lane = this.#ready.shift()
      if (lane === undefined) return
      const task = lane.waiting.shift()
      if (task === undefined) {
        if (lane.key !== null) this.#byKey.delete(lane.key)
        continue
      }
      this.#activeCount++
      void this.#work(task).finally(() => this.#done(lane))
    }
  }

  #done(lane: Lane<T>): void {
    this.#activeCount--
    this.#size--
    // Behind the others: a long lane does not starve them.
    if (lane.waiting.length > 0) this.#ready.push(lane)
    else if (lane.key !== null) this.#byKey.delete(lane.key)
    this.#startReady()
    this.#wake()
  }

  #wake(): void {
    for (let index = this.#waiters.length - 1; index >= 0; index--) {
      const waiter = this.#waiters[index]!
      if (this.#size >= waiter.below) continue
      this.#waiters.splice(index, 1)
      waiter.wake()
    }
  }
}
