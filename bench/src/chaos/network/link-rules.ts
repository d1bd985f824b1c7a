/**
 * What is wrong with the network between brokers: a rule for each ordered pair. Pure.
 *
 * A link is one direction: the bytes that `from` says to `to`, on whichever connection. A rule on it leaves the other
 * direction as it is, which no real network does for TCP: the harsher case.
 */

/** What happens to bytes of a link. */
export interface LinkRule {
  /** Nothing arrives; what was said meanwhile arrives when the rule is gone. */
  readonly isCut?: boolean
  /** New connections are refused and existing ones reset. */
  readonly isRefused?: boolean
  /** Each piece comes that much later, ms; order is kept. */
  readonly delayMs?: number
  /** Up to that much more, at random. */
  readonly jitterMs?: number
  /** Chance that a piece is held up as if it had to be sent again, and for how long, ms. */
  readonly stallChance?: number
  readonly stallMs?: number
  /** Chance that a piece breaks its connection. */
  readonly resetChance?: number
}

/** A rule and its link. */
export interface LinkFault {
  readonly from: number
  readonly to: number
  readonly rule: LinkRule
}

/** Both directions between each of these and each of those. */
export function between(these: readonly number[], those: readonly number[], rule: LinkRule): LinkFault[] {
  return these.flatMap((a) => those.filter((b) => b !== a).flatMap((b) => [fault(a, b, rule), fault(b, a, rule)]))
}

/** One broker apart from all others. */
export function isolated(broker: number, all: readonly number[], rule: LinkRule): LinkFault[] {
  return between(
    [broker],
    all.filter((other) => other !== broker),
    rule,
  )
}

/** The broker hears nobody (`in`), or nobody hears it (`out`). */
export function oneWay(broker: number, all: readonly number[], direction: 'in' | 'out', rule: LinkRule): LinkFault[] {
  return all
    .filter((other) => other !== broker)
    .map((other) => (direction === 'out' ? fault(broker, other, rule) : fault(other, broker, rule)))
}

/**
 * Each broker hears a majority, each another one: every broker keeps its neighbours on a ring. With three brokers one
 * link is cut, the smallest ring with a gap: two that do not hear each other, and one that hears both.
 */
export function majoritiesRing(ring: readonly number[], rule: LinkRule): LinkFault[] {
  const count = ring.length
  if (count <= 3) return between([ring[0]!], [ring[1]!], rule)
  const reach = Math.floor(count / 4)
  return ring.flatMap((from, at) =>
    ring.flatMap((to, other) => {
      const distance = Math.min((at - other + count) % count, (other - at + count) % count)
      return distance > reach ? [fault(from, to, rule)] : []
    }),
  )
}

function fault(from: number, to: number, rule: LinkRule): LinkFault {
  return { from, to, rule }
}
