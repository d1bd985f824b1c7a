/**
 * Who owned a partition when, as its members told it: one `Ownership` from `assigned` to the end of it, with what was
 * processed and committed meanwhile. Folds the events of one member process, in their order.
 */
import type { MemberEvent } from './group-event.ts'

/** A partition in the hands of one member process. */
export interface Ownership {
  readonly partition: number
  readonly source: string
  readonly sinceMs: number
  /** Of the member when it got the partition: a later owner never has a lower one. */
  readonly memberEpoch: number
  /** `open`: the process was ended, or the run. */
  end: 'open' | 'revoked' | 'lost'
  /** Infinity while open. */
  untilMs: number
  firstProcessed: number | null
  lastProcessed: number | null
  firstProcessedMs: number | null
  /** When the last record was processed; `sinceMs` before there is one. */
  lastProgressMs: number
  /** Longest times without a record, each from and to. Bounded: see GAPS_MAX. */
  readonly gaps: (readonly [fromMs: number, toMs: number])[]
  /** First and last offset whose commit was acknowledged. */
  firstCommitted: number | null
  lastCommitted: number | null
  /** A commit was refused because the member was no member any more. */
  wasFenced: boolean
}

/** A gap that is worth being looked at, ms. */
const GAP_MS_MIN = 1000
const GAPS_MAX = 1000

/** Tells of something that must not be. */
export type Complain = (kind: MemberFault, text: string) => void

/** What a member process can do wrong by itself. */
export type MemberFault = 'not-owned' | 'not-in-order' | 'commit-went-back' | 'assigned-twice'

/** See the file's header. */
export class OwnershipTrack {
  readonly all: Ownership[] = []
  readonly #source: string
  readonly #complain: Complain
  readonly #current = new Map<number, Ownership>()

  constructor(source: string, complain: Complain) {
    this.#source = source
    this.#complain = complain
  }

  add(event: MemberEvent): void {
    switch (event.kind) {
      case 'joined':
        return
      case 'assigned':
        for (const partition of event.partitions) this.#begin(partition, event.at, event.memberEpoch)
        return
      case 'revoked':
      case 'lost':
        for (const partition of event.partitions) this.#end(partition, event.kind, event.at)
        return
      case 'processed':
        if (event.isLate !== true) this.#processed(event.partition, event.offset, event.at)
        return
      case 'committed':
        for (const [partition, offset] of event.offsets) this.#committed(partition, offset)
        return
      case 'fenced':
        for (const ownership of this.#current.values()) if (ownership.end === 'open') ownership.wasFenced = true
    }
  }

  #begin(partition: number, at: number, memberEpoch: number): void {
    if (this.#current.get(partition)?.end === 'open') {
      this.#complain('assigned-twice', `${this.#source} got partition ${partition} at ${at} while it had it`)
    }
    const ownership: Ownership = {
      partition,
      source: this.#source,
      sinceMs: at,
      memberEpoch,
      end: 'open',
      untilMs: Number.POSITIVE_INFINITY,
      firstProcessed: null,
      lastProcessed: null,
      firstProcessedMs: null,
      lastProgressMs: at,
      gaps: [],
      firstCommitted: null,
      lastCommitted: null,
      wasFenced: false,
    }
    this.#current.set(partition, ownership)
    this.all.push(ownership)
  }

  #end(partition: number, end: 'revoked' | 'lost', at: number): void {
    const ownership = this.#current.get(partition)
    if (ownership === undefined || ownership.end !== 'open') return
    ownership.end = end
    ownership.untilMs = at
    noteGap(ownership, at)
  }

  #processed(partition: number, offset: number, at: number): void {
    const ownership = this.#current.get(partition)
    if (ownership === undefined || ownership.end === 'revoked') {
      const when = ownership === undefined ? 'before it had it' : 'after giving it up'
      this.#complain('not-owned', `${this.#source} processed ${partition}@${offset} at ${at}, ${when}`)
      return
    }
    if (ownership.end === 'lost') return
    const { lastProcessed } = ownership
    if (lastProcessed !== null && offset <= lastProcessed) {
      this.#complain(
        'not-in-order',
        `${this.#source} processed ${partition}@${offset} at ${at}, after ${lastProcessed}`,
      )
    }
    ownership.firstProcessed ??= offset
    ownership.lastProcessed = offset
    ownership.firstProcessedMs ??= at
    noteGap(ownership, at)
    ownership.lastProgressMs = at
  }

  #committed(partition: number, offset: number): void {
    const ownership = this.#current.get(partition)
    if (ownership === undefined) return
    if (ownership.lastCommitted !== null && offset < ownership.lastCommitted) {
      const text = `${this.#source} committed ${offset} of partition ${partition} after ${ownership.lastCommitted}`
      this.#complain('commit-went-back', text)
    }
    ownership.firstCommitted ??= offset
    ownership.lastCommitted = offset
  }
}

/** Ends what is open with the process, or with the run. */
export function closeOwnership(ownership: Ownership, at: number): void {
  if (ownership.end !== 'open') return
  ownership.untilMs = at
  noteGap(ownership, at)
}

function noteGap(ownership: Ownership, at: number): void {
  const { lastProgressMs, gaps } = ownership
  if (at - lastProgressMs >= GAP_MS_MIN && gaps.length < GAPS_MAX) gaps.push([lastProgressMs, at])
}
