/**
 * A sink that copies records into another topic: with the same partitioning or by key over another number of partitions,
 * keys, values, headers and timestamps kept.
 *
 * Invariant: records reach each partition of the destination in one order that follows from the manifest alone. So what a
 * run that ended early left there is a beginning of that order, and a resume leaves out the records that it finds there,
 * each compared: every record is in the destination once.
 * That holds while nobody else writes to the destination and nothing is deleted or compacted there; what breaks it is an
 * error. Within a run the producer, which must be idempotent, keeps retries from writing twice.
 */
import { delay } from '@stratalog/client'
import { partitionForKey, StratalogError } from '@stratalog/proto'
import { crc32c, type LogRecord } from '@stratalog/proto/records'
import { type ReplaySplit, splitId } from '../manifest.ts'
import { readSplit } from '../read-split.ts'
import type { ReplaySource, SourceBounds } from '../source.ts'
import type { RecordSink, RecordSinkContext } from './sink.ts'

/** A record as the producer takes it. */
export interface CopiedRecord {
  readonly topic: string
  readonly partition: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[]
  /** ms since 1970; left out where the record has none. */
  readonly timestamp?: number
}

/** What is needed of a producer; `createProducer` of @stratalog/producer gives one. It must be idempotent, with acks of all. */
export interface CopyProducer {
  /** Called when the copy ends. */
  close?(): Promise<void>
  /** Writes records in order and resolves when all are acknowledged. */
  sendBatch(
    records: readonly CopiedRecord[],
  ): Promise<readonly { readonly partition: number; readonly offset: number }[]>
}

/** Options of `topicCopy`. */
export interface TopicCopyOptions {
  readonly producer: CopyProducer
  /** The destination: a topic that exists, and is empty unless a copy is resumed. */
  readonly topic: string
  /** To look at the destination: `clusterSource(client)`. */
  readonly destination: ReplaySource
  /**
   * `same`: each record keeps the number of its partition. `key`: by the key, as producers choose (murmur2); records without a
   * key go to the partition of their old number modulo the count.
   */
  readonly partitioning: 'same' | 'key'
  readonly signal?: AbortSignal | undefined
}

/** What the checkpoint keeps with each split: where each partition of the destination ended behind it. */
interface CopyState {
  readonly ends: Readonly<Record<string, number>>
}

/** Chunks of records that are on their way to the destination at once. */
const IN_FLIGHT_MAX = 4
/** What was on its way when an earlier run was killed must have arrived before it is looked at. */
const SETTLE_INTERVAL_MS = 500

/**
 * The sink. Errors: OUTPUT_EXISTS when the destination is not empty at the beginning, INVALID_PARTITIONS when it has too few;
 * CHECKPOINT_MISMATCH when it holds something else than this copy wrote; those of the producer.
 */
export function topicCopy(options: TopicCopyOptions): RecordSink {
  return new TopicCopy(options)
}

/** See the file's header. */
class TopicCopy implements RecordSink {
  readonly kind = 'records'
  readonly name: string
  readonly #options: TopicCopyOptions
  readonly #inFlight: Promise<void>[] = []
  /** Next offset of each partition behind what is acknowledged. */
  readonly #ends = new Map<number, number>()
  /** Of the records that each partition holds already and that are to come again, in order. */
  readonly #present = new Map<number, PresentRecords>()
  #partitionCount = 0

  constructor(options: TopicCopyOptions) {
    this.#options = options
    this.name = `topic ${options.topic} by ${options.partitioning}`
  }

  async open({ manifest, doneSplits, isResumed }: RecordSinkContext): Promise<void> {
    const { topic, destination, partitioning, signal } = this.#options
    const { partitions, topicId } = await destination.topic(topic, { signal })
    this.#partitionCount = partitions.length
    const highest = Math.max(-1, ...manifest.topics.flatMap((each) => each.partitions.map((own) => own.partition)))
    if (partitioning === 'same' && highest >= this.#partitionCount) {
      const message = `${topic} has ${this.#partitionCount} partitions; the source has a partition ${highest}`
      throw new StratalogError('INVALID_PARTITIONS', message, { topic })
    }
    const bounds = await this.#settledBounds(partitions)
    const state = doneSplits.at(-1)?.sinkState as CopyState | undefined
    for (const [index, partition] of partitions.entries()) {
      const { logStartOffset, visibleEnd: endOffset } = bounds[index]!
      const startOffset = state?.ends[partition] ?? logStartOffset
      this.#ends.set(partition, startOffset)
      const range = {
        id: splitId(topic, partition, startOffset, endOffset),
        topic,
        topicId,
        partition,
        startOffset,
        endOffset,
      }
      const present = new PresentRecords()
      if (endOffset > startOffset) await this.#look({ ...range, bytes: 0, leaderEpoch: null, hosts: [] }, present)
      if (present.count > 0 && !isResumed) throw notEmpty(topic, partition)
      this.#present.set(partition, present)
    }
  }

  async records(records: Iterable<LogRecord>, split: ReplaySplit): Promise<void> {
    const batch: CopiedRecord[] = []
    for (const record of records) {
      const partition = this.#partitionOf(record, split.partition)
      const present = this.#present.get(partition)
      if (present === undefined || present.count === 0) batch.push(this.#copyOf(record, partition))
      else if (!present.take(record)) throw foreign(this.#options.topic, partition, split, record)
    }
    if (batch.length === 0) return
    if (this.#inFlight.length >= IN_FLIGHT_MAX) await this.#inFlight.shift()
    const sending = this.#send(batch)
    // Looked at when its turn comes; until then a failure must not count as unhandled.
    sending.catch(() => {})
    this.#inFlight.push(sending)
  }

  async splitDone(): Promise<CopyState> {
    for (const sending of this.#inFlight.splice(0)) await sending
    return { ends: Object.fromEntries(this.#ends) }
  }

  async close(): Promise<void> {
    await this.#options.producer.close?.()
  }

  async #send(batch: readonly CopiedRecord[]): Promise<void> {
    for (const { partition, offset } of await this.#options.producer.sendBatch(batch)) {
      this.#ends.set(partition, Math.max(this.#ends.get(partition) ?? 0, offset + 1))
    }
  }

  #copyOf({ key, value, headers, timestamp }: LogRecord, partition: number): CopiedRecord {
    const time = timestamp < 0 ? {} : { timestamp }
    return { topic: this.#options.topic, partition, key, value, headers, ...time }
  }

  #partitionOf({ key }: LogRecord, sourcePartition: number): number {
    if (this.#options.partitioning === 'same') return sourcePartition
    return key === null ? sourcePartition % this.#partitionCount : partitionForKey(key, this.#partitionCount)
  }

  /** Ends that did not move between two looks. */
  async #settledBounds(partitions: readonly number[]): Promise<SourceBounds[]> {
    const { topic, destination, signal } = this.#options
    const places = partitions.map((partition) => ({ topic, partition }))
    let before = await destination.bounds(places, { signal })
    if (before.every(({ visibleEnd }) => visibleEnd === 0)) return before
    for (;;) {
      await delay(SETTLE_INTERVAL_MS, signal)
      const now = await destination.bounds(places, { signal })
      if (now.every(({ visibleEnd }, index) => visibleEnd === before[index]!.visibleEnd)) return now
      before = now
    }
  }

  async #look(split: ReplaySplit, present: PresentRecords): Promise<void> {
    const { destination, signal } = this.#options
    for await (const batch of readSplit(destination, split, { signal })) {
      batch.forEach((record) => {
        present.add(record)
      })
      this.#ends.set(split.partition, batch.lastOffset + 1)
    }
  }
}

/** Fingerprints of records in the destination, in order: 4 bytes each, of at most the splits that were under way. */
class PresentRecords {
  readonly #fingerprints: number[] = []
  #next = 0

  /** Records left. */
  get count(): number {
    return this.#fingerprints.length - this.#next
  }

  add(record: LogRecord): void {
    this.#fingerprints.push(fingerprintOf(record))
  }

  /** Takes the next one. @returns whether it is this record. */
  take(record: LogRecord): boolean {
    return this.#fingerprints[this.#next++] === fingerprintOf(record)
  }
}

function fingerprintOf({ key, value, timestamp }: LogRecord): number {
  const ofKey = key === null ? 1 : crc32c(key)
  const ofValue = value === null ? 2 : crc32c(value)
  return (Math.imul(ofKey, 31) ^ Math.imul(ofValue, 17) ^ (timestamp % 2 ** 31)) | 0
}

function notEmpty(topic: string, partition: number): StratalogError {
  return new StratalogError('OUTPUT_EXISTS', `${topic}-${partition} holds records already`, {
    topic,
    partition,
    hint: 'Copy into a topic that is empty, or resume the copy that began there.',
  })
}

function foreign(topic: string, partition: number, split: ReplaySplit, { offset }: LogRecord): StratalogError {
  const message = `${topic}-${partition} holds something else where ${split.topic}-${split.partition} at ${offset} was to be`
  return new StratalogError('CHECKPOINT_MISMATCH', message, {
    topic,
    partition,
    hint: 'Somebody else wrote to the destination, or it lost records. Delete it and copy anew.',
  })
}
