/**
 * Options of a node, their defaults and ranges. Checked once, at construction; a bad one is a {@link RaftOptionsError}.
 */
import { type GroupId, isNodeId, isPosition, type NodeId, type Position } from './ids.ts'
import type { RaftStorage } from './storage.ts'
import type { TraceListener } from './trace.ts'

/** What a RawNode is made of. Sizes are in bytes, times in ticks: the shell decides how long a tick is. */
export interface RaftOptions<D> {
  /** This node; integer >= 0. */
  id: NodeId
  /** The group; messages of any other are refused. Default 0. */
  group?: GroupId
  storage: RaftStorage<D>
  /** Ticks without word from a leader before an election; the real wait is drawn from [n, 2n). 2..1e6. */
  electionTicks: number
  /** Ticks between heartbeats; 1..electionTicks-1. */
  heartbeatTicks: number
  /** Draws from [0, 1). The only source of chance: the same draws and inputs give the same outputs. */
  random: () => number
  /** Ask before raising the term (dissertation 9.6). Default true. */
  preVote?: boolean
  /** A leader that does not hear from a majority for an election timeout steps down. Default true. */
  checkQuorum?: boolean
  /** Largest append message, its first entry excepted; >= 0. Default 1 MiB. */
  maxBytesPerMessage?: number
  /** Append messages in flight to one follower; >= 1. Default 256. */
  maxInflightMessages?: number
  /** Bytes in flight to one follower; >= maxBytesPerMessage. Default unlimited. */
  maxInflightBytes?: number
  /** Bytes of proposals that are not committed yet; the next one is refused as `overloaded`. Default unlimited. */
  maxUncommittedBytes?: number
  /** Largest single proposal, refused above as `too-large`. Default unlimited. */
  maxProposalBytes?: number
  /** Bytes of committed entries handed out and not reported as applied, at least one entry. Default unlimited. */
  maxApplyingBytes?: number
  /** Reads waiting for confirmation; refused above as `overloaded`. Default 100,000. */
  maxPendingReads?: number
  /**
   * How willing this node is to lead: 1..10 stands for election later the lower it is, 0 not at all unless told to by
   * `campaign()` or a transfer (a node that is being drained). Never delays a vote. Default 10.
   */
  priority?: number
  /** `unless-empty`: a leader elected over an empty log appends no entry of its own and is ready at once. Default `always`. */
  leaderEntry?: 'always' | 'unless-empty'
  /** `positions`: Ready.committed carries only config entries, and nothing is read back. Default `entries`. */
  committed?: 'entries' | 'positions'
  /** What a follower below the log's start is sent: the application's snapshot, or just the start. Default `snapshot`. */
  catchUp?: 'snapshot' | 'start-position'
  /**
   * Hand out committed entries before the node's own disk has them. What the shell stores of the application, the
   * configuration above all, must then not become durable before the entries do. Default false.
   */
  applyBeforePersisted?: boolean
  /** `lease` answers reads without asking a majority and trusts clocks; needs checkQuorum. Default `quorum`. */
  readOnly?: 'quorum' | 'lease'
  /**
   * Gather what is proposed between two Readys into one append per follower. Off, each proposal is sent by itself, as
   * the conformance scripts want it. Default true.
   */
  batchAppends?: boolean
  /**
   * Hand out a persist request when only the commit position changed. A log that learns it anew needs none: off, it comes
   * only with a new term or vote and with a change of the configuration. Default true.
   */
  persistCommit?: boolean
  /** Followers pass proposals on to the leader instead of refusing them. Default false. */
  forwardProposals?: boolean
  /** A leader that leaves the voters steps down. Default true. */
  stepDownOnRemoval?: boolean
  /** Check a proposed change against the present configuration. Only a test of what follows turns it off. Default true. */
  validateConfChanges?: boolean
  /**
   * An idle group in which every log is equal goes silent after this many ticks: no heartbeats, no election timers. The
   * shell must then watch the nodes itself and call `peerLost` (0 = never go silent). Default 0.
   */
  quiesceAfterTicks?: number
  /** Position up to which the application has applied. Default: the start of the log. */
  applied?: Position
  onTrace?: TraceListener
}

/** Options with every default filled in. */
export type ResolvedOptions<D> = Required<Omit<RaftOptions<D>, 'onTrace' | 'applied'>> & {
  readonly onTrace: TraceListener | null
  readonly applied: Position | null
}

/** An option that is missing or out of range; names it, and what would do. */
export class RaftOptionsError extends Error {
  override readonly name = 'RaftOptionsError'
  readonly option: string

  constructor(option: string, allowed: string, value: unknown) {
    super(`raft option ${option} must be ${allowed}, not ${String(value)}`)
    this.option = option
  }
}

/** Highest {@link RaftOptions.priority}. */
export const PRIORITY_MAX = 10

/** Fills in defaults and checks ranges. */
export function resolveOptions<D>(options: RaftOptions<D>): ResolvedOptions<D> {
  const resolved: ResolvedOptions<D> = {
    id: options.id,
    group: options.group ?? 0,
    storage: options.storage,
    electionTicks: options.electionTicks,
    heartbeatTicks: options.heartbeatTicks,
    random: options.random,
    preVote: options.preVote ?? true,
    checkQuorum: options.checkQuorum ?? true,
    maxBytesPerMessage: options.maxBytesPerMessage ?? 1 << 20,
    maxInflightMessages: options.maxInflightMessages ?? 256,
    maxInflightBytes: options.maxInflightBytes ?? Number.POSITIVE_INFINITY,
    maxUncommittedBytes: options.maxUncommittedBytes ?? Number.POSITIVE_INFINITY,
    maxProposalBytes: options.maxProposalBytes ?? Number.POSITIVE_INFINITY,
    maxApplyingBytes: options.maxApplyingBytes ?? Number.POSITIVE_INFINITY,
    maxPendingReads: options.maxPendingReads ?? 100_000,
    priority: options.priority ?? PRIORITY_MAX,
    leaderEntry: options.leaderEntry ?? 'always',
    committed: options.committed ?? 'entries',
    catchUp: options.catchUp ?? 'snapshot',
    applyBeforePersisted: options.applyBeforePersisted ?? false,
    readOnly: options.readOnly ?? 'quorum',
    batchAppends: options.batchAppends ?? true,
    persistCommit: options.persistCommit ?? true,
    forwardProposals: options.forwardProposals ?? false,
    stepDownOnRemoval: options.stepDownOnRemoval ?? true,
    validateConfChanges: options.validateConfChanges ?? true,
    quiesceAfterTicks: options.quiesceAfterTicks ?? 0,
    applied: options.applied ?? null,
    onTrace: options.onTrace ?? null,
  }
  checkIdentity(resolved)
  checkLimits(resolved)
  return resolved
}

function checkIdentity(o: ResolvedOptions<unknown>): void {
  demand(isNodeId(o.id), 'id', 'an integer >= 0', o.id)
  demand(typeof o.group === 'string' || typeof o.group === 'number', 'group', 'a string or number', o.group)
  demand(typeof o.storage === 'object' && o.storage !== null, 'storage', 'a RaftStorage', o.storage)
  demand(typeof o.random === 'function', 'random', 'a function', o.random)
  demand(isCount(o.electionTicks, 2, 1e6), 'electionTicks', '2..1000000', o.electionTicks)
  demand(isCount(o.heartbeatTicks, 1, o.electionTicks - 1), 'heartbeatTicks', '1..electionTicks-1', o.heartbeatTicks)
  demand(isCount(o.priority, 0, PRIORITY_MAX), 'priority', `0..${PRIORITY_MAX}`, o.priority)
  demand(isCount(o.quiesceAfterTicks, 0, 1e9), 'quiesceAfterTicks', '0..1e9', o.quiesceAfterTicks)
  demand(o.applied === null || isPosition(o.applied), 'applied', 'a position', o.applied)
  demand(
    o.readOnly === 'quorum' || o.quiesceAfterTicks === 0,
    'quiesceAfterTicks',
    '0 with lease reads',
    o.quiesceAfterTicks,
  )
  demand(o.readOnly === 'quorum' || o.checkQuorum, 'readOnly', "'quorum' when checkQuorum is off", o.readOnly)
}

function checkLimits(o: ResolvedOptions<unknown>): void {
  demand(o.maxBytesPerMessage >= 0, 'maxBytesPerMessage', '>= 0', o.maxBytesPerMessage)
  demand(isCount(o.maxInflightMessages, 1, 2 ** 31), 'maxInflightMessages', '>= 1', o.maxInflightMessages)
  demand(o.maxInflightBytes >= o.maxBytesPerMessage, 'maxInflightBytes', '>= maxBytesPerMessage', o.maxInflightBytes)
  demand(o.maxUncommittedBytes > 0, 'maxUncommittedBytes', '> 0', o.maxUncommittedBytes)
  demand(o.maxProposalBytes > 0, 'maxProposalBytes', '> 0', o.maxProposalBytes)
  demand(o.maxApplyingBytes > 0, 'maxApplyingBytes', '> 0', o.maxApplyingBytes)
  demand(isCount(o.maxPendingReads, 1, 2 ** 31), 'maxPendingReads', '>= 1', o.maxPendingReads)
}

function isCount(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max
}

function demand(ok: boolean, option: string, allowed: string, value: unknown): void {
  if (!ok) throw new RaftOptionsError(option, allowed, value)
}
