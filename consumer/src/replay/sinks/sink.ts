/** What can become of the records of a replay, as applications say it. */
import type { LogRecord } from '@stratalog/proto/records'
import type { ReplayManifest, ReplaySplit } from '../manifest.ts'
import type { Column, ColumnsMode } from './columns.ts'
import type { FileCompression, FileFormat } from './file-format.ts'

/** How records become text or files. */
export interface FormOptions {
  readonly format: FileFormat
  /** Default: zstd for Parquet, none for the others. */
  readonly compression?: FileCompression | undefined
  /**
   * What the columns are. `auto` (the default) looks at some records: `json` when all their values are JSON objects, `text` when
   * they are UTF-8, otherwise `raw`; NDJSON is `text`.
   */
  readonly columns?: ColumnsMode | 'auto' | undefined
  /** With columns of the kind `json`: the fields, in order. Default: those of some records of each split. */
  readonly fields?: readonly Column[] | undefined
  /** With columns of the kind `json`: whether `_partition`, `_offset`, `_timestamp`, `_key` and `_headers` come first. Default true. */
  readonly place?: boolean | undefined
}

/** One file a split: `<dir>/topic=T/part=P/<start>-<end>.<ending>`, with checkpoint, summary and `_SUCCESS`. */
export interface FileSink extends FormOptions {
  readonly kind: 'files'
  /** A folder that is empty or does not exist, or, with `resume`, one where the same replay was begun. */
  readonly dir: string
}

/** Text, in order within each partition, to whoever writes it out. NDJSON or CSV. */
export interface TextSink extends FormOptions {
  readonly kind: 'text'
  /** Takes some bytes; more come when the promise is resolved. */
  write(bytes: Buffer): void | Promise<void>
}

/**
 * Records, in the application's thread: decompressed and filtered in the workers, in order within each partition, one
 * split after another in the same order in every run.
 */
export interface RecordSink {
  readonly kind: 'records'
  /** Names the sink in the checkpoint, so that no other resumes it. Default `records`. */
  readonly name?: string | undefined
  /** Before the first record. `doneSplits`: those of an earlier run, with what `splitDone` gave for each. */
  open?(context: RecordSinkContext): void | Promise<void>
  /** Takes records that follow one another in a split, views on one buffer; more come when the promise is resolved. */
  records(records: Iterable<LogRecord>, split: ReplaySplit): void | Promise<void>
  /** All of a split was taken. What it gives (plain JSON) is stored in the checkpoint once the promise is resolved. */
  splitDone?(split: ReplaySplit): unknown
  /** At the end of a run, however it ends; also when `open` failed or was not called. */
  close?(): void | Promise<void>
}

/** What a record sink is told at the beginning. */
export interface RecordSinkContext {
  readonly manifest: ReplayManifest
  /** Whether an earlier run began, even if it finished no split. */
  readonly isResumed: boolean
  /** In the order in which they were done. */
  readonly doneSplits: readonly { readonly splitId: string; readonly sinkState: unknown }[]
}

/**
 * A module of the application's that takes the records in the worker threads: it exports `openSplit(split, options)`,
 * which gives an object with `batch(batch)`, `close()` and, if wanted, `discard()`.
 */
export interface ModuleSink {
  readonly kind: 'module'
  /** `file:` URL, or what `import()` finds. */
  readonly url: string
  /** Plain data for `openSplit`. */
  readonly options?: unknown
}

/** See the members. */
export type ReplaySink = FileSink | TextSink | RecordSink | ModuleSink
