/** The uniform assignor where all members subscribe to the same topics (uniform.ts, step 2). */
import { invariant } from '@stratalog/proto'
import { LoadHeap } from './load-heap.ts'
import { NOBODY, type PartitionPlan } from './partition-plan.ts'

/** Makes the plan even. Moves the fewest partitions that any even plan takes. */
export function balanceEqual(plan: PartitionPlan): void {
  if (plan.members.length === 0) return
  const least = Math.floor(plan.size / plan.members.length)
  const extraCount = plan.size % plan.members.length
  const extrasLeft = dropSurplus(plan, least, extraCount)
  new Distribution(plan, least, extrasLeft).distribute()
}

/** Members above their share give up the rest. @returns how many may still have one above the least share. */
function dropSurplus(plan: PartitionPlan, least: number, extraCount: number): number {
  let extrasLeft = extraCount
  const surplus = plan.loads.map((load) => {
    if (load <= least) return 0
    if (extrasLeft === 0) return load - least
    extrasLeft--
    return load - least - 1
  })
  if (surplus.every((count) => count === 0)) return extrasLeft
  drop(plan, surplus, (position, owner) => !plan.isLocal(position, owner))
  drop(plan, surplus, () => true)
  return extrasLeft
}

/** From the end, so that what is kept are the first partitions. */
function drop(plan: PartitionPlan, surplus: Int32Array, passes: (position: number, owner: number) => boolean): void {
  for (let position = plan.size - 1; position >= 0; position--) {
    const owner = plan.owners[position]!
    if (owner === NOBODY || surplus[owner] === 0 || !passes(position, owner)) continue
    plan.take(position)
    surplus[owner]!--
  }
}

/** Gives out what is free. */
class Distribution {
  readonly #plan: PartitionPlan
  readonly #least: number
  #extrasLeft: number
  readonly #all: LoadHeap
  readonly #byRack = new Map<string, LoadHeap>()

  constructor(plan: PartitionPlan, least: number, extrasLeft: number) {
    this.#plan = plan
    this.#least = least
    this.#extrasLeft = extrasLeft
    this.#all = new LoadHeap(plan.loads, plan.members.keys())
    for (const [i, { rack }] of plan.members.entries()) {
      if (rack === null) continue
      const heap = this.#byRack.get(rack)
      if (heap === undefined) this.#byRack.set(rack, new LoadHeap(plan.loads, [i]))
      else heap.push(i)
    }
  }

  distribute(): void {
    const free: number[] = []
    for (let position = 0; position < this.#plan.size; position++) {
      if (this.#plan.owners[position] !== NOBODY) continue
      const member = this.#leastLoadedIn(this.#plan.racksAt(position))
      if (member === null) free.push(position)
      else this.#give(position, member)
    }
    for (const position of free) {
      const member = this.#all.peek()
      invariant(member !== null && this.#hasRoom(member), 'a partition is left and nobody may have it')
      this.#give(position, member)
    }
  }

  #give(position: number, member: number): void {
    if (this.#plan.loads[member] === this.#least) this.#extrasLeft--
    this.#plan.give(position, member)
  }

  #leastLoadedIn(racks: readonly string[]): number | null {
    let best: number | null = null
    for (const rack of racks) {
      const member = this.#byRack.get(rack)?.peek() ?? null
      if (member === null || !this.#hasRoom(member)) continue
      if (best === null || this.#plan.loads[member]! < this.#plan.loads[best]!) best = member
    }
    return best
  }

  #hasRoom(member: number): boolean {
    const load = this.#plan.loads[member]!
    return load < this.#least || (load === this.#least && this.#extrasLeft > 0)
  }
}
