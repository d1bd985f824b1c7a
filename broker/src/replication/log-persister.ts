/**
 * Carries out the persist requests of one Raft group: entries into the log, the rest into the group's stored state.
 *
 * Group commit: while a flush is under way small requests gather and share the next one. When much has gathered it is
 * handed to the log at once, behind what is being written, so that the log's next group is always full.
 * Requests are reported in their order, each only when all of it is durable. A full disk holds requests back until there
 * is room, without an error; any other failure is final. A request that replaces the tail or changes the members has a
 * flush of its own.
 *
 * The commit position alone is never worth a sync: it goes with the next term or vote, and with the close. A restart
 * learns it anew from the first entry that its leader commits.
 * Invariant: a commit position is stored only when the log that it speaks of is durable. Term and vote may be ahead of
 * the log; a commit position that is would, after a crash between the two, vouch for a tail that was to be cut.
 * Invariant: a change of the members is stored before its entry is in the log, and the commit position that came with it
 * before the request is reported: a node that restarts is never two committed changes behind.
 */
import { invariant } from '@stratalog/proto'
import type { HardState, PersistRequest, Position } from 'raft-ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { EntryBatches } from './entry-codec.ts'
import { type GroupState, resetLogTo } from './group-state.ts'
import { endOffsetAt } from './raft-ids.ts'

/** What a persister is made of. */
export interface LogPersisterOptions {
  readonly log: PartitionLog
  readonly state: GroupState
  readonly batches: EntryBatches
  /** Up to where what is committed is known to be durable here. */
  readonly durableCommit: () => Position
  /** The log was cut (null), or begins anew at a position; the request's entries are not appended yet. */
  readonly onReplaced: (begunAt: Position | null) => void
  /** The request is durable. Called in the order of {@link LogPersister.submit}. */
  readonly onPersisted: (request: PersistRequest<Buffer>) => void
  /** Once: nothing is reported any more. */
  readonly onFailed: (error: unknown) => void
}

/** Entries that share a flush, about: acknowledgements then come in steps of this size while the disk is busy. */
const FLUSH_BYTES = 256 * 1024
/** Entries handed to the log and not flushed, at most: a few of its write groups, so that the disk never waits for us. */
const UNFLUSHED_BYTES_MAX = 16 * 1024 * 1024

/** A request that waits, and what must be known of it more than once. */
interface Gathered {
  readonly request: PersistRequest<Buffer>
  readonly sizeBytes: number
  readonly exclusive: boolean
}

/** See the file's header. Owner: the Raft group; the log's only writer. */
export class LogPersister {
  readonly #options: LogPersisterOptions
  readonly #gathered: Gathered[] = []
  #gatheredBytes = 0
  #flushCount = 0
  #unflushedBytes = 0
  /** A request that has a flush of its own is not yet in the log: nothing may be handed over behind it. */
  #exclusive = false
  /** Settles, and never rejects, when everything begun so far has ended. */
  #tail: Promise<void> = Promise.resolve()
  #failed = false
  #onHeldBack: (() => void) | null = null
  /** Term and vote of the last request begun. */
  #latest: HardState | null

  constructor(options: LogPersisterOptions) {
    this.#options = options
    this.#latest = options.state.row.hardState
  }

  /** Queues a request. Entries are owned by the log from here on. */
  submit(request: PersistRequest<Buffer>): void {
    const sizeBytes = sizeOfEntries(request)
    this.#gathered.push({ request, sizeBytes, exclusive: isExclusive(request) })
    this.#gatheredBytes += sizeBytes
    this.resume()
  }

  /** Goes on, also after the disk was full. */
  resume(): void {
    while (this.#mayBegin()) this.#begin()
  }

  /** The disk is full: whoever waits for the end of what is under way must not. */
  holdBack(): void {
    this.#onHeldBack?.()
  }

  /** Waits for what is under way and stores the commit position. What a full disk holds back is given up. */
  async close(): Promise<void> {
    const heldBack = new Promise<void>((resolve) => {
      this.#onHeldBack = resolve
    })
    while (this.#flushCount > 0 && !this.#isHeldBack()) await Promise.race([this.#tail, heldBack])
    const { state, log } = this.#options
    const { hardState, flushedEnd } = state.row
    if (hardState === null || this.#failed) return
    const latest = { ...hardState, commit: this.#durableCommit(hardState) }
    if (latest.commit === hardState.commit && flushedEnd === log.flushedEndOffset) return
    // It only saves the next start some work: a store that fails now is no reason not to close the log.
    await state.update({ hardState: latest, flushedEnd: log.flushedEndOffset }).catch(() => undefined)
  }

  /**
   * Stores how far the log is flushed, if that is further than what is stored. Durable when it resolves.
   *
   * Not while the log is cut or begins anew: what is flushed then is about to go, and the mark was taken back before.
   */
  async storeFlushedEnd(): Promise<void> {
    const { state, log } = this.#options
    if (this.#exclusive || this.#failed || log.flushedEndOffset <= state.row.flushedEnd) return
    await state.update({ flushedEnd: log.flushedEndOffset })
  }

  /** Whether the log takes no appends for now; `resume` is called when it does. */
  #isHeldBack(): boolean {
    return this.#options.log.state.kind === 'disk-full'
  }

  #mayBegin(): boolean {
    const first = this.#gathered[0]
    if (first === undefined || this.#failed || this.#exclusive || this.#isHeldBack()) return false
    if (this.#flushCount === 0) return true
    if (first.exclusive) return false
    return this.#gatheredBytes >= FLUSH_BYTES && this.#unflushedBytes < UNFLUSHED_BYTES_MAX
  }

  #begin(): void {
    const { requests, sizeBytes, exclusive } = this.#takeGathered()
    this.#flushCount++
    this.#unflushedBytes += sizeBytes
    // A failure is noted at once and acted on in its turn, after those before it.
    const persisting = exclusive ? this.#persistExclusive(requests[0]!) : this.#persist(requests)
    const outcome = persisting.then(
      () => null,
      (error: unknown) => ({ error }),
    )
    this.#tail = this.#tail.then(async () => {
      const failure = await outcome
      this.#flushCount--
      this.#unflushedBytes -= sizeBytes
      if (this.#failed) return
      if (failure === null) {
        for (const request of requests) this.#options.onPersisted(request)
        this.resume()
      } else {
        this.#failed = true
        this.#options.onFailed(failure.error)
      }
    })
  }

  /** The next requests for one flush; an exclusive one comes alone. */
  #takeGathered(): { requests: PersistRequest<Buffer>[]; sizeBytes: number; exclusive: boolean } {
    let count = 0
    let sizeBytes = 0
    for (const gathered of this.#gathered) {
      if (sizeBytes >= FLUSH_BYTES || (count > 0 && gathered.exclusive)) break
      sizeBytes += gathered.sizeBytes
      count++
      if (gathered.exclusive) break
    }
    this.#gatheredBytes -= sizeBytes
    const taken = this.#gathered.splice(0, count)
    return { requests: taken.map(({ request }) => request), sizeBytes, exclusive: taken[0]!.exclusive }
  }

  async #persist(requests: readonly PersistRequest<Buffer>[]): Promise<void> {
    const { log, batches } = this.#options
    const hardStateStored = this.#storeHardState(requests)
    // Its failure is met below, after the log's; until then it is not an unhandled one.
    hardStateStored?.catch(() => undefined)
    try {
      let mustFlush = false
      for (const { entries } of requests) {
        if (entries.length === 0) continue
        log.append(entries.map((entry) => batches.of(entry)))
        mustFlush = true
      }
      if (mustFlush) await log.flush()
    } finally {
      await hardStateStored
    }
  }

  /** Cuts the log, begins it anew where a leader says that it begins, or changes the members; nothing else goes on meanwhile. */
  async #persistExclusive(request: PersistRequest<Buffer>): Promise<void> {
    const { log, batches, state } = this.#options
    const { truncateTo, snapshot, entries, hardState } = request
    this.#exclusive = true
    try {
      if (truncateTo !== null) {
        await state.update({ ...this.#hardStateOf([request]), flushedEnd: Math.min(state.row.flushedEnd, truncateTo) })
        await log.truncateTo(endOffsetAt(truncateTo), { replay: true })
        this.#options.onReplaced(null)
      } else await this.#storeHardState([request])
      if (snapshot !== null) await this.#reset(snapshot)
      if (changesMembers(request)) await state.noteChanges(entries)
      if (entries.length > 0) log.append(entries.map((entry) => batches.of(entry)))
    } finally {
      this.#exclusive = false
    }
    if (entries.length > 0) await log.flush()
    const stored = state.row.hardState
    if (hardState === null || stored === null) return
    const commit = Math.min(hardState.commit, log.flushedEndOffset)
    if (commit > stored.commit) await state.update({ hardState: { ...stored, commit } })
  }

  async #reset(snapshot: NonNullable<PersistRequest<Buffer>['snapshot']>): Promise<void> {
    const { log, state } = this.#options
    const { position, term, confState, confPosition, data } = snapshot
    invariant(data === null, 'a partition is handed over without a state')
    const conf = { confState, confPosition, pending: [] }
    // After a crash in between the next start empties the log: it never meets the new members beside the old log.
    await state.update({ conf, resetTo: { position, term }, flushedEnd: 0 })
    await resetLogTo(log, position, term)
    this.#options.onReplaced(position)
    await state.update({ resetTo: null, flushedEnd: position })
  }

  /** Stores term and vote of the last request that has any, if they are not stored yet. */
  #storeHardState(requests: readonly PersistRequest<Buffer>[]): Promise<void> | null {
    const { state, log } = this.#options
    const changed = this.#hardStateOf(requests)
    return changed === null ? null : state.update({ ...changed, flushedEnd: log.flushedEndOffset })
  }

  #hardStateOf(requests: readonly PersistRequest<Buffer>[]): { readonly hardState: HardState } | null {
    for (const { hardState } of requests) this.#latest = hardState ?? this.#latest
    const stored = this.#options.state.row.hardState
    const latest = this.#latest
    if (latest === null || (latest.term === stored?.term && latest.vote === stored.vote)) return null
    return { hardState: { ...latest, commit: this.#durableCommit(stored) } }
  }

  #durableCommit(stored: HardState | null): Position {
    const { durableCommit, log } = this.#options
    // What is acknowledged in memory only (flush.policy=replicated) is no ground for a commit position.
    return Math.max(stored?.commit ?? 0, Math.min(durableCommit(), log.flushedEndOffset))
  }
}

/** Whether the request takes away what is in the log, or changes the members. */
function isExclusive(request: PersistRequest<Buffer>): boolean {
  return request.truncateTo !== null || request.snapshot !== null || changesMembers(request)
}

function changesMembers({ entries }: PersistRequest<Buffer>): boolean {
  return entries.some(({ kind }) => kind === 'config')
}

function sizeOfEntries({ entries }: PersistRequest<Buffer>): number {
  let sizeBytes = 0
  for (const entry of entries) sizeBytes += entry.bytes
  return sizeBytes
}
