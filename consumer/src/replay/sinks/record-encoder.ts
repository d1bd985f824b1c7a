/** The port between the engine and a format: one encoder writes one file, or one stream. */
import type { LogRecord } from '@stratalog/proto/records'

/** Turns records of one split into bytes. Owner: one split job. */
export interface RecordEncoder {
  /**
   * Takes a record; its bytes may be gone afterwards, unless `keepsRecords`.
   *
   * @returns null, or why the record does not fit; then nothing of it was taken.
   */
  append(record: LogRecord): string | null
  /** Writes what is gathered and whatever ends the file. Call once, after the last record. */
  finish(): void
}
