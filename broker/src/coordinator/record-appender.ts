/**
 * Gets records into the log of a coordinator partition, in order, and says when they are committed.
 *
 * Records that come while several batches are under way gather in the next one: one commit serves many requests. Once one
 * batch has failed nothing more is appended: what was made of it in memory does not stand, and all who wait are told.
 * Bound: what waits is counted by {@link pendingBytes}, which the owner heeds. Owner: the led shard, for one term.
 */
import { StratalogError } from '@stratalog/proto'
import { estimateRecordBytes, RecordBatchBuilder } from '@stratalog/proto/records'
import { deferred } from '../partition/deferred.ts'
import type { CoordinatorLog } from './coordinator-log.ts'
import type { CoordinatorRecord } from './group/group-records.ts'
import { encodeRecord } from './group/record-codec.ts'

/** A batch is closed at this size; a larger record comes alone. */
const BATCH_BYTES_MAX = 1024 * 1024
/** Batches under way before the next one gathers. */
const UNDER_WAY_COUNT_MAX = 4
const INITIAL_BYTES = 4096

/** Records of the next batch, and who waits for it. */
interface OpenBatch {
  readonly builder: RecordBatchBuilder
  readonly commit: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: StratalogError) => void
}

/** What an appender is made of. */
export interface RecordAppenderOptions {
  readonly log: CoordinatorLog
  /** ms since 1970, for the records' timestamps. */
  readonly nowMs: () => number
  /** A batch was refused or its fate is unknown. Called once. */
  readonly onFailed: (error: StratalogError) => void
}

/** See the file's header. */
export class RecordAppender {
  readonly #options: RecordAppenderOptions
  readonly #waiting = new Set<OpenBatch>()
  #open: OpenBatch | null = null
  /** Of the batch that was appended last. */
  #lastCommit: Promise<void> = Promise.resolve()
  #pendingBytes = 0
  #failure: StratalogError | null = null

  constructor(options: RecordAppenderOptions) {
    this.#options = options
  }

  /** Bytes appended and not committed. */
  get pendingBytes(): number {
    return this.#pendingBytes + (this.#open?.builder.sizeBytes ?? 0)
  }

  /**
   * Appends records in order, which may be none.
   *
   * @returns when they and all before them are committed. Rejects when that will not be, or cannot be told.
   */
  append(records: readonly CoordinatorRecord[]): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    for (const record of records) this.#add(record)
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const commit = this.#open?.commit ?? this.#lastCommit
    if (this.#waiting.size < UNDER_WAY_COUNT_MAX) this.#flush()
    return commit
  }

  /** Appends nothing more; whoever waits is told `error`. */
  end(error: StratalogError): void {
    if (this.#failure !== null) return
    this.#failure = error
    for (const { reject } of this.#waiting) reject(error)
    this.#open?.reject(error)
    this.#waiting.clear()
    this.#open = null
    this.#pendingBytes = 0
  }

  #add(record: CoordinatorRecord): void {
    const { key, value } = encodeRecord(record)
    const sizeBytes = estimateRecordBytes(key, value)
    if (this.#open !== null && this.#open.builder.sizeBytes + sizeBytes > BATCH_BYTES_MAX) this.#flush()
    this.#open ??= openBatch()
    this.#open.builder.append({ key, value, timestamp: this.#options.nowMs() })
  }

  #flush(): void {
    const batch = this.#open
    if (batch === null || this.#failure !== null) return
    this.#open = null
    this.#lastCommit = batch.commit
    this.#waiting.add(batch)
    const bytes = batch.builder.buildSync()
    const sizeBytes = bytes.length
    this.#pendingBytes += sizeBytes
    this.#options.log.append(bytes).committed.then(
      () => this.#onCommitted(batch, sizeBytes),
      (error: unknown) => this.#fail(error),
    )
  }

  #onCommitted(batch: OpenBatch, sizeBytes: number): void {
    if (this.#failure !== null) return
    this.#waiting.delete(batch)
    this.#pendingBytes -= sizeBytes
    batch.resolve()
    this.#flush()
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return
    const named =
      error instanceof StratalogError ? error : new StratalogError('STORAGE_ERROR', undefined, { cause: error })
    this.end(named)
    this.#options.onFailed(named)
  }
}

function openBatch(): OpenBatch {
  const { promise, resolve, reject } = deferred<void>()
  // Nobody may be waiting: what time brings is appended as well.
  promise.catch(() => undefined)
  return { builder: new RecordBatchBuilder({ initialBytes: INITIAL_BYTES }), commit: promise, resolve, reject }
}
