/** What the main thread and the workers of a replay tell each other. Everything is structured-cloneable. */
import { type ErrorName, isStratalogError, StratalogError } from '@stratalog/proto'
import type { ReplayGap } from '../gap.ts'
import type { ReplaySplit } from '../manifest.ts'
import type { FileForm } from '../sinks/file-format.ts'
import type { WrittenFile } from '../sinks/split-file.ts'
import type { ReplaySourceSpec } from '../source.ts'
import type { RateLimit } from './rate-limiter.ts'
import type { RecordFilter } from './record-filter.ts'

/** What becomes of the records, as a worker needs to know it. */
export type WorkerOutput =
  /** One file a split in a folder. */
  | { readonly kind: 'files'; readonly folder: string; readonly form: FileForm }
  /** Text for a stream, in chunks. */
  | { readonly kind: 'text'; readonly form: FileForm }
  /** Packed records for the application, in chunks. */
  | { readonly kind: 'records' }
  /** A module of the application's that takes the records in the worker. */
  | { readonly kind: 'module'; readonly url: string; readonly options: unknown }

/** What a worker begins with. */
export interface WorkerSetup {
  readonly source: ReplaySourceSpec
  readonly output: WorkerOutput
  readonly filter: RecordFilter | undefined
  readonly skipCorrupt: boolean
  readonly onDeleted: 'fail' | 'skip'
  readonly prefetchBytes: number
  readonly rateLimit: RateLimit | null
}

/** To a worker. */
export type ToWorker =
  | { readonly type: 'split'; readonly split: ReplaySplit; readonly withHeader: boolean }
  /** So many bytes of chunks were taken. */
  | { readonly type: 'credit'; readonly bytes: number }
  | { readonly type: 'stop' }

/** How far a split is. Counts are of this run of the split. */
export interface SplitCounts {
  /** Records that were written or handed on. */
  readonly recordCount: number
  /** Records that the filter left out. */
  readonly filteredCount: number
  /** Records that did not fit the schema. */
  readonly rejectedCount: number
  /** Offsets without a record. */
  readonly missingCount: number
  /** Bytes of batches read, as stored. */
  readonly readBytes: number
}

/** A split that is done. Plain JSON: it is a line of the checkpoint. */
export interface SplitResult extends SplitCounts {
  readonly splitId: string
  readonly gaps: readonly ReplayGap[]
  /** null = no record was written. */
  readonly file: WrittenFile | null
  /** Records that did not fit, with the reasons. */
  readonly rejects: WrittenFile | null
}

/** From a worker. */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'progress'; readonly splitId: string; readonly counts: SplitCounts; readonly position: number }
  | { readonly type: 'chunk'; readonly splitId: string; readonly bytes: Uint8Array }
  | { readonly type: 'done'; readonly result: SplitResult }
  | { readonly type: 'failed'; readonly splitId: string | null; readonly error: PlainError }

/** An error between threads. */
export interface PlainError {
  /** null = not one of the error table. */
  readonly code: ErrorName | null
  readonly message: string
  readonly hint: string | null
  readonly topic: string | null
  readonly partition: number | null
  readonly metadata: Readonly<Record<string, string>>
  readonly stack: string | null
}

/** An error as it goes over. */
export function toPlainError(error: unknown): PlainError {
  if (isStratalogError(error)) {
    const { code, message, hint, topic, partition, metadata, stack } = error
    return { code, message, hint, topic, partition, metadata, stack: stack ?? null }
  }
  const message = error instanceof Error ? error.message : String(error)
  const stack = error instanceof Error ? (error.stack ?? null) : null
  return { code: null, message, hint: null, topic: null, partition: null, metadata: {}, stack }
}

/** The error on this side. */
export function fromPlainError({ code, message, hint, topic, partition, metadata, stack }: PlainError): Error {
  const error =
    code === null
      ? new Error(message)
      : new StratalogError(code, message, {
          metadata,
          ...(hint === null ? {} : { hint }),
          ...(topic === null ? {} : { topic }),
          ...(partition === null ? {} : { partition }),
        })
  if (stack !== null) error.stack = stack
  return error
}

/** Nothing yet. */
export const NO_COUNTS: SplitCounts = {
  recordCount: 0,
  filteredCount: 0,
  rejectedCount: 0,
  missingCount: 0,
  readBytes: 0,
}
