/**
 * Records that do not fit the schema, a JSON line each with the reason, beside the output; no file where all fit.
 *
 * Owner: one split job; `commit` or `discard` ends it.
 */
import { isUtf8 } from 'node:buffer'
import type { LogRecord } from '@stratalog/proto/records'
import { ChunkBuffer } from './byte-target.ts'
import type { OutputFiles } from './output-files.ts'
import { SplitFile, type WrittenFile } from './split-file.ts'

/** See the file's header. */
export class RejectFile {
  readonly #files: OutputFiles
  readonly #folder: string
  readonly #path: string
  readonly #place: { readonly topic: string; readonly partition: number }
  #open: { readonly file: SplitFile; readonly out: ChunkBuffer } | null = null

  constructor(
    files: OutputFiles,
    folder: string,
    path: string,
    place: { readonly topic: string; readonly partition: number },
  ) {
    this.#files = files
    this.#folder = folder
    this.#path = path
    this.#place = place
  }

  /** Errors: OUTPUT_FAILED. */
  add(record: LogRecord, reason: string): void {
    if (this.#open === null) {
      const file = new SplitFile(this.#files, this.#folder, this.#path)
      this.#open = { file, out: new ChunkBuffer(file) }
    }
    const { topic, partition } = this.#place
    const { offset, timestamp, key, value, headers } = record
    const line = {
      topic,
      partition,
      offset,
      reason,
      timestamp: timestamp < 0 ? null : timestamp,
      ...bytesField('key', key),
      ...bytesField('value', value),
      ...(headers.length === 0
        ? {}
        : { headers: headers.map((header) => ({ key: header.key, ...bytesField('value', header.value) })) }),
    }
    this.#open.out.appendText(`${JSON.stringify(line)}\n`)
  }

  /** Errors: OUTPUT_FAILED. */
  commit(): WrittenFile | null {
    if (this.#open === null) return null
    this.#open.out.flush()
    return this.#open.file.commit()
  }

  discard(): void {
    this.#open?.file.discard()
  }
}

function bytesField(name: string, bytes: Buffer | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null }
  return isUtf8(bytes) ? { [name]: bytes.toString('utf8') } : { [`${name}Base64`]: bytes.toString('base64') }
}
