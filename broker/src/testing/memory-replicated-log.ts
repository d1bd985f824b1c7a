/**
 * A replicated log in memory, for tests of what stands above it: several replicas share one sequence of batches, a test
 * says who leads, and when batches are committed and seen.
 *
 * `MemoryLogCluster` is the log, `MemoryReplicatedLog` one replica's view of it. Deterministic: no clock, no chance.
 */
import { StratalogError } from '@stratalog/proto'
import { encodeLeaderChange, readBatchHeader, stampBatch } from '@stratalog/proto/records'
import type { CoordinatorLog } from '../coordinator/coordinator-log.ts'
import type { Appending, LogRead } from '../partition/replicated-log.ts'

interface Held {
  readonly endOffset: number
  readonly resolve: () => void
  readonly reject: (error: StratalogError) => void
}

/** See the file's header. */
export class MemoryLogCluster {
  readonly batches: Buffer[] = []
  leaderId: number | null = null
  leaderEpoch = 0
  committedEnd = 0
  /** Set: what is appended is committed only by {@link commit}. */
  holdsCommits = false
  #held: Held[] = []
  readonly #replicas: MemoryReplicatedLog[] = []

  /** A replica on that broker. */
  replica(brokerId: number): MemoryReplicatedLog {
    const replica = new MemoryReplicatedLog(this, brokerId)
    this.#replicas.push(replica)
    return replica
  }

  get endOffset(): number {
    const last = this.batches.at(-1)
    return last === undefined ? 0 : readBatchHeader(last, 0).lastOffset + 1
  }

  /**
   * Another broker leads, in a new term. What was not committed is lost, or kept; whoever waits for it is not told which.
   */
  elect(brokerId: number, uncommitted: 'kept' | 'lost' = 'lost'): void {
    if (uncommitted === 'lost') {
      while (this.endOffset > this.committedEnd) this.batches.pop()
    }
    const held = this.#held.splice(0)
    this.leaderId = brokerId
    this.leaderEpoch++
    if (this.batches.length > 0) {
      const seam = encodeLeaderChange({ leaderId: brokerId, voterIds: [brokerId], timestamp: -1 })
      stampBatch(seam, 0, this.endOffset, this.leaderEpoch)
      this.batches.push(seam)
    }
    this.committedEnd = this.endOffset
    for (const { reject } of held) reject(new StratalogError('NOT_LEADER_OR_FOLLOWER'))
    this.notify()
  }

  /** Nobody leads. */
  depose(): void {
    this.leaderId = null
    this.leaderEpoch++
    this.notify()
  }

  append(batch: Buffer): Appending {
    stampBatch(batch, 0, this.endOffset, this.leaderEpoch)
    this.batches.push(batch)
    const { endOffset, leaderEpoch } = this
    const committed = new Promise<void>((resolve, reject) => {
      this.#held.push({ endOffset, resolve, reject })
    })
    if (!this.holdsCommits) queueMicrotask(() => this.commit())
    return { place: { endOffset, leaderEpoch }, committed }
  }

  /** Commits all that was appended. */
  commit(): void {
    this.committedEnd = this.endOffset
    const held = this.#held.splice(0)
    this.notify()
    for (const { resolve } of held) resolve()
  }

  notify(): void {
    for (const replica of this.#replicas) replica.notify()
  }
}

/** See the file's header. */
export class MemoryReplicatedLog implements CoordinatorLog {
  readonly #cluster: MemoryLogCluster
  readonly #brokerId: number
  readonly #listeners = new Set<() => void>()
  #failure: StratalogError | null = null
  #isBehind = false
  /** What a follower that is behind has seen. */
  #seenEnd = 0
  /** First offset that can be read here; a test moves it as a leader does that has nothing older. */
  logStartOffset = 0
  /** Refuses what is appended, as a disk does that is full; what is under way goes on. */
  refusal: StratalogError | null = null
  /** Reads so far. */
  readCount = 0

  constructor(cluster: MemoryLogCluster, brokerId: number) {
    this.#cluster = cluster
    this.#brokerId = brokerId
  }

  /** From here on nothing new reaches this replica, until it is told otherwise. */
  setBehind(isBehind: boolean): void {
    this.#seenEnd = this.committedEnd
    this.#isBehind = isBehind
    this.notify()
  }

  /** It is of no use any more. */
  fail(error: StratalogError): void {
    this.#failure = error
    this.notify()
  }

  get isLeader(): boolean {
    return this.#failure === null && this.#cluster.leaderId === this.#brokerId
  }

  get leaderId(): number | null {
    return this.#cluster.leaderId
  }

  get leaderEpoch(): number {
    return this.#cluster.leaderEpoch
  }

  get committedEnd(): number {
    return this.#isBehind ? this.#seenEnd : this.#cluster.committedEnd
  }

  get logEndOffset(): number {
    return this.#cluster.endOffset
  }

  get failure(): StratalogError | null {
    return this.#failure
  }

  append(batch: Buffer): Appending {
    if (this.refusal !== null) return { place: null, committed: Promise.reject(this.refusal) }
    if (this.isLeader) return this.#cluster.append(batch)
    return { place: null, committed: Promise.reject(new StratalogError('NOT_LEADER_OR_FOLLOWER')) }
  }

  async read(from: number, maxBytes: number): Promise<LogRead> {
    this.readCount++
    if (this.#failure !== null) throw this.#failure
    if (from < this.logStartOffset) throw new StratalogError('OFFSET_OUT_OF_RANGE')
    const chunks: Buffer[] = []
    let bytes = 0
    let nextOffset = from
    for (const batch of this.#cluster.batches) {
      const { baseOffset, lastOffset, control } = readBatchHeader(batch, 0)
      if (baseOffset < from) continue
      if (lastOffset >= this.committedEnd || bytes >= maxBytes) break
      if (control && chunks.length > 0) break
      nextOffset = lastOffset + 1
      if (control) continue
      chunks.push(batch)
      bytes += batch.length
    }
    return { chunks, nextOffset }
  }

  async trimTo(offset: number): Promise<void> {
    this.logStartOffset = Math.max(this.logStartOffset, offset)
    this.notify()
  }

  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  notify(): void {
    for (const listener of this.#listeners) listener()
  }
}
