/**
 * One simulated process: a RawNode, its disk, the application's state, and what the observer remembers of it.
 *
 * A node that is down has no `raw`; what it will come back with is on its disk. Fields below "observed" belong to the
 * checks and survive restarts where a real promise would.
 */
import type { ConfState } from '../../core/conf-change.ts'
import type { NodeId, Position, Term } from '../../core/ids.ts'
import type { Committed } from '../../core/ready.ts'
import { SnapshotReceiver } from '../../core/snapshot-chunks.ts'
import type { Snapshot } from '../../core/storage.ts'
import type { RawNode } from '../../raw-node.ts'
import type { SimDisk } from './sim-disk.ts'
import type { SimStorage } from './sim-storage.ts'

/** The replicated application: a hash over all that it has applied, and the membership. */
export interface AppState {
  position: Position
  hash: number
  confState: ConfState
  confPosition: Position
}

/** A proposal that waits for its commit. */
export interface PendingProposal {
  readonly end: Position
  readonly term: Term
  readonly payload: number
}

/** Longest state of an application, in bytes. */
export const STATE_BYTES_MAX = 1000

/** One node. */
export class SimNode {
  readonly id: NodeId
  disk: SimDisk
  raw: RawNode<number> | null = null
  storage: SimStorage | null = null
  /** Puts together the chunks of a state that it is being sent. */
  states: SnapshotReceiver = new SnapshotReceiver(STATE_BYTES_MAX)
  app: AppState
  /** Counts starts: what was planned for an earlier life does not happen in a later one. */
  life = 0
  /** Time of a tick on this node's own clock, in milliseconds. */
  tickMs: number
  priority: number
  /** What happens to the node while it stands still, to be caught up with. */
  backlog: (() => void)[] | null = null
  /** Committed and not applied yet. */
  applying: Committed<number>[] = []
  applyPlanned = false
  /** Times at which its disk is slow again normal, or fails. */
  slowDiskUntilMs = 0
  diskFails = false
  /** Its disk is gone: it never comes back under this id. */
  wiped = false
  /** It was told to go for good, as it is no member any more. */
  retired = false
  proposals: PendingProposal[] = []

  // Observed.
  commit: Position = 0
  leads = false
  term: Term = 0
  vote: NodeId | null = null
  /** Ticks in this life, and the tick at which each other node was last heard from in the present term. */
  ticks = 0
  readonly heardAt: Map<NodeId, number> = new Map()
  /** The tick at which its configuration came into force. */
  configuredAt = 0

  constructor(id: NodeId, disk: SimDisk, confState: ConfState, tickMs: number, priority: number) {
    this.id = id
    this.disk = disk
    this.tickMs = tickMs
    this.priority = priority
    this.app = { position: 0, hash: 0, confState, confPosition: 0 }
  }

  get up(): boolean {
    return this.raw !== null
  }

  get stalled(): boolean {
    return this.backlog !== null
  }

  /** The application's state as a snapshot; `unavailable` while the log cannot name the term there. */
  snapshot(log: { termAt(position: Position): Term | 'compacted' | 'unavailable' }): Snapshot | 'unavailable' {
    const { position, hash, confState, confPosition } = this.app
    const term = log.termAt(position)
    if (typeof term !== 'number' || position === 0) return 'unavailable'
    return { position, term, confState, confPosition, data: hash }
  }

  /** The last position of the log that the disk was given. */
  get writtenEnd(): Position {
    return this.disk.written.endPosition()
  }
}
