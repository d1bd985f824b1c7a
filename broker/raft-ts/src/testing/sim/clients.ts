/**
 * The load: clients that propose and read, at nodes that lead and at nodes that do not.
 */
import type { Cluster } from './cluster.ts'
import { Random } from './random.ts'
import type { SimNode } from './sim-node.ts'

/** Proposes and reads on its own schedule until stopped. */
export class Clients {
  readonly #cluster: Cluster
  readonly #random: Random
  #running = true
  #nextPayload = 1
  #nextRead = 1

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#random = new Random(cluster.options.seed, 5)
  }

  /** Proposals made so far, accepted or not. */
  get proposalCount(): number {
    return this.#nextPayload - 1
  }

  start(): void {
    this.#planProposal()
    this.#planRead()
  }

  stop(): void {
    this.#running = false
  }

  #planProposal(): void {
    const { timeline, options } = this.#cluster
    timeline.after(this.#random.between(1, 2 * options.proposeEveryMs), () => {
      if (!this.#running) return
      const node = this.#target()
      // Bursts fill windows and make appends of several entries.
      const count = this.#random.chance(0.1) ? this.#random.between(2, 12) : 1
      for (let i = 0; i < count; i++) if (node !== null) this.propose(node)
      this.#planProposal()
    })
  }

  /** Proposes one payload, of at least `minBytes`, at a node. Returns its number. */
  propose(node: SimNode, minBytes = 0): number {
    const { spanMax, payloadMaxBytes } = this.#cluster.options
    const payload = this.#nextPayload++
    const length = this.#random.between(1, spanMax)
    const bytes = Math.max(minBytes, this.#random.between(0, payloadMaxBytes))
    this.#cluster.input(node, (raw) => {
      const result = raw.propose({ length, bytes, data: payload })
      if (result.kind !== 'accepted') return
      node.proposals.push({ end: result.end, term: result.term, payload })
      this.#cluster.note(node.id, () => `takes proposal #${payload} as [${result.base},${result.end})@${result.term}`)
    })
    return payload
  }

  #planRead(): void {
    const { timeline, options } = this.#cluster
    timeline.after(this.#random.between(1, 2 * options.readEveryMs), () => {
      if (!this.#running) return
      const node = this.#random.chance(0.5) ? this.#target() : this.#any()
      if (node !== null) this.#read(node)
      this.#planRead()
    })
  }

  #read(node: SimNode): void {
    const { reads, ledger } = this.#cluster
    const context = this.#nextRead++
    reads.set(context, ledger.committedEnd)
    this.#cluster.input(node, (raw) => {
      if (raw.readIndex(context).kind !== 'pending') reads.delete(context)
    })
  }

  /** A node that thinks it leads, most of the time. Several may. */
  #target(): SimNode | null {
    const leading = this.#idle().filter((node) => node.leads)
    if (leading.length === 0 || this.#random.chance(0.05)) return this.#any()
    return this.#random.pick(leading)
  }

  #any(): SimNode | null {
    const nodes = this.#idle()
    return nodes.length === 0 ? null : this.#random.pick(nodes)
  }

  #idle(): SimNode[] {
    return this.#cluster.running().filter((node) => !node.stalled)
  }
}
