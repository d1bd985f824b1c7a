/**
 * Which broker is asked first for what any broker can answer: the one that answered last, unless its answer lacked
 * something that another broker may know.
 *
 * A broker cut off from its peers answers at once and knows of no leaders: who goes on asking it never learns of those
 * that the others have elected. Invariant: brokers passed over come last, and never are all of them passed over.
 */
import { type BrokerAddress, formatAddress } from './address.ts'

/** See the file's header. Owner: the client. */
export class BrokerOrder {
  #preferred: BrokerAddress | null = null
  readonly #passedOver = new Set<string>()

  /** A broker has answered. */
  answered(broker: BrokerAddress): void {
    this.#preferred = broker
  }

  /** The last answer was whole: it knew all that was asked for. */
  satisfied(): void {
    this.#passedOver.clear()
  }

  /** The last answer was not: the others come before who gave it. */
  unsatisfied(): void {
    if (this.#preferred !== null) this.#passedOver.add(formatAddress(this.#preferred))
    this.#preferred = null
  }

  /** The brokers, each once, in the order in which they are to be asked. */
  order(brokers: Iterable<BrokerAddress>): readonly BrokerAddress[] {
    const byName = new Map<string, BrokerAddress>()
    if (this.#preferred !== null) byName.set(formatAddress(this.#preferred), this.#preferred)
    for (const broker of brokers) {
      const name = formatAddress(broker)
      if (!byName.has(name)) byName.set(name, broker)
    }
    const names = [...byName.keys()]
    if (names.every((name) => this.#passedOver.has(name))) this.#passedOver.clear()
    const last = names.filter((name) => this.#passedOver.has(name))
    return [...names.filter((name) => !this.#passedOver.has(name)), ...last].map((name) => byName.get(name)!)
  }
}
