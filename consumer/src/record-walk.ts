/**
 * One pass over the records of a batch that the application wants: those inside its range, as ConsumerRecords, without
 * those that `onDeserializationError: 'skip'` leaves out.
 */
import type { StratalogError } from '@stratalog/proto'
import type { RecordReader } from '@stratalog/proto/records'
import type { BatchSection } from './batch-section.ts'
import { ConsumerRecord, corruptRecord, type RecordContext } from './consumer-record.ts'

/** What is told of a record that `onDeserializationError: 'skip'` left out. */
export type SkipListener = (error: StratalogError) => void

/** Which records of the batch are wanted, and how they are read. */
export interface WalkOptions<K, V> {
  readonly context: RecordContext<K, V>
  readonly section: BatchSection
  /** First offset wanted. */
  readonly fromOffset: number
  /** Exclusive end, or null. */
  readonly endOffset: number | null
  /** Position behind the batch: where to seek to go on behind damage. */
  readonly nextOffset: number
  /** Term of the leader that sent the batch. */
  readonly servingEpoch: number
  readonly onSkipped: SkipListener
}

/** See the file's header. */
export class RecordWalk<K, V> {
  readonly #options: WalkOptions<K, V>
  readonly #context: RecordContext<K, V>
  readonly #reader: RecordReader
  readonly #endOffset: number
  #expectedOffset: number

  /** Errors: CORRUPT_MESSAGE. */
  constructor(options: WalkOptions<K, V>) {
    this.#options = options
    this.#context = options.context
    this.#endOffset = options.endOffset ?? Number.POSITIVE_INFINITY
    this.#expectedOffset = options.fromOffset
    try {
      this.#reader = options.section.reader()
    } catch (error) {
      throw this.#corrupt(error)
    }
  }

  /** The next record, or null behind the last one wanted. Errors: CORRUPT_MESSAGE. */
  next(): ConsumerRecord<K, V> | null {
    for (;;) {
      const view = this.#nextView()
      if (view === null || view.offset >= this.#endOffset) return null
      if (view.offset < this.#expectedOffset) continue
      this.#expectedOffset = view.offset + 1
      const record = new ConsumerRecord(this.#context, view)
      if (this.#context.onDeserializationError !== 'skip' || this.#readable(record)) return record
    }
  }

  #nextView(): ReturnType<RecordReader['next']> {
    try {
      return this.#reader.next()
    } catch (error) {
      throw this.#corrupt(error)
    }
  }

  /** Whether key and value can be deserialised; they are kept in the record. */
  #readable(record: ConsumerRecord<K, V>): boolean {
    try {
      void record.key
      void record.value
      return true
    } catch (error) {
      // Only SERIALIZATION_FAILED can come from these getters.
      this.#options.onSkipped(error as StratalogError)
      return false
    }
  }

  #corrupt(error: unknown): StratalogError {
    return corruptRecord(this.#context, this.#expectedOffset, error, this.#options.nextOffset)
  }
}
