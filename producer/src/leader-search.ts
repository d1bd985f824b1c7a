/**
 * Looks up topics whose leaders are not known or have failed: one lookup of a topic at a time, and lookups in a row
 * further and further apart, until a batch of the topic gets through. Lookups that fail are spaced out by the port.
 */
import { backoffDelayMs, RETRY_BACKOFF } from '@stratalog/client'
import type { StratalogError } from '@stratalog/proto'
import type { SenderPort } from './sender-port.ts'

interface Search {
  /** Lookups that were answered since a batch got through. */
  lookupCount: number
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

  /** Looks the topic up, at once or when the backoff allows; nothing when that is under way. */
  request(topic: string): void {
    let search = this.#searches.get(topic)
    if (search === undefined) {
      search = { lookupCount: 0, running: false }
      this.#searches.set(topic, search)
    }
    if (search.running) return
    search.running = true
    const delayMs = backoffDelayMs(search.lookupCount, RETRY_BACKOFF, this.#port.random)
    if (delayMs === 0) void this.#lookUp(topic, search)
    else this.#port.after(delayMs, () => void this.#lookUp(topic, search))
  }

  /** A batch of the topic got through: the next lookup need not wait. */
  succeeded(topic: string): void {
    const search = this.#searches.get(topic)
    if (search !== undefined && !search.running) this.#searches.delete(topic)
  }

  async #lookUp(topic: string, search: Search): Promise<void> {
    const error = await this.#port.refresh(topic)
    search.running = false
    if (error === null) search.lookupCount++
    this.#onDone(topic, error)
  }
}
