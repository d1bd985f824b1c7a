/** What a fault is: it begins, holds for a while, and ends; everything it draws comes from a seed of its own. */
import type { ChaosCluster } from '../broker/chaos-cluster.ts'
import type { WatchedPartition } from '../broker/cluster-health.ts'

/** What faults work on. */
export interface FaultContext {
  readonly cluster: ChaosCluster
  readonly partitions: readonly WatchedPartition[]
  /** Draws from [0, 1). */
  readonly random: () => number
  /** A folder for copies; empty, and removed after the fault. */
  readonly scratch: string
}

/** A fault that has begun. */
export interface ActiveFault {
  /** Whom it struck, and how. */
  readonly detail: string
  /** Takes the cause away; the cluster then has to recover by itself. */
  end(): Promise<void>
}

/** A kind of fault. */
export interface FaultKind {
  readonly text: string
  /** Least brokers with which the cluster must recover. */
  readonly brokersMin: number
  /**
   * It takes data away from one replica: all others must be whole when it begins, and it must have been rebuilt before
   * the next such fault.
   */
  readonly damages: boolean
  /** How long it holds, ms. */
  readonly holdMsMin: number
  readonly holdMsMax: number
  readonly begin: (context: FaultContext) => Promise<ActiveFault>
}

/** One of them. */
export function pick<T>(random: () => number, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!
}

/** In another order. */
export function shuffled<T>(random: () => number, items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, rank: random() }))
  return order.sort((a, b) => a.rank - b.rank).map(({ item }) => item)
}

/** A broker that leads a partition drawn at random; any broker when nobody leads it. */
export async function someLeader({ cluster, partitions, random }: FaultContext): Promise<number> {
  const fallback = pick(random, cluster.ids)
  const { topic, partition } = pick(random, partitions)
  return (await cluster.leaderOf(topic, partition).catch(() => null)) ?? fallback
}
