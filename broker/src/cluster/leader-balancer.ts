/**
 * Moves leadership to where it belongs: to the preferred leader of each partition, and away from a broker being drained.
 *
 * Each broker looks at what it leads itself and hands over only to a voter that is alive and level with it, so that a
 * transfer takes a message or two. A few at a time: each costs its clients a look-up.
 * Owner: the broker.
 */
import type { TransferResult } from 'raft-ts'
import type { MetadataImage } from '../controller/metadata-image.ts'
import type { ReplicaState } from '../replication/raft-group.ts'
import { brokerOfNode } from '../replication/raft-ids.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { wantedCopies } from './replica-reconciler.ts'
import { canTakeOver } from './successors.ts'

/** What a balancer needs of a partition that this broker leads. */
export interface BalancedPartition {
  /** 16 bytes. */
  readonly topicId: Buffer
  readonly partition: number
  /** The group's members as their leader sees them; none when this broker does not lead. */
  replicaStates(): readonly ReplicaState[]
  transferLeadership(nodeId: number): TransferResult
}

/** What a balancer is made of. */
export interface LeaderBalancerOptions {
  readonly brokerId: number
  readonly clock: Clock
  readonly image: () => MetadataImage
  /** Partitions that this broker leads and serves. */
  readonly led: () => Iterable<BalancedPartition>
}

/** How often preferred leaders are looked for. */
const BALANCE_INTERVAL_MS = 5000
/** How often a broker that is drained looks whether it still leads anything. */
const DRAIN_INTERVAL_MS = 200
/** Transfers begun in one look, at most. */
const TRANSFERS_MAX = 50

/** See the file's header. */
export class LeaderBalancer {
  readonly #options: LeaderBalancerOptions
  readonly #cancel: () => void
  #sinceBalanceMs = 0

  constructor(options: LeaderBalancerOptions) {
    this.#options = options
    this.#cancel = options.clock.every(DRAIN_INTERVAL_MS, () => this.#tick())
  }

  close(): void {
    this.#cancel()
  }

  #tick(): void {
    this.#sinceBalanceMs += DRAIN_INTERVAL_MS
    const { image, brokerId } = this.#options
    if (isLeaving(image(), brokerId)) this.#transfer((candidates) => candidates[0] ?? null)
    else if (this.#sinceBalanceMs >= BALANCE_INTERVAL_MS) {
      this.#sinceBalanceMs = 0
      this.#transfer((candidates, preferred) => candidates.find((node) => brokerOfNode(node) === preferred) ?? null)
    }
  }

  /** @param choose of the nodes that could take over, in the order of preference, the one that is to; null = none. */
  #transfer(choose: (candidates: readonly number[], preferred: number) => number | null): void {
    const { image, led, brokerId } = this.#options
    const now = image()
    let begun = 0
    for (const partition of led()) {
      const wanted = wantedCopies(now, partition)
      const preferred = wanted?.replicas[0]?.brokerId
      if (wanted === null || preferred === undefined) continue
      if (preferred === brokerId && !isLeaving(now, brokerId)) continue
      const order = (wanted.target ?? wanted.replicas).map((replica) => replica.brokerId)
      const candidates = partition
        .replicaStates()
        .filter(canTakeOver)
        .map(({ nodeId }) => nodeId)
        .filter((node) => brokerOfNode(node) !== brokerId && !isLeaving(now, brokerOfNode(node)))
        .sort((a, b) => order.indexOf(brokerOfNode(a)) - order.indexOf(brokerOfNode(b)))
      const target = choose(candidates, preferred)
      if (target === null || partition.transferLeadership(target).kind !== 'started') continue
      if (++begun >= TRANSFERS_MAX) return
    }
  }
}

/** Whether a broker is to lead nothing: it is being drained, or taken out of the cluster. */
export function isLeaving(image: MetadataImage, brokerId: number): boolean {
  const broker = image.brokers.get(brokerId)
  return broker !== undefined && (broker.isDrained || broker.isDecommissioning)
}
