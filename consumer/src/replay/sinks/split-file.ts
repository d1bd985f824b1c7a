/**
 * The file of one split: written under a temporary name, synced, then renamed, so that a file with its final name is
 * complete. Its SHA-256 is taken on the way.
 *
 * Invariant: the final name appears only in `commit`, after the sync.
 * Owner: one split job.
 */
import { createHash, type Hash, randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { invariant } from '@stratalog/proto'
import type { ByteTarget } from './byte-target.ts'
import { type OutputFiles, outputError } from './output-files.ts'

/** Ending of files that are being written. */
export const TEMPORARY_ENDING = '.tmp'
/** Tells threads and processes apart that should not write the same file, and do. */
const OWN_ENDING = `.${randomBytes(6).toString('hex')}${TEMPORARY_ENDING}`

/** A file as it was written. */
export interface WrittenFile {
  /** Relative to the output folder, with `/`. */
  readonly path: string
  readonly bytes: number
  /** Of all bytes, in hexadecimal. */
  readonly sha256: string
}

/** See the file's header. */
export class SplitFile implements ByteTarget {
  readonly #files: OutputFiles
  readonly #path: string
  readonly #relativePath: string
  readonly #hash: Hash = createHash('sha256')
  #fd: number | null
  #bytes = 0

  /** @param relativePath with `/`, in `folder`. Errors: OUTPUT_FAILED. */
  constructor(files: OutputFiles, folder: string, relativePath: string) {
    this.#files = files
    this.#relativePath = relativePath
    this.#path = `${folder}/${relativePath}`
    this.#fd = this.#named(() => {
      files.makeFolder(dirname(this.#path))
      return files.create(this.#temporaryPath)
    })
  }

  get #temporaryPath(): string {
    return this.#path + OWN_ENDING
  }

  /** Errors: OUTPUT_FAILED. */
  write(bytes: Uint8Array): void {
    const fd = this.#fd
    invariant(fd !== null, 'a closed file is not written to')
    this.#named(() => this.#files.write(fd, bytes))
    this.#hash.update(bytes)
    this.#bytes += bytes.length
  }

  /** Syncs and gives the file its name; it and its bytes are durable then. Errors: OUTPUT_FAILED. */
  commit(): WrittenFile {
    const fd = this.#fd
    invariant(fd !== null, 'a file is committed once')
    this.#named(() => this.#files.sync(fd))
    this.#close()
    this.#named(() => this.#files.rename(this.#temporaryPath, this.#path, dirname(this.#path)))
    return { path: this.#relativePath, bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  /** Leaves nothing behind. Does not throw: it is called while another error is on its way. */
  discard(): void {
    try {
      this.#close()
      this.#files.remove(this.#temporaryPath)
    } catch {
      // What is left is removed by whoever resumes.
    }
  }

  #close(): void {
    const fd = this.#fd
    this.#fd = null
    if (fd !== null) this.#named(() => this.#files.close(fd))
  }

  #named<T>(step: () => T): T {
    try {
      return step()
    } catch (error) {
      throw outputError(this.#path, error)
    }
  }
}
