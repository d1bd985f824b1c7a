/**
 * What becomes of the records of one split: a file, chunks for the main thread, or a module of the application's.
 *
 * Invariant: nothing of a split is visible to others before `finish` has returned, except in chunks.
 * Owner: one split job; exactly one of `finish` and `discard` is called.
 */
import { invariant } from '@stratalog/proto'
import type { LogRecord } from '@stratalog/proto/records'
import type { ReplaySplit } from '../manifest.ts'
import type { ReplayBatch } from '../replay-batch.ts'
import type { ByteTarget } from '../sinks/byte-target.ts'
import { type EncoderFactory, endingOf, type FileForm, textCompressionOf } from '../sinks/file-format.ts'
import { rejectFilePath, splitFilePath } from '../sinks/file-names.ts'
import type { OutputFiles } from '../sinks/output-files.ts'
import type { RecordEncoder } from '../sinks/record-encoder.ts'
import { RejectFile } from '../sinks/reject-file.ts'
import { SplitFile, type WrittenFile } from '../sinks/split-file.ts'
import { StreamCompressor } from '../sinks/stream-compressor.ts'

/** What a finished split left. */
export interface FinishedOutput {
  readonly file: WrittenFile | null
  readonly rejects: WrittenFile | null
}

/** See the file's header. */
export interface SplitOutput {
  /** Records taken; null = as many as were handed out. */
  readonly recordCount: number | null
  /** Records that did not fit. */
  readonly rejectedCount: number
  /** Takes the records of a batch. A promise where more must not be given yet. Errors: OUTPUT_FAILED. */
  take(batch: ReplayBatch): Promise<void> | null
  finish(): Promise<FinishedOutput>
  /** Leaves nothing. Does not throw. */
  discard(): void
}

/** A file in the output folder, and one of what did not fit. */
export class FileOutput implements SplitOutput {
  readonly #file: SplitFile
  readonly #rejects: RejectFile
  readonly #compressor: StreamCompressor | null
  readonly #encoder: RecordEncoder
  recordCount = 0
  rejectedCount = 0
  readonly #visit = (record: LogRecord): void => {
    const reason = this.#encoder.append(record)
    if (reason === null) this.recordCount++
    else {
      this.#rejects.add(record, reason)
      this.rejectedCount++
    }
  }

  constructor(files: OutputFiles, folder: string, form: FileForm, makeEncoder: EncoderFactory, split: ReplaySplit) {
    this.#file = new SplitFile(files, folder, splitFilePath(split, endingOf(form)))
    this.#rejects = new RejectFile(files, folder, rejectFilePath(split), split)
    const compression = textCompressionOf(form)
    this.#compressor = compression === null ? null : new StreamCompressor(this.#file, compression)
    this.#encoder = makeEncoder(this.#compressor ?? this.#file, split, true)
  }

  take(batch: ReplayBatch): Promise<void> | null {
    batch.forEach(this.#visit)
    return this.#compressor === null ? null : this.#compressor.room()
  }

  async finish(): Promise<FinishedOutput> {
    const rejects = this.#rejects.commit()
    if (this.recordCount === 0) {
      this.#compressor?.destroy()
      this.#file.discard()
      return { file: null, rejects }
    }
    this.#encoder.finish()
    await this.#compressor?.end()
    return { file: this.#file.commit(), rejects }
  }

  discard(): void {
    this.#compressor?.destroy()
    this.#file.discard()
    this.#rejects.discard()
  }
}

/** Encoded chunks for the main thread, under credit. What does not fit the schema ends the replay: there is no side file. */
export class ChunkOutput implements SplitOutput {
  readonly #credit: ChunkCredit
  readonly #encoder: RecordEncoder
  readonly #onUnfit: (record: LogRecord, reason: string) => never
  recordCount = 0
  readonly rejectedCount = 0
  readonly #visit = (record: LogRecord): void => {
    const reason = this.#encoder.append(record)
    if (reason !== null) this.#onUnfit(record, reason)
    this.recordCount++
  }

  constructor(
    credit: ChunkCredit,
    makeEncoder: (target: ByteTarget) => RecordEncoder,
    onUnfit: (record: LogRecord, reason: string) => never,
  ) {
    this.#credit = credit
    this.#encoder = makeEncoder(credit)
    this.#onUnfit = onUnfit
  }

  take(batch: ReplayBatch): Promise<void> | null {
    batch.forEach(this.#visit)
    return this.#credit.room()
  }

  async finish(): Promise<FinishedOutput> {
    this.#encoder.finish()
    await this.#credit.room()
    return { file: null, rejects: null }
  }

  discard(): void {}
}

/** What a module of the application's gives for a split. */
export interface SplitHandler {
  /** Takes a batch; the next one comes when the promise is resolved. */
  batch(batch: ReplayBatch): void | Promise<void>
  /** The split is read to its end: make it durable. It counts as done when the promise is resolved. */
  close(): void | Promise<void>
  /** The split failed or was stopped, and begins anew some time. */
  discard?(): void
}

/** The application's module, in the worker. */
export class ModuleOutput implements SplitOutput {
  readonly #handler: SplitHandler
  readonly recordCount = null
  readonly rejectedCount = 0

  constructor(handler: SplitHandler) {
    this.#handler = handler
  }

  async take(batch: ReplayBatch): Promise<void> {
    await this.#handler.batch(batch)
  }

  async finish(): Promise<FinishedOutput> {
    await this.#handler.close()
    return { file: null, rejects: null }
  }

  discard(): void {
    this.#handler.discard?.()
  }
}

/** Chunks that the main thread has not taken yet, up to a bound. Owner: one worker. */
export class ChunkCredit implements ByteTarget {
  readonly #bytesMax: number
  readonly #send: (bytes: Uint8Array<ArrayBuffer>) => void
  #outstandingBytes = 0
  #isReleased = false
  #waiter: (() => void) | null = null

  constructor(bytesMax: number, send: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#bytesMax = bytesMax
    this.#send = send
  }

  /** Sends a copy, which then belongs to the receiver. */
  write(bytes: Uint8Array): void {
    this.#outstandingBytes += bytes.length
    this.#send(new Uint8Array(bytes))
  }

  /** null = go on; otherwise resolves when enough was taken. */
  room(): Promise<void> | null {
    if (this.#outstandingBytes <= this.#bytesMax || this.#isReleased) return null
    invariant(this.#waiter === null, 'one split at a time waits for room')
    return new Promise((resolve) => {
      this.#waiter = resolve
    })
  }

  /** Nobody takes chunks any more: who waits goes on, to its end. */
  release(): void {
    this.#isReleased = true
    this.#waiter?.()
    this.#waiter = null
  }

  /** So many bytes were taken. */
  give(bytes: number): void {
    this.#outstandingBytes -= bytes
    invariant(this.#outstandingBytes >= 0, 'no more is taken than was sent')
    if (this.#outstandingBytes > this.#bytesMax) return
    this.#waiter?.()
    this.#waiter = null
  }
}
