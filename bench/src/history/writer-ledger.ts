/**
 * One producer's values on one partition: what became of each, and where it is.
 *
 * Invariant: values are invoked in order of sequence without gaps. Memory: 8 bytes a value, and one entry for each
 * invocation under way.
 */
import type { AnomalyLedger } from './anomaly.ts'
import { ChunkedNumbers } from './chunked-array.ts'
import { HistoryFormatError } from './history-event.ts'
import type { PartitionLedger } from './partition-ledger.ts'

/** Offset + 1; 0 = unknown. */
const UNKNOWN = 0

const OK = 1
const FAIL = 2
const INFO = 4
const READ = 8
const INVOKED = 16

/** Counts of a writer. */
export interface WriterCounts {
  readonly invoked: number
  readonly ok: number
  readonly failed: number
  readonly unknown: number
  /** Unknown ones that were read all the same. */
  readonly unknownRead: number
}

interface Invocation {
  readonly end: number
  readonly atMs: number
  /** Highest offset that somebody knew when it was invoked. */
  readonly floor: number
}

/** See the file's header. */
export class WriterLedger {
  readonly producer: number
  readonly #partition: PartitionLedger
  readonly #anomalies: AnomalyLedger
  readonly #states = new ChunkedNumbers(0)
  readonly #offsets = new ChunkedNumbers(UNKNOWN)
  /** By ascending end; those before `#head` are settled. */
  #invocations: Invocation[] = []
  #head = 0
  #invokedEnd = 0

  constructor(producer: number, partition: PartitionLedger, anomalies: AnomalyLedger) {
    this.producer = producer
    this.#partition = partition
    this.#anomalies = anomalies
  }

  invoke(first: number, count: number, atMs: number): void {
    if (first !== this.#invokedEnd) {
      throw new HistoryFormatError(`${this.#name(first)} was invoked, and ${this.#invokedEnd} comes next`)
    }
    this.#invokedEnd = first + count
    for (let sequence = first; sequence < this.#invokedEnd; sequence++) this.#mark(sequence, INVOKED)
    this.#invocations.push({ end: this.#invokedEnd, atMs, floor: this.#partition.highest })
  }

  /** Acknowledged by all; offset -1 = not told. */
  ok(sequence: number, offset: number, leader: number): void {
    this.#mark(sequence, OK)
    if (offset < 0) return
    const invocation = this.#invocationOf(sequence)
    if (invocation !== null && offset <= invocation.floor) {
      this.#anomalies.add(
        'realtime-order',
        () =>
          `${this.#name(sequence)} is at offset ${offset}, and offset ${invocation.floor} was known before it was sent`,
      )
    }
    if (offset === 0 && invocation !== null && this.#partition.firstLaterOkMs < invocation.atMs) {
      this.#anomalies.add('zero-offset', () => `${this.#name(sequence)} was acknowledged at offset 0`)
    }
    this.#locate(sequence, offset, leader, 'acknowledgement')
  }

  fail(sequence: number): void {
    this.#mark(sequence, FAIL)
  }

  /** The outcome is unknown, or promises nothing. */
  info(sequence: number): void {
    this.#mark(sequence, INFO)
  }

  read(sequence: number, offset: number, leader: number, by: string): void {
    this.#mark(sequence, READ)
    this.#locate(sequence, offset, leader, by)
  }

  /** Forgets invocations up to this sequence (exclusive): their outcomes are in. */
  settled(end: number): void {
    while (this.#head < this.#invocations.length && this.#invocations[this.#head]!.end <= end) this.#head++
    if (this.#head > 1024 && this.#head * 2 > this.#invocations.length) {
      this.#invocations = this.#invocations.slice(this.#head)
      this.#head = 0
    }
  }

  /** Checks every value. */
  finish(): WriterCounts {
    const counts = { invoked: this.#invokedEnd, ok: 0, failed: 0, unknown: 0, unknownRead: 0 }
    let previous = -1
    for (let sequence = 0; sequence < this.#states.length; sequence++) {
      const state = this.#states.get(sequence)
      const offset = this.#offsets.get(sequence) - 1
      if (state & OK) counts.ok++
      else if (state & FAIL) counts.failed++
      else if (state & INVOKED) counts.unknown++
      this.#checkState(sequence, state, offset)
      if (!(state & (OK | FAIL)) && state & READ) counts.unknownRead++
      if (offset < 0) continue
      this.#checkOrder(sequence, offset, previous)
      previous = Math.max(previous, offset)
    }
    return counts
  }

  #checkState(sequence: number, state: number, offset: number): void {
    const isRead = (state & READ) !== 0
    if (isRead && !(state & INVOKED)) {
      this.#anomalies.add('invented-read', () => `${this.#name(sequence)} was read at offset ${offset}, and never sent`)
    }
    if (isRead && state & FAIL) {
      this.#anomalies.add('aborted-read', () => `${this.#name(sequence)} was refused, and read at offset ${offset}`)
    }
    if (state & OK && !isRead) {
      const isLost = offset >= 0 && offset < this.#partition.highestRead
      this.#anomalies.add(
        isLost ? 'lost-write' : 'unseen',
        () => `${this.#name(sequence)} was acknowledged at offset ${offset}, and read by nobody`,
      )
    }
  }

  #checkOrder(sequence: number, offset: number, previous: number): void {
    if (offset <= previous) {
      this.#anomalies.add(
        'nonmonotonic-send',
        () => `${this.#name(sequence)} is at offset ${offset}, and an earlier one at ${previous}`,
      )
    } else if (previous >= 0 && this.#partition.valueBetween(previous, offset) !== null) {
      this.#anomalies.add(
        'send-skip',
        () => `${this.#name(sequence)} is at offset ${offset}, the one before at ${previous}`,
      )
    }
  }

  #mark(sequence: number, state: number): void {
    this.#states.set(sequence, this.#states.get(sequence) | state)
  }

  #locate(sequence: number, offset: number, leader: number, source: string): void {
    const known = this.#offsets.get(sequence)
    if (known === UNKNOWN) this.#offsets.set(sequence, offset + 1)
    else if (known !== offset + 1) {
      this.#anomalies.add(
        'duplicate',
        () => `${this.#name(sequence)} is at offset ${known - 1}, and by ${source} at offset ${offset}`,
      )
    }
    this.#partition.note(offset, this.producer, sequence, leader, source)
  }

  /** The invocation under way that the value belongs to; null when there is none. */
  #invocationOf(sequence: number): Invocation | null {
    let low = this.#head
    let high = this.#invocations.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#invocations[middle]!.end <= sequence) low = middle + 1
      else high = middle
    }
    return this.#invocations[low] ?? null
  }

  #name(sequence: number): string {
    return `value ${this.producer}/${sequence} of partition ${this.#partition.partition}`
  }
}
