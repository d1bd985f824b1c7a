/**
 * Keeps the producer state in step with the log: what is appended, what is read back at a start, what is cut off.
 *
 * What is cut may have pushed older batches out of memory, so the state is read back from the log whenever it is cut, as at
 * a start. The log is cut a moment after Raft says so; what Raft appends meanwhile waits here.
 *
 * Invariant: once nothing is being cut, the state is what the log's batches make it.
 * Invariant: what waits here is bounded by what a leader sends without an answer.
 */
import { type BatchHeader, readBatchHeader } from '@stratalog/proto/records'
import type { Entry } from 'raft-ts'
import type { Companion } from '../log/log-core.ts'
import { producerOf } from './append-path.ts'
import { decodeProducerSnapshot } from './producer-snapshot.ts'
import { ProducerState } from './producer-state.ts'

/** A change of the log that has been announced: `resetTo` is where it begins anew, null when it is cut. */
interface Replacement {
  readonly resetTo: number | null
}

/** See the file's header. Owner: the partition. */
export class ProducerFollower {
  readonly state: ProducerState
  readonly #producerCountMax: number
  readonly #nowMs: () => number
  #replacements: Replacement[] = []
  #waiting: BatchHeader[] = []

  constructor(producerCountMax: number, nowMs: () => number) {
    this.state = new ProducerState(producerCountMax)
    this.#producerCountMax = producerCountMax
    this.#nowMs = nowMs
  }

  /** The log is being read back, from this snapshot on. */
  onRecoveredCompanion(companion: Companion | null): void {
    const max = this.#producerCountMax
    this.state.become(companion === null ? new ProducerState(max) : decodeProducerSnapshot(companion.bytes, max))
  }

  /** A batch that is in the log, durably. */
  onRecoveredBatch(header: BatchHeader): void {
    this.#note(header)
    this.state.noteDurable(header.lastOffset + 1)
  }

  /** An entry goes into the log. What was proposed here is known already. */
  onAppended({ end, data }: Entry<Buffer>): void {
    if (data === null) return
    if (this.#replacements.length > 0) this.#waiting.push(readBatchHeader(data, 0))
    else if (end > this.state.endOffset) this.#note(readBatchHeader(data, 0))
  }

  /** The log is to be cut. */
  onTruncated(endOffset: number): void {
    this.#replacements.push({ resetTo: null })
    this.#waiting = this.#waiting.filter(({ lastOffset }) => lastOffset < endOffset)
    this.state.truncateTo(endOffset)
  }

  /** The log is to begin anew. */
  onReset(startOffset: number): void {
    this.#replacements.push({ resetTo: startOffset })
    this.#waiting = []
  }

  /** The oldest change that was announced is done, and the log was read back. */
  onReplaced(): void {
    const done = this.#replacements.shift()
    if (done !== undefined && done.resetTo !== null) this.state.resetTo(done.resetTo)
    if (this.#replacements.length > 0) return
    for (const header of this.#waiting.splice(0)) this.#note(header)
  }

  #note(header: BatchHeader): void {
    const { baseOffset, lastOffset, leaderEpoch } = header
    const { state } = this
    if (lastOffset < state.endOffset) return
    const producer = header.control ? null : producerOf(header)
    const logAppendTimeMs = header.timestampType === 'append' ? header.maxTimestamp : -1
    if (producer === null) state.advanceTo(lastOffset + 1)
    else state.append(producer, { baseOffset, lastOffset, leaderEpoch, logAppendTimeMs }, this.#nowMs())
  }
}
