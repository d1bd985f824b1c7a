/**
 * Entries that were read back from files for followers that lag: a few pages, each given out once.
 *
 * Bounded by {@link PAGE_COUNT_MAX} pages of a message's size; what nobody fetches is dropped after a while.
 */
import { type Entry, limitEntries, type Position } from 'raft-ts'

/** Pages of one group: as many followers may lag at different places without taking turns. */
const PAGE_COUNT_MAX = 4
/** Ticks that a page is kept for a follower that does not take it. */
const PAGE_AGE_TICKS_MAX = 20

interface Page {
  entries: readonly Entry<Buffer>[]
  ageTicks: number
}

/** See the file's header. Owner: the group's storage. */
export class LoadedPages {
  #pages: Page[] = []

  /** Adds a page; the oldest makes room for it. */
  add(entries: readonly Entry<Buffer>[]): void {
    if (entries.length === 0) return
    if (this.#pages.length === PAGE_COUNT_MAX) this.#pages.shift()
    this.#pages.push({ entries, ageTicks: 0 })
  }

  /** The entries from boundary `from` on, or null when no page has them. A page ends with its last entry. */
  take(from: Position, to: Position, maxBytes: number): readonly Entry<Buffer>[] | null {
    for (const page of this.#pages) {
      const first = page.entries.findIndex((entry) => entry.base === from)
      if (first === -1) continue
      page.ageTicks = 0
      const taken = takeWithin(page.entries.slice(first), to, maxBytes)
      if (taken.at(-1) === page.entries.at(-1)) this.#pages = this.#pages.filter((other) => other !== page)
      return taken.length === 0 ? null : taken
    }
    return null
  }

  /** Drops what lies beyond `endOffset`. */
  truncateTo(endOffset: number): void {
    for (const page of this.#pages) page.entries = page.entries.filter((entry) => entry.end <= endOffset)
    this.#pages = this.#pages.filter(({ entries }) => entries.length > 0)
  }

  /** A tick has passed. */
  age(): void {
    if (this.#pages.length === 0) return
    for (const page of this.#pages) page.ageTicks++
    this.#pages = this.#pages.filter(({ ageTicks }) => ageTicks <= PAGE_AGE_TICKS_MAX)
  }
}

/** The entries up to `to`, as many as fit `maxBytes` as Raft counts them but at least one. */
export function takeWithin(
  entries: readonly Entry<Buffer>[],
  to: Position,
  maxBytes: number,
): readonly Entry<Buffer>[] {
  let count = entries.length
  while (count > 0 && entries[count - 1]!.end > to) count--
  const end = limitEntries(entries, 0, count, maxBytes)
  return end === entries.length ? entries : entries.slice(0, end)
}
