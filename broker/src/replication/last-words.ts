/**
 * A leader whose copy has ended, in a broker that goes on: its followers must not wait for it for ever.
 *
 * In a silent group nobody's timers run, and the broker itself is up, so nobody would miss the leader. A last heartbeat
 * wakes whoever sleeps; as no other follows, they elect one of themselves. It may be lost, so it is said again now and then,
 * rarely enough that an election fits in between, until the copy is closed; a node in a later term ignores it.
 */
import type { Message, NodeId, Term } from 'raft-ts'
import type { PeerTransport } from './peer-transport.ts'
import type { Clock } from './tick-loop.ts'

/** Several times the longest election timeout, ms. */
const AGAIN_MS = 10_000

/** Who ends, and who is to hear of it. */
export interface EndedLeader {
  readonly group: string
  readonly nodeId: NodeId
  readonly term: Term
  /** Without the leader itself. */
  readonly members: readonly NodeId[]
}

/** See the file's header. Owner: the Raft group. */
export class LastWords {
  readonly #clock: Pick<Clock, 'schedule'>
  readonly #transport: PeerTransport
  #cancel: (() => void) | null = null

  constructor(clock: Pick<Clock, 'schedule'>, transport: PeerTransport) {
    this.#clock = clock
    this.#transport = transport
  }

  /** Says them, again and again until {@link stop}. */
  say(ended: EndedLeader): void {
    const { group, nodeId: from, term, members } = ended
    for (const to of members) {
      const heartbeat: Message<Buffer> = { type: 'heartbeat', group, from, to, term, commit: 0, readRound: 0 }
      this.#transport.send(heartbeat)
    }
    this.#cancel = this.#clock.schedule(AGAIN_MS, () => this.say(ended))
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = null
  }
}
