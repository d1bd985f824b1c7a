/** How long partitions stood still when they changed hands. */
import type { Ownership } from './ownership.ts'

/**
 * `given-up`: from `revoked` at one member to `assigned` at another. `returned`: likewise, to the same member after its
 * restart. `taken-over`: from the last record of a member that died, was silent or was fenced to `assigned` at the next.
 */
export type HandOverKind = 'given-up' | 'returned' | 'taken-over'

/** One of them. */
export interface HandOver {
  readonly kind: HandOverKind
  readonly tookMs: number
}

/** Those of one partition. @param owners in the order in which they had it, @param pausesOf from and to, by source. */
export function handOversOf(
  owners: readonly Ownership[],
  pausesOf: (source: string) => readonly (readonly [number, number])[],
): HandOver[] {
  return owners.slice(1).map((owner, index) => {
    const former = owners[index]!
    const { sinceMs } = owner
    if (former.end !== 'revoked') {
      // What it processed when it woke up is no progress of the group.
      const asleep = pausesOf(former.source).find(([fromMs, toMs]) => fromMs < sinceMs && sinceMs <= toMs)
      const fromMs = Math.min(former.lastProgressMs, asleep?.[0] ?? Number.POSITIVE_INFINITY)
      return { kind: 'taken-over', tookMs: Math.max(0, sinceMs - fromMs) }
    }
    const isSame = memberOf(former.source) === memberOf(owner.source)
    // A fenced member may tell late that it has given up: no time passed then.
    return { kind: isSame ? 'returned' : 'given-up', tookMs: Math.max(0, sinceMs - former.untilMs) }
  })
}

/** The part of a source's name before the number of the process. */
function memberOf(source: string): string {
  return source.slice(0, source.lastIndexOf('.'))
}
