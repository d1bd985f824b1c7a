/** The uniform assignor where members subscribe to different topics (uniform.ts, step 3). */
import { invariant } from '@stratalog/proto'
import { LoadHeap } from './load-heap.ts'
import { NOBODY, type PartitionPlan } from './partition-plan.ts'

/**
 * Makes the plan so even that no single move makes it more so.
 *
 * It ends: every move makes the sum of the squared loads less.
 */
export function balanceMixed(plan: PartitionPlan): void {
  distributeFree(plan)
  for (let hasMoved = true; hasMoved; ) {
    hasMoved = false
    for (const t of plan.topics.keys()) if (levelTopic(plan, t)) hasMoved = true
  }
}

/** Topics with few subscribers first: they leave the least choice. */
function distributeFree(plan: PartitionPlan): void {
  const order = [...plan.topics.keys()].sort((left, right) => {
    const difference = plan.topics[left]!.subscribers.length - plan.topics[right]!.subscribers.length
    return difference === 0 ? left - right : difference
  })
  const pools = new Map<readonly number[], Pool>()
  for (const t of order) {
    const { subscribers } = plan.topics[t]!
    for (let position = plan.bases[t]!; position < plan.bases[t + 1]!; position++) {
      if (plan.owners[position] !== NOBODY) continue
      let pool = pools.get(subscribers)
      if (pool === undefined) {
        pool = new Pool(plan, subscribers)
        pools.set(subscribers, pool)
      }
      plan.give(position, pool.leastLoaded(plan.racksAt(position)))
    }
  }
}

/** The subscribers of some topics by load, and those of each rack. */
class Pool {
  readonly #plan: PartitionPlan
  readonly #all: LoadHeap
  readonly #byRack = new Map<string, LoadHeap>()

  constructor(plan: PartitionPlan, subscribers: readonly number[]) {
    this.#plan = plan
    this.#all = new LoadHeap(plan.loads, subscribers)
    for (const i of subscribers) {
      const { rack } = plan.members[i]!
      if (rack === null) continue
      const heap = this.#byRack.get(rack)
      if (heap === undefined) this.#byRack.set(rack, new LoadHeap(plan.loads, [i]))
      else heap.push(i)
    }
  }

  /** Of the least loaded, one in these racks if there is one. */
  leastLoaded(racks: readonly string[]): number {
    const any = this.#all.peek()
    invariant(any !== null, 'a topic without subscribers is in the plan')
    for (const rack of racks) {
      const member = this.#byRack.get(rack)?.peek() ?? null
      if (member !== null && this.#plan.loads[member] === this.#plan.loads[any]) return member
    }
    return any
  }
}

/** Moves partitions of one topic from its most to its least loaded subscriber while they differ by two. */
function levelTopic(plan: PartitionPlan, t: number): boolean {
  const { subscribers } = plan.topics[t]!
  const { loads, owners } = plan
  if (!isUneven(plan, t)) return false
  const held = new Map<number, number[]>()
  for (let position = plan.bases[t]!; position < plan.bases[t + 1]!; position++) {
    const owner = owners[position]!
    const positions = held.get(owner)
    if (positions === undefined) held.set(owner, [position])
    else positions.push(position)
  }
  const most = new LoadHeap(loads, held.keys(), -1)
  const least = new LoadHeap(loads, subscribers)
  let hasMoved = false
  for (;;) {
    const from = most.peek()
    const to = least.peek()
    if (from === null || to === null || loads[from]! - loads[to]! < 2) return hasMoved
    const positions = held.get(from)!
    if (positions.length === 0) {
      most.pop()
      continue
    }
    const position = positions.splice(choose(plan, t, positions, from, to), 1)[0]!
    plan.give(position, to)
    hasMoved = true
    least.push(from)
    const others = held.get(to)
    if (others === undefined) held.set(to, [position])
    else others.push(position)
    most.push(to)
  }
}

function isUneven(plan: PartitionPlan, t: number): boolean {
  let min = Number.POSITIVE_INFINITY
  for (const i of plan.topics[t]!.subscribers) min = Math.min(min, plan.loads[i]!)
  for (let position = plan.bases[t]!; position < plan.bases[t + 1]!; position++) {
    if (plan.loads[plan.owners[position]!]! - min >= 2) return true
  }
  return false
}

/** Which of the positions to move: one that gains a rack, else one that loses none, else the last. */
function choose(plan: PartitionPlan, t: number, positions: readonly number[], from: number, to: number): number {
  const last = positions.length - 1
  if (plan.topics[t]!.topic.racks === null) return last
  const score = (position: number): number =>
    (plan.isLocal(position, to) ? 1 : 0) - (plan.isLocal(position, from) ? 1 : 0)
  let best = last
  for (let i = last; i >= 0; i--) if (score(positions[i]!) > score(positions[best]!)) best = i
  return best
}
