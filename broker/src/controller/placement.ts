/**
 * Where replicas go: rack-aware, balanced, and the same for the same image.
 *
 * Invariant: never two copies of a partition on one broker; they lie in different racks as long as there are enough.
 * Among brokers that are equally good for that the one with the fewest copies of the topic is taken, then the one with
 * the fewest at all, so that a broker that has just joined does not get all of a new topic. Preferred leaders likewise.
 * A broker without a rack is a rack of its own. Brokers that are drained or being emptied get nothing.
 */
import { invariant } from '@stratalog/proto'
import type { BrokerImage, MetadataImage, TopicImage } from './metadata-image.ts'

/** What a broker holds. */
interface Load {
  readonly brokerId: number
  /** Failure domain; unique to the broker when it has none. */
  readonly rack: string
  replicaCount: number
  leaderCount: number
  topicReplicaCount: number
  topicLeaderCount: number
}

/** Whether new copies may go to a broker. */
export type BrokerFilter = (broker: BrokerImage) => boolean

/** Brokers that take new copies, as far as the image says: whether they are up is for the caller to add. */
export function takesReplicas({ isDrained, isDecommissioning }: BrokerImage): boolean {
  return !isDrained && !isDecommissioning
}

/** Places partitions one after another, keeping count. For a single decision on an image. */
export class Placer {
  readonly #loads: ReadonlyMap<number, Load>
  readonly #candidates: readonly Load[]

  /** @param filter brokers that may get copies. */
  constructor(image: MetadataImage, filter: BrokerFilter) {
    this.#loads = loadsOf(image)
    this.#candidates = [...image.brokers.values()].filter(filter).map(({ brokerId }) => this.#loads.get(brokerId)!)
  }

  /** From here on partitions of this topic are placed; before the first call those of one that does not exist yet. */
  enter(topic: TopicImage): void {
    for (const load of this.#loads.values()) {
      load.topicReplicaCount = 0
      load.topicLeaderCount = 0
    }
    for (const [load, isLeader] of copiesOf(topic, this.#loads)) {
      load.topicReplicaCount++
      if (isLeader) load.topicLeaderCount++
    }
  }

  /** Brokers that may get copies. */
  get candidateCount(): number {
    return this.#candidates.length
  }

  /** Brokers for a new partition, the preferred leader first. @param replicationFactor 1..candidateCount. */
  place(replicationFactor: number): readonly number[] {
    invariant(replicationFactor >= 1 && replicationFactor <= this.candidateCount, 'there are brokers for every copy')
    const chosen: Load[] = []
    while (chosen.length < replicationFactor) chosen.push(this.#take(chosen))
    return this.#led(chosen)
  }

  /** `brokerIds` and as many more as `count`, or as there are; those that are there stay, and in their order. */
  widen(brokerIds: readonly number[], count: number): readonly number[] {
    const chosen = brokerIds.map((brokerId) => this.#load(brokerId))
    const room = this.#candidates.filter((load) => !chosen.includes(load)).length
    for (let added = 0; added < Math.min(count, room); added++) chosen.push(this.#take(chosen))
    return chosen.map(({ brokerId }) => brokerId)
  }

  /** Whether there is a broker to take a copy that leaves one of `brokerIds`. */
  canReplace(brokerIds: readonly number[], leaving: number): boolean {
    return this.#candidates.some(({ brokerId }) => brokerId !== leaving && !brokerIds.includes(brokerId))
  }

  /**
   * Brokers for a partition that leaves one of them, the preferred leader first; {@link canReplace} must hold.
   *
   * The rest stays where it is, and in its order.
   */
  replace(brokerIds: readonly number[], leaving: number): readonly number[] {
    const others = brokerIds.filter((brokerId) => brokerId !== leaving).map((brokerId) => this.#load(brokerId))
    const taken = this.#take(others, leaving)
    const position = brokerIds.indexOf(leaving)
    if (position > 0) return others.map(({ brokerId }) => brokerId).toSpliced(position, 0, taken.brokerId)
    return this.#led([...others, taken])
  }

  /** The best broker for one more copy beside `chosen`; it then has it. */
  #take(chosen: readonly Load[], except: number | null = null): Load {
    let best: Load | null = null
    let bestScore: readonly number[] = []
    for (const load of this.#candidates) {
      if (chosen.includes(load) || load.brokerId === except) continue
      const inRack = chosen.reduce((sum, { rack }) => (rack === load.rack ? sum + 1 : sum), 0)
      const score = [inRack, load.topicReplicaCount, load.replicaCount, load.brokerId]
      if (best !== null && compare(score, bestScore) >= 0) continue
      best = load
      bestScore = score
    }
    invariant(best !== null, 'there is a broker for the copy')
    best.topicReplicaCount++
    best.replicaCount++
    return best
  }

  /** Puts the one with the fewest preferred leaders first; it then has one more. */
  #led(chosen: readonly Load[]): readonly number[] {
    const leader = chosen.reduce((best, load) => (compare(leaderScore(load), leaderScore(best)) < 0 ? load : best))
    leader.topicLeaderCount++
    leader.leaderCount++
    return [leader, ...chosen.filter((load) => load !== leader)].map(({ brokerId }) => brokerId)
  }

  #load(brokerId: number): Load {
    const load = this.#loads.get(brokerId)
    invariant(load !== undefined, () => `broker ${brokerId} has a copy and does not exist`)
    return load
  }
}

function leaderScore({ topicLeaderCount, leaderCount, brokerId }: Load): readonly number[] {
  return [topicLeaderCount, leaderCount, brokerId]
}

/** What every broker holds, or will once the moves under way are done. */
function loadsOf(image: MetadataImage): ReadonlyMap<number, Load> {
  const loads = new Map<number, Load>()
  for (const { brokerId, rack } of image.brokers.values()) {
    loads.set(brokerId, {
      brokerId,
      rack: rack === '' ? `broker ${brokerId}` : `rack ${rack}`,
      replicaCount: 0,
      leaderCount: 0,
      topicReplicaCount: 0,
      topicLeaderCount: 0,
    })
  }
  for (const topic of image.topicsById.values()) {
    for (const [load, isLeader] of copiesOf(topic, loads)) {
      load.replicaCount++
      if (isLeader) load.leaderCount++
    }
  }
  return loads
}

/** The brokers of the topic's copies, and whether it is the preferred leader that they hold. */
function* copiesOf(
  { partitions }: TopicImage,
  loads: ReadonlyMap<number, Load>,
): Generator<readonly [load: Load, isLeader: boolean]> {
  for (const { replicas, target } of partitions) {
    for (const [i, { brokerId }] of (target ?? replicas).entries()) {
      const load = loads.get(brokerId)
      if (load !== undefined) yield [load, i === 0]
    }
  }
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (const [i, value] of left.entries()) {
    const difference = value - right[i]!
    if (difference !== 0) return difference
  }
  return 0
}
