/**
 * How a broker finds its place in the metadata group at start: as a founder, as the member it was, or as a newcomer.
 *
 * ```
 *  kept a copy of the metadata log? ── yes ──> go on with that copy
 *        │ no
 *  one of the configured controllers? ── no ──> join: register with any broker, begin an empty copy under the answer
 *        │ yes
 *  do the others know this broker by another data folder? ── yes ──> join (its disk was lost)
 *        │ no
 *  found: a voter of the first configuration
 * ```
 * A controller whose disk was lost while none of the others could be asked begins as a founder. That does no harm: the
 * others take none of its Raft messages (BrokerDirectory.mayReplicate), and its registration, which comes next, gives it
 * another generation.
 */
import type { PeerAddress, PeerAnswer, PeerIdentity } from '../peer/peer-port.ts'
import type { Replica } from '../replication/raft-ids.ts'

/** What this broker is told of itself by another. */
export interface Acquaintance {
  /** The cluster of the broker that answers; null while it has none. */
  readonly clusterId: string | null
  /** The data folder under which it knows the asker; null when it does not. */
  readonly directoryId: string | null
}

/** How to begin the copy of the metadata log. */
export type MetadataStart =
  | { readonly kind: 'resume'; readonly generation: number }
  | { readonly kind: 'found'; readonly voters: readonly Replica[] }
  | { readonly kind: 'join' }

/** What the decision rests on. */
export interface MetadataStartFacts {
  readonly identity: PeerIdentity
  /** Generation of the stored copy; null when there is none. */
  readonly storedGeneration: number | null
  /** The configured controllers. */
  readonly controllers: ReadonlyMap<number, PeerAddress>
  /** Asks another controller what it knows of this broker; null when it does not answer. */
  readonly ask: (address: PeerAddress) => Promise<Acquaintance | null>
}

/** Decides; see the file's header. */
export async function planMetadataStart(facts: MetadataStartFacts): Promise<MetadataStart> {
  const { identity, storedGeneration, controllers, ask } = facts
  if (storedGeneration !== null) return { kind: 'resume', generation: storedGeneration }
  if (!controllers.has(identity.brokerId)) return { kind: 'join' }
  const others = [...controllers].filter(([id]) => id !== identity.brokerId)
  const answers = await Promise.all(others.map(([, address]) => ask(address)))
  const isKnownOtherwise = answers.some(
    (answer) => answer !== null && answer.directoryId !== null && answer.directoryId !== identity.directoryId,
  )
  if (isKnownOtherwise) return { kind: 'join' }
  return { kind: 'found', voters: [...controllers.keys()].sort((a, b) => a - b).map(firstCopy) }
}

/** Request by which a broker asks another one what it knows of it; answered with an {@link Acquaintance}. */
export const ASK_REQUEST = 'who-am-i'

/** Reads the answer; null when it is none. */
export function decodeAcquaintance({ body }: PeerAnswer): Acquaintance | null {
  const { clusterId, directoryId } = JSON.parse(body.toString()) as Partial<Acquaintance>
  return { clusterId: clusterId ?? null, directoryId: directoryId ?? null }
}

function firstCopy(brokerId: number): Replica {
  return { brokerId, generation: 0 }
}
