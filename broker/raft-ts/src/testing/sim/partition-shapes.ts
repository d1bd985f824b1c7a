/**
 * Shapes of partitions, as the links that are cut (Jepsen's nemeses: isolate, halves, majorities ring, bridge, one-way).
 */
import type { NodeId } from '../../core/ids.ts'
import type { Random } from './random.ts'

/** Cuts one link in one direction. */
export type Cut = (from: NodeId, to: NodeId) => void

/** Cuts one node off from all others. */
export function isolate(ids: readonly NodeId[], victim: NodeId, cut: Cut): void {
  for (const id of ids) if (id !== victim) both(cut, id, victim)
}

/** Two sides that do not hear each other; the smaller one has at least one node. */
export function halves(ids: readonly NodeId[], random: Random, cut: Cut): void {
  const order = random.shuffled(ids)
  const size = Math.max(1, order.length >> 1)
  for (let i = 0; i < size; i++) for (let j = size; j < order.length; j++) both(cut, order[i]!, order[j]!)
}

/** Every node sees a majority, and no two see the same one. */
export function ring(ids: readonly NodeId[], random: Random, cut: Cut): void {
  const order = random.shuffled(ids)
  const count = order.length
  const reach = Math.ceil(((count >> 1) + 1 - 1) / 2)
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      const distance = Math.min(j - i, count - (j - i))
      if (distance > reach) both(cut, order[i]!, order[j]!)
    }
  }
}

/** Two halves that only hear each other through one node that is in both. */
export function bridge(ids: readonly NodeId[], random: Random, cut: Cut): void {
  const order = random.shuffled(ids)
  const size = (order.length - 1) >> 1
  for (let i = 1; i <= size; i++) for (let j = size + 1; j < order.length; j++) both(cut, order[i]!, order[j]!)
}

/** One node is not heard, or does not hear, while the other direction works. */
export function oneWay(ids: readonly NodeId[], victim: NodeId, random: Random, cut: Cut): void {
  const mute = random.chance(0.5)
  for (const id of ids) {
    if (id === victim) continue
    if (mute) cut(victim, id)
    else cut(id, victim)
  }
}

function both(cut: Cut, a: NodeId, b: NodeId): void {
  cut(a, b)
  cut(b, a)
}
