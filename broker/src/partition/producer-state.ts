/**
 * What a partition knows of its idempotent producers: enough to tell a new batch from one that was written before.
 *
 * Pure: no clock, no I/O; it follows the log, so that replaying the log's headers gives the same state. For each
 * producer id it knows the epoch and the last five batches, as producers keep at most five in flight. It knows them for
 * every end that the log may be cut back to: what is not durable is kept beside the five that come before it, so that a
 * snapshot as of the durable end is exact.
 *
 * Invariant: batches of a producer are ascending in offset and, within an epoch, consecutive in sequence.
 * Invariant: of the durable batches no more than {@link BATCH_COUNT_MAX} are kept once another one comes.
 * Invariant: `endOffset` only grows, but for {@link ProducerState.truncateTo} and {@link ProducerState.resetTo}.
 * Source: Kafka ProducerStateManager, ProducerAppendInfo, ProducerStateEntry.
 */
import { invariant } from '@stratalog/proto'

/** Batches remembered per producer: the most that a producer has in flight. */
export const BATCH_COUNT_MAX = 5

/** Sequences are int32 >= 0 and go from 2^31-1 to 0. */
const SEQUENCE_MODULUS = 2 ** 31

/** What tells one batch of an idempotent producer from another. */
export interface ProducerBatch {
  readonly producerId: number
  readonly producerEpoch: number
  /** Sequence of the first record. */
  readonly baseSequence: number
  /** Records in the batch, >= 1. */
  readonly recordCount: number
}

/** A batch that is in the log. */
export interface WrittenBatch {
  readonly producerEpoch: number
  readonly firstSequence: number
  /** Inclusive. */
  readonly lastSequence: number
  readonly baseOffset: number
  /** Inclusive. */
  readonly lastOffset: number
  readonly leaderEpoch: number
  /** The broker's time stamped on it, ms, or -1. */
  readonly logAppendTimeMs: number
}

/** One producer; `batches` oldest first, at least one. */
export interface ProducerEntry {
  readonly producerId: number
  producerEpoch: number
  /** When it last wrote, ms by the broker's clock. */
  lastSeenMs: number
  readonly batches: WrittenBatch[]
}

/** Where in the log a batch lies. */
export interface BatchPlace {
  readonly baseOffset: number
  /** Inclusive. */
  readonly lastOffset: number
  readonly leaderEpoch: number
  readonly logAppendTimeMs: number
}

/** Whether a batch may be appended. */
export type SequenceCheck =
  | { readonly kind: 'new' }
  /** Written before, as `batch`; perhaps not committed yet. */
  | { readonly kind: 'duplicate'; readonly batch: WrittenBatch }
  | {
      readonly kind: 'refused'
      readonly code: 'INVALID_PRODUCER_EPOCH' | 'OUT_OF_ORDER_SEQUENCE_NUMBER' | 'DUPLICATE_SEQUENCE_NUMBER'
      readonly message: string
    }

const NEW_BATCH: SequenceCheck = { kind: 'new' }

/** See the file's header. Owner: the partition. */
export class ProducerState {
  /** In the order of last use, so that the first is the one to forget. */
  readonly #producers = new Map<number, ProducerEntry>()
  readonly #producerCountMax: number
  #endOffset: number
  #durableEnd: number

  /** @param producerCountMax producers to remember; beyond it the one that has been silent longest is forgotten. */
  constructor(producerCountMax: number, endOffset = 0) {
    this.#producerCountMax = producerCountMax
    this.#endOffset = endOffset
    this.#durableEnd = endOffset
  }

  /** Exclusive end of the log that this state has seen. */
  get endOffset(): number {
    return this.#endOffset
  }

  /** Producers that are remembered. */
  get producerCount(): number {
    return this.#producers.size
  }

  /** The producers, longest silent first. */
  entries(): Iterable<ProducerEntry> {
    return this.#producers.values()
  }

  /**
   * Whether the batch is the next one of its producer. Changes nothing.
   *
   * A producer that is not known may begin with any sequence: its batches may have been removed by retention.
   */
  check(batch: ProducerBatch): SequenceCheck {
    const entry = this.#producers.get(batch.producerId)
    if (entry === undefined) return NEW_BATCH
    if (batch.producerEpoch < entry.producerEpoch) {
      return refused(
        'INVALID_PRODUCER_EPOCH',
        `producer ${batch.producerId} has epoch ${entry.producerEpoch} by now, the batch has ${batch.producerEpoch}`,
      )
    }
    if (batch.producerEpoch > entry.producerEpoch) {
      if (batch.baseSequence === 0) return NEW_BATCH
      return outOfOrder(batch, 'a new epoch begins with sequence 0')
    }
    const last = entry.batches.at(-1)!
    if (batch.baseSequence === addSequence(last.lastSequence, 1)) return NEW_BATCH
    return checkWritten(entry, batch, last)
  }

  /** Notes that the log ends with this batch now. The batch was checked, or was read from the log. */
  append(batch: ProducerBatch, place: BatchPlace, nowMs: number): void {
    this.advanceTo(place.lastOffset + 1)
    const written: WrittenBatch = {
      producerEpoch: batch.producerEpoch,
      firstSequence: batch.baseSequence,
      lastSequence: addSequence(batch.baseSequence, batch.recordCount - 1),
      baseOffset: place.baseOffset,
      lastOffset: place.lastOffset,
      leaderEpoch: place.leaderEpoch,
      logAppendTimeMs: place.logAppendTimeMs,
    }
    const entry = this.#producers.get(batch.producerId)
    if (entry === undefined) {
      const { producerId, producerEpoch } = batch
      this.#insert({ producerId, producerEpoch, lastSeenMs: nowMs, batches: [written] })
      return
    }
    entry.producerEpoch = batch.producerEpoch
    entry.batches.push(written)
    while (this.#isOutlived(entry.batches)) entry.batches.shift()
    entry.lastSeenMs = nowMs
    if (this.#producers.size === 1) return
    this.#producers.delete(batch.producerId)
    this.#producers.set(batch.producerId, entry)
  }

  /** Notes that the log ends here now, after a batch that is no concern of producers. */
  advanceTo(endOffset: number): void {
    invariant(endOffset > this.#endOffset, () => `producer state at ${this.#endOffset} is advanced to ${endOffset}`)
    this.#endOffset = endOffset
  }

  /** The log is durable up to here (exclusive): it will not be found shorter. */
  noteDurable(endOffset: number): void {
    this.#durableEnd = Math.max(this.#durableEnd, endOffset)
  }

  /** Forgets what was written at or beyond `endOffset`: the log was cut there. Exact at the durable end or above. */
  truncateTo(endOffset: number): void {
    if (endOffset >= this.#endOffset) return
    this.#endOffset = endOffset
    this.#durableEnd = Math.min(this.#durableEnd, endOffset)
    for (const entry of this.#producers.values()) {
      while (entry.batches.length > 0 && entry.batches.at(-1)!.lastOffset >= endOffset) entry.batches.pop()
      const last = entry.batches.at(-1)
      if (last === undefined) this.#producers.delete(entry.producerId)
      else entry.producerEpoch = last.producerEpoch
    }
  }

  /** Takes the place of this state: what was known is forgotten. `other` must not be used any more. */
  become(other: ProducerState): void {
    this.#producers.clear()
    for (const [producerId, entry] of other.#producers) this.#producers.set(producerId, entry)
    this.#endOffset = other.#endOffset
    this.#durableEnd = other.#durableEnd
  }

  /** Forgets everything: the log begins anew at `startOffset`. */
  resetTo(startOffset: number): void {
    this.#producers.clear()
    this.#endOffset = startOffset
    this.#durableEnd = startOffset
  }

  /** Forgets producers that have been silent since before `beforeMs`. @returns how many. */
  expire(beforeMs: number): number {
    let count = 0
    for (const entry of this.#producers.values()) {
      // Entries are in the order of use, so the first that is young enough ends the search.
      if (entry.lastSeenMs >= beforeMs) break
      this.#producers.delete(entry.producerId)
      count++
    }
    return count
  }

  /** Takes over an entry of a snapshot; entries come in the order of {@link entries}. */
  restore(entry: ProducerEntry): void {
    invariant(entry.batches.length >= 1, 'a producer without batches is not remembered')
    this.#insert(entry)
  }

  /** Throws InvariantError when the state contradicts itself. For tests and simulation: O(n). */
  checkInvariants(): void {
    invariant(this.#producers.size <= this.#producerCountMax, 'too many producers')
    for (const { batches } of this.#producers.values()) {
      invariant(batches.length >= 1, 'a producer without batches')
      invariant(batches.at(-1)!.lastOffset < this.#endOffset, 'a batch lies beyond the end')
      for (let i = 1; i < batches.length; i++) {
        invariant(batches[i]!.baseOffset > batches[i - 1]!.lastOffset, 'offsets ascend')
        if (batches[i]!.producerEpoch !== batches[i - 1]!.producerEpoch) continue
        invariant(
          batches[i]!.firstSequence === addSequence(batches[i - 1]!.lastSequence, 1),
          'sequences are consecutive',
        )
      }
    }
  }

  /** Whether nothing that the log may be cut back to needs the oldest batch any more. */
  #isOutlived(batches: readonly WrittenBatch[]): boolean {
    const [oldest, next] = batches
    const sixth = batches[BATCH_COUNT_MAX]
    if (sixth !== undefined && sixth.lastOffset < this.#durableEnd) return true
    return next !== undefined && next.producerEpoch !== oldest!.producerEpoch && next.lastOffset < this.#durableEnd
  }

  #insert(entry: ProducerEntry): void {
    this.#producers.set(entry.producerId, entry)
    if (this.#producers.size <= this.#producerCountMax) return
    const [oldest] = this.#producers.keys()
    this.#producers.delete(oldest!)
  }
}

/** The sequence `count` records after `sequence`; wraps from 2^31-1 to 0. Source: Kafka DefaultRecordBatch.incrementSequence. */
export function addSequence(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCE_MODULUS
}

/** A batch of the entry's epoch that does not follow its last one: written before, or after a gap. */
function checkWritten(entry: ProducerEntry, batch: ProducerBatch, last: WrittenBatch): SequenceCheck {
  const lastSequence = addSequence(batch.baseSequence, batch.recordCount - 1)
  const remembered = lastOfEpoch(entry.batches)
  for (const written of remembered) {
    if (written.firstSequence === batch.baseSequence && written.lastSequence === lastSequence) {
      return { kind: 'duplicate', batch: written }
    }
  }
  const oldest = remembered[0]!
  if (remembered.length === BATCH_COUNT_MAX && isBefore(lastSequence, oldest.firstSequence)) {
    return refused(
      'DUPLICATE_SEQUENCE_NUMBER',
      `producer ${batch.producerId} wrote sequences ${batch.baseSequence}..${lastSequence} before, too long ago to tell where`,
    )
  }
  return outOfOrder(batch, `the next sequence is ${addSequence(last.lastSequence, 1)}`)
}

/** The last batches of the newest epoch, at most {@link BATCH_COUNT_MAX}: those that a producer may ask for. */
export function lastOfEpoch(batches: readonly WrittenBatch[]): readonly WrittenBatch[] {
  const epoch = batches.at(-1)?.producerEpoch
  return batches.slice(-BATCH_COUNT_MAX).filter(({ producerEpoch }) => producerEpoch === epoch)
}

/** Whether `a` was used before `b`, taking the shorter way round the circle of sequences. */
function isBefore(a: number, b: number): boolean {
  const distance = (b - a + SEQUENCE_MODULUS) % SEQUENCE_MODULUS
  return distance > 0 && distance < SEQUENCE_MODULUS / 2
}

function outOfOrder(batch: ProducerBatch, why: string): SequenceCheck {
  const { producerId, producerEpoch, baseSequence } = batch
  const text = `producer ${producerId} epoch ${producerEpoch} sent sequence ${baseSequence}; ${why}`
  return refused('OUT_OF_ORDER_SEQUENCE_NUMBER', text)
}

function refused(code: (SequenceCheck & { kind: 'refused' })['code'], message: string): SequenceCheck {
  return { kind: 'refused', code, message }
}
