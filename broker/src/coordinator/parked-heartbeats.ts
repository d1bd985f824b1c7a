/**
 * Heartbeats that brought nothing and are held back for news: by member, and by when their time is up.
 *
 * ```
 *   group ─> member ─> heartbeat          found when there is news for the member
 *   slot of time ─> heartbeats            found when nothing came
 * ```
 * Times are rounded up to slots, so that a heartbeat costs a set's entry and no timer; taking one out leaves nothing behind.
 * Invariant: at most one a member, so what is kept is bounded by the members of the groups.
 * Owner: the led shard, which has one timer for all of them.
 */
import { invariant } from '@stratalog/proto'

/** What is kept of a heartbeat, at the least. */
export interface Parked {
  readonly groupId: string
  readonly memberId: string
  /** When it is to be answered at the latest, but for the length of a slot. ms. */
  readonly deadlineMs: number
}

/** See the file's header. */
export class ParkedHeartbeats<Heartbeat extends Parked> {
  readonly #slotMs: number
  readonly #groups = new Map<string, Map<string, Heartbeat>>()
  /** By the number of the slot at whose beginning they are due. */
  readonly #slots = new Map<number, Set<Heartbeat>>()

  /** @param slotMs how coarse time is, ms > 0. */
  constructor(slotMs: number) {
    this.#slotMs = slotMs
  }

  /** Keeps a heartbeat of a member that has none here. */
  put(heartbeat: Heartbeat): void {
    const { groupId, memberId, deadlineMs } = heartbeat
    const group = entryOf(this.#groups, groupId, () => new Map<string, Heartbeat>())
    invariant(!group.has(memberId), () => `two heartbeats of member ${memberId} are parked`)
    group.set(memberId, heartbeat)
    entryOf(this.#slots, this.#slotOf(deadlineMs), () => new Set<Heartbeat>()).add(heartbeat)
  }

  /** Takes the member's heartbeat out; null when it has none here. */
  take(groupId: string, memberId: string): Heartbeat | null {
    const heartbeat = this.#groups.get(groupId)?.get(memberId) ?? null
    if (heartbeat !== null) this.remove(heartbeat)
    return heartbeat
  }

  /** Takes a heartbeat out. @returns whether it was here. */
  remove(heartbeat: Heartbeat): boolean {
    const { groupId, memberId, deadlineMs } = heartbeat
    const group = this.#groups.get(groupId)
    if (group?.get(memberId) !== heartbeat) return false
    group.delete(memberId)
    if (group.size === 0) this.#groups.delete(groupId)
    const slotNumber = this.#slotOf(deadlineMs)
    const slot = this.#slots.get(slotNumber)!
    slot.delete(heartbeat)
    if (slot.size === 0) this.#slots.delete(slotNumber)
    return true
  }

  /** Takes out those whose time is up. O(slots + what is due). */
  takeDue(nowMs: number): Heartbeat[] {
    const due = [...this.#slots].filter(([slotNumber]) => slotNumber * this.#slotMs <= nowMs)
    return this.#takeAll(due.flatMap(([, slot]) => [...slot]))
  }

  /** Takes all out. */
  takeAll(): Heartbeat[] {
    return this.#takeAll([...this.#slots.values()].flatMap((slot) => [...slot]))
  }

  #takeAll(heartbeats: Heartbeat[]): Heartbeat[] {
    for (const heartbeat of heartbeats) this.remove(heartbeat)
    return heartbeats
  }

  #slotOf(deadlineMs: number): number {
    return Math.ceil(deadlineMs / this.#slotMs)
  }
}

function entryOf<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
