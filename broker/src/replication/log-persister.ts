/**
 * Carries out the persist requests of one Raft group: entries into the log, term and vote into the hard-state store.
 *
 * Group commit: while a flush is under way small requests gather and share the next one. When much has gathered it is
 * handed to the log at once, behind what is being written, so that the log's next group is always full.
 * Requests are reported in their order, each only when all of it is durable. A full disk holds requests back until there
 * is room, without an error; any other failure is final.
 *
 * The commit position alone is never worth a sync: it is kept for the next write of term or vote, and for the close. A
 * restart learns it anew from the first entry that its leader commits.
 * Invariant: a commit position is stored only when the log that it speaks of is durable. Term and vote may be ahead of
 * the log; a commit position that is would, after a crash between the two, vouch for a tail that was to be cut.
 */
import { invariant, toOffset } from '@stratalog/proto'
import type { HardState, PersistRequest, Position } from 'raft-ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { batchOf } from './entry-codec.ts'
import type { HardStateStore } from './hard-state-store.ts'
import { endOffsetAt, leaderEpochOfTerm } from './raft-ids.ts'

/** What a persister is made of. */
export interface LogPersisterOptions {
  readonly log: PartitionLog
  readonly hardStates: HardStateStore
  readonly hardStateKey: string
  /** Makes the control batch of a leader's first entry. */
  readonly leaderBatch: () => Buffer
  /** The request is durable. Called in the order of {@link LogPersister.submit}. */
  readonly onPersisted: (request: PersistRequest<Buffer>) => void
  /** Once: nothing is reported any more. */
  readonly onFailed: (error: unknown) => void
}

/** Entries that share a flush, about: acknowledgements then come in steps of this size while the disk is busy. */
const FLUSH_BYTES = 256 * 1024
/** Entries handed to the log and not flushed, at most: a few of its write groups, so that the disk never waits for us. */
const UNFLUSHED_BYTES_MAX = 16 * 1024 * 1024

/** See the file's header. Owner: the Raft group; the log's only writer. */
export class LogPersister {
  readonly #options: LogPersisterOptions
  readonly #gathered: PersistRequest<Buffer>[] = []
  #gatheredBytes = 0
  #flushCount = 0
  #unflushedBytes = 0
  #replacing = false
  /** Settles, and never rejects, when everything begun so far has ended. */
  #tail: Promise<void> = Promise.resolve()
  #failed = false
  #onHeldBack: (() => void) | null = null
  #stored: HardState | null
  #latest: HardState | null
  /** Commit position of the last request that is durable as a whole. */
  #durableCommit: Position

  constructor(options: LogPersisterOptions) {
    this.#options = options
    this.#stored = options.hardStates.get(options.hardStateKey)
    this.#latest = this.#stored
    this.#durableCommit = this.#stored?.commit ?? 0
  }

  /** Queues a request. Entries are owned by the log from here on. */
  submit(request: PersistRequest<Buffer>): void {
    this.#gathered.push(request)
    this.#gatheredBytes += sizeOfEntries(request)
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
    if (this.#stored === null || this.#failed || this.#stored.commit === this.#durableCommit) return
    // It only saves the next start some work: a store that fails now is no reason not to close the log.
    const latest = { ...this.#stored, commit: this.#durableCommit }
    await this.#options.hardStates.put(this.#options.hardStateKey, latest).catch(() => undefined)
  }

  /** Whether the log takes no appends for now; `resume` is called when it does. */
  #isHeldBack(): boolean {
    return this.#options.log.state.kind === 'disk-full'
  }

  #mayBegin(): boolean {
    const first = this.#gathered[0]
    if (first === undefined || this.#failed || this.#replacing || this.#isHeldBack()) return false
    if (this.#flushCount === 0) return true
    if (replacesLog(first)) return false
    return this.#gatheredBytes >= FLUSH_BYTES && this.#unflushedBytes < UNFLUSHED_BYTES_MAX
  }

  #begin(): void {
    const { requests, sizeBytes } = this.#takeGathered()
    this.#flushCount++
    this.#unflushedBytes += sizeBytes
    // A failure is noted at once and acted on in its turn, after those before it.
    const outcome = this.#persist(requests).then(
      () => null,
      (error: unknown) => ({ error }),
    )
    this.#tail = this.#tail.then(async () => {
      const failure = await outcome
      this.#flushCount--
      this.#unflushedBytes -= sizeBytes
      if (this.#failed) return
      if (failure === null) {
        for (const request of requests) {
          this.#durableCommit = request.hardState?.commit ?? this.#durableCommit
          this.#options.onPersisted(request)
        }
        this.resume()
      } else {
        this.#failed = true
        this.#options.onFailed(failure.error)
      }
    })
  }

  /** The next requests for one flush; one that replaces the log comes first or not at all. */
  #takeGathered(): { requests: PersistRequest<Buffer>[]; sizeBytes: number } {
    let count = 0
    let sizeBytes = 0
    for (const request of this.#gathered) {
      if (sizeBytes >= FLUSH_BYTES || (count > 0 && replacesLog(request))) break
      sizeBytes += sizeOfEntries(request)
      count++
    }
    this.#gatheredBytes -= sizeBytes
    return { requests: this.#gathered.splice(0, count), sizeBytes }
  }

  async #persist(requests: readonly PersistRequest<Buffer>[]): Promise<void> {
    const { log, leaderBatch } = this.#options
    const hardStateStored = this.#storeHardState(requests)
    // Its failure is met below, after the log's; until then it is not an unhandled one.
    hardStateStored?.catch(() => undefined)
    try {
      let mustFlush = false
      for (const request of requests) {
        if (replacesLog(request)) await this.#replace(request)
        if (request.entries.length === 0) continue
        log.append(request.entries.map((entry) => batchOf(entry, leaderBatch)))
        mustFlush = true
      }
      if (mustFlush) await log.flush()
    } finally {
      await hardStateStored
    }
  }

  /** Cuts the log, or begins it anew where a leader says that it begins. Nothing else may be begun meanwhile. */
  async #replace({ snapshot, truncateTo }: PersistRequest<Buffer>): Promise<void> {
    const { log } = this.#options
    this.#replacing = true
    try {
      if (snapshot !== null) {
        invariant(snapshot.data === null, 'a partition is handed over without a state')
        const startOffset = endOffsetAt(snapshot.position)
        const lastEpoch = {
          epoch: leaderEpochOfTerm(snapshot.term),
          startOffset: toOffset(Math.max(0, startOffset - 1)),
        }
        await log.resetTo(startOffset, startOffset === 0 ? null : lastEpoch)
      }
      if (truncateTo !== null) await log.truncateTo(endOffsetAt(truncateTo))
    } finally {
      this.#replacing = false
    }
  }

  /** Term and vote of the last request that has any, if they are not stored yet. */
  #storeHardState(requests: readonly PersistRequest<Buffer>[]): Promise<void> | null {
    for (const { hardState } of requests) this.#latest = hardState ?? this.#latest
    const latest = this.#latest
    if (latest === null || (latest.term === this.#stored?.term && latest.vote === this.#stored.vote)) return null
    this.#stored = { ...latest, commit: this.#durableCommit }
    return this.#options.hardStates.put(this.#options.hardStateKey, this.#stored)
  }
}

/** Whether the request takes away what is in the log. */
function replacesLog({ truncateTo, snapshot }: PersistRequest<Buffer>): boolean {
  return truncateTo !== null || snapshot !== null
}

function sizeOfEntries({ entries }: PersistRequest<Buffer>): number {
  let sizeBytes = 0
  for (const entry of entries) sizeBytes += entry.bytes
  return sizeBytes
}
