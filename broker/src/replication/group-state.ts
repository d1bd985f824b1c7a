/**
 * The stored state of one group, kept in memory as it was last put, and brought in line with the log when it is opened.
 *
 * Invariant: a change of membership is in `pending`, durably, no later than its entry is in the log; so a node never
 * holds a change that it does not know of.
 * Invariant: the commit position never goes ahead of the durable log; `flushedEnd` never ahead of its durable end, and
 * is taken back before the log is cut.
 */
import { StratalogError, toOffset } from '@stratalog/proto'
import { type ConfState, changeMembership, confStateOf, type Entry, type InitialState, type NodeId } from 'raft-ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { GroupConf, GroupStateRow, GroupStateStore, PendingChange } from './group-state-store.ts'
import { endOffsetAt, leaderEpochOfTerm, positionAt, termOfLeaderEpoch } from './raft-ids.ts'

/** What a group is opened with. */
export interface OpenGroupState {
  readonly store: GroupStateStore
  readonly key: string
  readonly log: PartitionLog
  /** Of this broker's copy. */
  readonly generation: number
  readonly nodeId: NodeId
  /** Voters of a group that has never run; null for a copy that joins and will be told. */
  readonly initialVoters: readonly NodeId[] | null
  /** Stores the row whether it changed or not: its last put may have failed. Default false. */
  readonly mustStore?: boolean
}

const UNCONFIGURED: ConfState = confStateOf([])

/** See the file's header. Owner: the partition; its Raft group is the only writer while it runs. */
export class GroupState {
  readonly generation: number
  /** Whether this copy has never run before. */
  readonly isNew: boolean
  readonly #store: GroupStateStore
  readonly #key: string
  #row: GroupStateRow & { readonly conf: GroupConf }

  private constructor(options: OpenGroupState, row: GroupStateRow & { readonly conf: GroupConf }, isNew: boolean) {
    this.generation = options.generation
    this.isNew = isNew
    this.#store = options.store
    this.#key = options.key
    this.#row = row
  }

  /**
   * Reads what is stored, finishes an interrupted change of the log, and makes sure that log and row fit.
   *
   * Durable when it resolves: only then the node may vote. Errors: PARTITION_DAMAGED when the log has lost what was
   * durable, or the row what the log cannot do without; LogError; StoreError.
   */
  static async open(options: OpenGroupState): Promise<GroupState> {
    const { store, key, log, generation } = options
    const stored = store.get(key)
    if (stored === null) checkNewLog(options)
    const conf = stored?.conf ?? initialConf(options)
    const before = { ...(stored ?? { generation, hardState: null, flushedEnd: 0, resetTo: null }), conf }
    if (before.resetTo !== null) await resetLogTo(log, before.resetTo.position, before.resetTo.term)
    else if (stored !== null) checkNothingLost(log, stored)
    const row = { ...before, conf: confInLog(conf, log, before), flushedEnd: log.flushedEndOffset, resetTo: null }
    const state = new GroupState(options, row, stored === null)
    const isStored = stored !== null && JSON.stringify(stored) === JSON.stringify(row)
    if (!isStored || options.mustStore === true) await store.put(key, row)
    return state
  }

  get key(): string {
    return this.#key
  }

  /** As it was last put. */
  get row(): GroupStateRow & { readonly conf: GroupConf } {
    return this.#row
  }

  /** Changes the row. Durability: fsynced when it resolves. Errors: those of the store. */
  update(change: Partial<Omit<GroupStateRow, 'generation' | 'conf'> & { readonly conf: GroupConf }>): Promise<void> {
    this.#row = { ...this.#row, ...change }
    return this.#store.put(this.#key, this.#row)
  }

  /** Changes of membership go into the log. */
  noteChanges(entries: readonly Entry<Buffer>[]): Promise<void> {
    const { conf } = this.#row
    const first = entries[0]!
    const added = entries
      .filter(({ kind }) => kind === 'config')
      .map(({ end, term, change }): PendingChange => ({ end, term, change: change! }))
    const pending = [...conf.pending.filter(({ end }) => end <= first.base), ...added]
    return this.update({ conf: { ...conf, pending } })
  }

  /** The change that ends at `confPosition` is in force. */
  applyChange(confState: ConfState, confPosition: number): Promise<void> {
    const { pending } = this.#row.conf
    return this.update({ conf: { confState, confPosition, pending: pending.filter(({ end }) => end > confPosition) } })
  }

  /**
   * What Raft begins with: the log may carry a later term than was stored (it was synced first), and the commit position
   * may lie below what retention has left.
   */
  initialState(log: PartitionLog): InitialState<Buffer> {
    const { hardState, conf } = this.#row
    const logTerm = termOfLeaderEpoch(log.lastEpoch)
    const initial = {
      confState: conf.confState,
      confPosition: conf.confPosition,
      configEntries: conf.pending.map(configEntry),
    }
    if (hardState === null && logTerm === 0) return { hardState: null, ...initial }
    const stored = hardState ?? { term: 0, vote: null, commit: 0 }
    const term = Math.max(stored.term, logTerm)
    const vote = term === stored.term ? stored.vote : null
    const commit = Math.min(Math.max(stored.commit, positionAt(log.logStartOffset)), positionAt(log.logEndOffset))
    return { hardState: { term, vote, commit }, ...initial }
  }
}

/** Empties the log and begins it anew at a position, after an entry of `term`. */
export async function resetLogTo(log: PartitionLog, position: number, term: number): Promise<void> {
  const startOffset = endOffsetAt(position)
  const previous = { epoch: leaderEpochOfTerm(term), startOffset: toOffset(Math.max(0, startOffset - 1)) }
  await log.resetTo(startOffset, startOffset === 0 || term === 0 ? null : previous)
}

function initialConf({ initialVoters }: OpenGroupState): GroupConf {
  return { confState: initialVoters === null ? UNCONFIGURED : confStateOf(initialVoters), confPosition: 0, pending: [] }
}

/** A log with records and without votes: it may have voted. A group of its own may go on, as nobody else's vote counts. */
function checkNewLog({ log, initialVoters, nodeId, key }: OpenGroupState): void {
  if (log.logEndOffset === 0 && log.logStartOffset === 0) return
  if (initialVoters?.length === 1 && initialVoters[0] === nodeId) return
  const text = `${log.directory} holds a log up to offset ${log.logEndOffset}, but its votes (${key}) are gone`
  throw new StratalogError('PARTITION_DAMAGED', text)
}

function checkNothingLost(log: PartitionLog, { flushedEnd }: GroupStateRow): void {
  if (log.logEndOffset >= flushedEnd) return
  const text = `${log.directory} ends at offset ${log.logEndOffset}; it was durable up to ${flushedEnd}: is it an old copy?`
  throw new StratalogError('PARTITION_DAMAGED', text)
}

/** Drops changes that did not make it into the log, and puts those in force that are known to be committed. */
function confInLog(conf: GroupConf, log: PartitionLog, { hardState }: GroupStateRow): GroupConf {
  const committed = Math.min(Math.max(hardState?.commit ?? 0, log.logStartOffset), log.logEndOffset)
  let { confState, confPosition } = conf
  const pending: PendingChange[] = []
  for (const change of conf.pending) {
    const { end, term } = change
    if (end > log.logEndOffset || (end > log.logStartOffset && log.epochs.epochAt(end - 1) !== term)) break
    if (end > committed) {
      pending.push(change)
      continue
    }
    const result = changeMembership(confState, change.change)
    if (result.kind === 'changed') confState = result.confState
    confPosition = end
  }
  return { confState, confPosition, pending }
}

function configEntry({ end, term, change }: PendingChange): Entry<Buffer> {
  return { base: end - 1, end, term, kind: 'config', bytes: 0, data: null, change }
}
