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

/** Those of one partition. @param owners in the order in which they had it. */
export function handOversOf(owners: readonly Ownership[]): HandOver[] {
  return owners.slice(1).map((owner, index) => {
    const former = owners[index]!
    if (former.end !== 'revoked') return { kind: 'taken-over', tookMs: since(former.lastProgressMs, owner) }
    const isSame = memberOf(former.source) === memberOf(owner.source)
    return { kind: isSame ? 'returned' : 'given-up', tookMs: since(former.untilMs, owner) }
  })
}

/** A fenced member may tell of a partition late: no time passed then. */
function since(fromMs: number, { sinceMs }: Ownership): number {
  return Math.max(0, sinceMs - fromMs)
}

/** The part of a source's name before the number of the process. */
function memberOf(source: string): string {
  return source.slice(0, source.lastIndexOf('.'))
}
