/**
 * The bytes of index files, loaded when first asked for and evicted by least recent use.
 *
 * An index of a full 1 GiB segment has about 2 MiB; a lookup is a binary search over these bytes. Owner: the
 * OpenFileCache, one per process.
 */
import { dirname } from 'node:path'
import { type FileSystem, fileErrorCode } from '../storage/file-system.ts'

/** A byte-bounded cache of whole files. */
export class IndexCache {
  readonly #fileSystem: FileSystem
  readonly #bytesMax: number
  readonly #files = new Map<string, Buffer>()
  #sizeBytes = 0
  /** Grows with every {@link forget}: what was read before it may be of a file that is no more. */
  #forgetCount = 0

  constructor(fileSystem: FileSystem, bytesMax: number) {
    this.#fileSystem = fileSystem
    this.#bytesMax = bytesMax
  }

  /** Bytes held. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** The file's bytes, or an empty buffer when it is missing. Callers must not change them. */
  async load(path: string): Promise<Buffer> {
    const known = this.#files.get(path)
    if (known !== undefined) {
      this.#files.delete(path)
      this.#files.set(path, known)
      return known
    }
    const forgetCount = this.#forgetCount
    const bytes = await this.#read(path)
    if (forgetCount === this.#forgetCount) this.#put(path, bytes)
    return bytes
  }

  /** Drops the file's bytes; the next {@link load} reads it again. */
  forget(path: string): void {
    this.#forgetCount++
    this.#drop(path)
  }

  #drop(path: string): void {
    const known = this.#files.get(path)
    if (known === undefined) return
    this.#files.delete(path)
    this.#sizeBytes -= known.length
  }

  /** As {@link forget}, for all files of a folder. */
  forgetFolder(directory: string): void {
    this.#forgetCount++
    for (const path of [...this.#files.keys()]) if (dirname(path) === directory) this.#drop(path)
  }

  async #read(path: string): Promise<Buffer> {
    try {
      return await this.#fileSystem.readFile(path)
    } catch (error) {
      if (fileErrorCode(error) === 'ENOENT') return Buffer.alloc(0)
      throw error
    }
  }

  #put(path: string, bytes: Buffer): void {
    this.#drop(path)
    this.#files.set(path, bytes)
    this.#sizeBytes += bytes.length
    for (const oldest of this.#files.keys()) {
      if (this.#sizeBytes <= this.#bytesMax || this.#files.size === 1) return
      this.#drop(oldest)
    }
  }
}
