/**
 * A bounded set of open files, shared by all partitions.
 *
 * A file is leased for the time of a read, or of a write and its sync, and stays open afterwards until it is the
 * least recently used one of too many. Leased files are never closed: the bound is exceeded rather than a lease
 * broken, so at most by the operations in flight. A writer holds its lease until its bytes are synced, for a sync
 * error is reported only to descriptors that were open when it happened.
 *
 * Owner: the broker; one per process. Index files are cached beside it, see {@link IndexCache}.
 */
import { dirname } from 'node:path'
import type { FileHandle, FileSystem } from '../storage/file-system.ts'
import { IndexCache } from './index-cache.ts'

/** Options of {@link OpenFileCache}. */
export interface OpenFileCacheOptions {
  readonly fileSystem: FileSystem
  /** Open files to keep when none is in use. Default 512. */
  readonly openFilesMax?: number
  /** Bytes of index files to keep in memory. Default 32 MiB. */
  readonly indexBytesMax?: number
}

interface Entry {
  readonly path: string
  readonly opening: Promise<FileHandle>
  leases: number
  /** Out of the map: closes with its last lease. */
  forgotten: boolean
}

/** A file in use; `release` it once. */
export interface FileLease {
  readonly file: FileHandle
  release(): void
}

/** See the file's header. */
export class OpenFileCache {
  readonly indexes: IndexCache
  readonly #fileSystem: FileSystem
  readonly #openFilesMax: number
  /** By path, in the order of use: the first is the least recently used. */
  readonly #entries = new Map<string, Entry>()
  readonly #closing = new Set<Promise<void>>()

  constructor(options: OpenFileCacheOptions) {
    this.#fileSystem = options.fileSystem
    this.#openFilesMax = options.openFilesMax ?? 512
    this.indexes = new IndexCache(options.fileSystem, options.indexBytesMax ?? 32 * 1024 * 1024)
  }

  /** Files that are open now, those being closed not counted. */
  get openCount(): number {
    return this.#entries.size
  }

  /** Leases the file, opening it for reading and writing if need be. Errors: those of FileSystem.open. */
  async acquire(path: string, options: { create?: boolean } = {}): Promise<FileLease> {
    const known = this.#entries.get(path)
    const entry = known ?? this.#open(path, options.create ?? false)
    if (known !== undefined) {
      known.leases++
      this.#entries.delete(path)
      this.#entries.set(path, known)
    }
    try {
      const file = await entry.opening
      let released = false
      const release = (): void => {
        if (released) return
        released = true
        this.#release(entry)
      }
      return { file, release }
    } catch (error) {
      if (this.#entries.get(path) === entry) this.#entries.delete(path)
      throw error
    }
  }

  /** Runs `use` with the file and releases it whatever happens. */
  async using<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
    const lease = await this.acquire(path)
    try {
      return await use(lease.file)
    } finally {
      lease.release()
    }
  }

  /** Closes the file as soon as nobody uses it; the next {@link acquire} opens it anew. For removed files. */
  forget(path: string): void {
    const entry = this.#entries.get(path)
    if (entry === undefined) return
    this.#entries.delete(path)
    entry.forgotten = true
    if (entry.leases === 0) this.#close(entry)
  }

  /** As {@link forget}, for all files of a folder and their indexes: another folder may take its name. */
  forgetFolder(directory: string): void {
    for (const path of [...this.#entries.keys()]) if (dirname(path) === directory) this.forget(path)
    this.indexes.forgetFolder(directory)
  }

  /** Closes every file that is not in use and waits for it. */
  async close(): Promise<void> {
    for (const path of [...this.#entries.keys()]) this.forget(path)
    await Promise.all(this.#closing)
  }

  #open(path: string, create: boolean): Entry {
    const entry: Entry = { path, opening: this.#fileSystem.open(path, { create }), leases: 1, forgotten: false }
    this.#entries.set(path, entry)
    this.#evict()
    return entry
  }

  #release(entry: Entry): void {
    entry.leases--
    if (entry.leases > 0) return
    if (entry.forgotten) this.#close(entry)
    else this.#evict()
  }

  #evict(): void {
    if (this.#entries.size <= this.#openFilesMax) return
    for (const entry of this.#entries.values()) {
      if (entry.leases > 0) continue
      this.forget(entry.path)
      if (this.#entries.size <= this.#openFilesMax) return
    }
  }

  #close(entry: Entry): void {
    // Closing fails only for a descriptor that is already gone; its bytes were synced before the lease ended.
    const closed: Promise<void> = entry.opening
      .then((file) => file.close())
      .catch(() => undefined)
      .finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }
}
