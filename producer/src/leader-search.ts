/**
 * Looks up topics whose leaders are not known, have failed or are silent: one lookup of a topic at a time, and lookups in
 * a row further and further apart, until a batch of each partition that searches gets through. They stay close together
 * for as long as an election may take, so that the gap after it is short. Lookups that fail are spaced out by the port.
 */
import { leaderBackoffDelayMs } from '@stratalog/client'
import type { StratalogError } from '@stratalog/proto'
import type { PartitionQueue } from './partition-queue.ts'
import type { SenderPort } from './sender-port.ts'

interface Search {
  /** Partitions that search, and the lookups since they began that were answered. */
  readonly lookupCounts: Map<PartitionQueue, number>
  running: boolean
}

/** See the head of this file. */
export class LeaderSearch {
  readonly #port: SenderPort
  readonly #onDone: (topic: string, error: StratalogError | null) => void
  readonly #searches = new Map<string, Search>()

  /** @param onDone called after each lookup: `null`, or why the topic could not be described. */
  constructor(port: SenderPort, onDone: (topic: string, error: StratalogError | null) => void) {
    this.#port = port
    this.#onDone = onDone
  }

  /** Looks the partition's topic up, at once or when the backoff allows; nothing when that is under way. */
  request(queue: PartitionQueue): void {
    let search = this.#searches.get(queue.topic)
    if (search === undefined) {
      search = { lookupCounts: new Map(), running: false }
      this.#searches.set(queue.topic, search)
    }
    const { lookupCounts } = search
    if (!lookupCounts.has(queue)) lookupCounts.set(queue, 0)
    if (search.running) return
    search.running = true
    const delayMs = leaderBackoffDelayMs(Math.min(...lookupCounts.values()), this.#port.random)
    if (delayMs === 0) void this.#lookUp(queue.topic, search)
    else this.#port.after(delayMs, () => void this.#lookUp(queue.topic, search))
  }

  /** Whether the partition searches. */
  has(queue: PartitionQueue): boolean {
    return this.#searches.get(queue.topic)?.lookupCounts.has(queue) ?? false
  }

  /** A batch of the partition got through: its next lookup need not wait. */
  succeeded(queue: PartitionQueue): void {
    const search = this.#searches.get(queue.topic)
    if (search === undefined) return
    search.lookupCounts.delete(queue)
    if (search.lookupCounts.size === 0 && !search.running) this.#searches.delete(queue.topic)
  }

  async #lookUp(topic: string, search: Search): Promise<void> {
    const error = await this.#port.refresh(topic)
    search.running = false
    if (error === null) for (const [queue, count] of search.lookupCounts) search.lookupCounts.set(queue, count + 1)
    if (search.lookupCounts.size === 0) this.#searches.delete(topic)
    this.#onDone(topic, error)
  }
}
