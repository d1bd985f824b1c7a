/**
 * Real files that lose at a power cut what was not synced: for broker processes in failure runs.
 *
 * ```
 *  write, truncate ─> changes in memory ──datasync──> the real file
 *  create, rename, remove ─> at once, and a journal of how to undo them ──syncDirectory──> forgotten
 *  powerLoss ─> of each file's changes a beginning is written, the next one torn; of the journal the end is undone
 * ```
 * Invariant: the real files hold nothing that was never synced. A process that is killed thus loses unsynced writes as
 * well, but no names. Invariant: after `powerLoss` has begun no operation settles, so nothing is acknowledged by it.
 * Names are strict POSIX: syncing a file does not make its name durable, syncing its folder does; the journal commits
 * in order, as file systems do it. Passes the suite in file-system-conformance.ts.
 */
import { link, mkdir, rename, rm, unlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import type { FileHandle, FileSystem, OpenOptions } from '../storage/file-system.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { LossyFile } from './lossy-file.ts'

/** What a power cut took. */
export interface PowerLossReport {
  /** Unsynced changes of files that were lost. */
  readonly lostChangeCount: number
  readonly lostBytes: number
  /** Files whose next change was written in part. */
  readonly tornPaths: readonly string[]
  /** Names created, moved or removed that are as before again. */
  readonly undoneNameCount: number
}

interface NameChange {
  /** Folders whose sync commits it. */
  readonly folders: readonly string[]
  undo(): Promise<void>
  /** It is durable: what undoing needed may go. */
  commit(): Promise<void>
}

const NEVER: Promise<never> = new Promise(() => {})

/** See the file's header. One for all of a broker's files. */
export class LossyFileSystem implements FileSystem {
  readonly #disk: FileSystem = new NodeFileSystem()
  /** Where removed and replaced files wait until their removal is durable. */
  readonly #attic: string
  readonly #files = new Map<string, LossyFile>()
  #journal: NameChange[] = []
  #atticCount = 0
  #stopped = false

  private constructor(attic: string) {
    this.#attic = attic
  }

  /** @param attic a folder of its own on the same disk as the files; what is in it is removed */
  static async create(attic: string): Promise<LossyFileSystem> {
    await rm(attic, { recursive: true, force: true })
    await mkdir(attic, { recursive: true })
    return new LossyFileSystem(attic)
  }

  /**
   * Cuts the power. The process is to end at once, without closing anything.
   *
   * @param random draws from [0, 1): how much survives
   */
  async powerLoss(random: () => number): Promise<PowerLossReport> {
    this.#stopped = true
    let lostChangeCount = 0
    let lostBytes = 0
    const tornPaths: string[] = []
    for (const file of new Set(this.#files.values())) {
      const lost = await file.lose(random)
      lostChangeCount += lost.changeCount
      lostBytes += lost.bytes
      if (lost.isTorn) tornPaths.push(file.path)
    }
    const keptNames = Math.floor(random() * (this.#journal.length + 1))
    const undone = this.#journal.splice(keptNames).reverse()
    for (const change of undone) await change.undo()
    return { lostChangeCount, lostBytes, tornPaths, undoneNameCount: undone.length }
  }

  async open(path: string, options: OpenOptions = {}): Promise<FileHandle> {
    await this.#running()
    const isNew = options.create === true && options.readonly !== true && !(await this.#disk.exists(path))
    let file = this.#files.get(path)
    if (file === undefined || !file.isOpen) {
      // One real handle serves all of ours, so it must be able to write whoever opens the file first.
      const handle = await this.#disk.open(path, { create: isNew })
      const raced = this.#files.get(path)
      if (raced?.isOpen) await handle.close()
      else {
        file = new LossyFile(path, handle, await handle.size(), () => this.#forget(file!))
        this.#files.set(path, file)
      }
      file = this.#files.get(path)!
    }
    if (isNew) this.#note([dirname(path)], () => rm(path, { force: true }))
    file.retain()
    return new LossyHandle(file, options.readonly === true, () => this.#running())
  }

  async readDirectory(path: string): Promise<string[]> {
    await this.#running()
    return this.#disk.readDirectory(path)
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#running()
    if (await this.#disk.exists(path)) return this.#disk.makeDirectory(path)
    await this.makeDirectory(dirname(path))
    await this.#disk.makeDirectory(path)
    // Files that were synced inside go with it: nothing leads to them.
    this.#note([dirname(path)], () => rm(path, { recursive: true, force: true }))
  }

  async remove(path: string): Promise<void> {
    await this.#running()
    // A folder is refused as the disk refuses it.
    if ((await this.#isFolder(path)) === true) return unlink(path)
    const kept = this.#atticPath()
    await rename(path, kept)
    this.#unname(path)
    this.#note(
      [dirname(path)],
      () => rename(kept, path),
      () => rm(kept, { force: true }),
    )
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#running()
    if (!(await this.#disk.exists(path))) return
    const kept = this.#atticPath()
    await rename(path, kept)
    for (const name of [...this.#files.keys()]) if (name.startsWith(path + sep)) this.#unname(name)
    this.#note(
      [dirname(path)],
      () => rename(kept, path),
      () => rm(kept, { recursive: true, force: true }),
    )
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#running()
    const replaces = (await this.#isFolder(to)) === false && (await this.#disk.exists(from))
    const kept = this.#atticPath()
    // A second name first: the replacement itself stays atomic, whenever the process is killed.
    if (replaces) await link(to, kept)
    await this.#disk.rename(from, to)
    this.#unname(to)
    for (const [name, file] of [...this.#files]) {
      if (name !== from && !name.startsWith(from + sep)) continue
      this.#files.delete(name)
      file.path = to + name.slice(from.length)
      this.#files.set(file.path, file)
    }
    this.#note(
      [dirname(from), dirname(to)],
      async () => {
        await rename(to, from)
        if (replaces) await rename(kept, to)
      },
      async () => {
        if (replaces) await rm(kept, { force: true })
      },
    )
  }

  async exists(path: string): Promise<boolean> {
    await this.#running()
    return this.#disk.exists(path)
  }

  async size(path: string): Promise<number> {
    await this.#running()
    return this.#files.get(path)?.size ?? this.#disk.size(path)
  }

  async readFile(path: string): Promise<Buffer> {
    const file = await this.open(path, { readonly: true })
    try {
      const bytes = Buffer.alloc(await file.size())
      await file.read(bytes, 0)
      return bytes
    } finally {
      await file.close()
    }
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    await this.#running()
    await this.#disk.writeFileAtomic(path, bytes)
    this.#unname(path)
    await this.#commit(dirname(path))
    await this.#running()
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#running()
    await this.#disk.syncDirectory(path)
    await this.#commit(path)
    await this.#running()
  }

  #running(): Promise<unknown> {
    return this.#stopped ? NEVER : Promise.resolve()
  }

  /** Null when there is nothing of that name. */
  async #isFolder(path: string): Promise<boolean | null> {
    if (!(await this.#disk.exists(path))) return null
    return this.#disk.readDirectory(path).then(
      () => true,
      () => false,
    )
  }

  #atticPath(): string {
    return join(this.#attic, String(this.#atticCount++))
  }

  #note(folders: readonly string[], undo: () => Promise<void>, commit: () => Promise<void> = async () => {}): void {
    this.#journal.push({ folders, undo, commit })
  }

  async #commit(folder: string): Promise<void> {
    const last = this.#journal.findLastIndex(({ folders }) => folders.includes(folder))
    for (const change of this.#journal.splice(0, last + 1)) await change.commit()
  }

  /** The name leads elsewhere from now on; who has the file open keeps it. */
  #unname(path: string): void {
    this.#files.get(path)?.abandon()
    this.#files.delete(path)
  }

  #forget(file: LossyFile): void {
    if (this.#files.get(file.path) === file) this.#files.delete(file.path)
  }
}

class LossyHandle implements FileHandle {
  readonly #file: LossyFile
  readonly #readonly: boolean
  readonly #running: () => Promise<unknown>
  #open = true

  constructor(file: LossyFile, isReadonly: boolean, running: () => Promise<unknown>) {
    this.#file = file
    this.#readonly = isReadonly
    this.#running = running
  }

  get path(): string {
    return this.#file.path
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    await this.#running()
    this.#require(false)
    const bytes = await this.#file.read(buffer, position)
    await this.#running()
    return bytes
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    await this.#running()
    this.writeSync(buffers, position)
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    this.#require(true)
    this.#file.write(Buffer.concat(buffers), position)
  }

  async datasync(): Promise<void> {
    await this.#running()
    this.#require(false)
    await this.#file.sync()
    await this.#running()
  }

  async truncate(length: number): Promise<void> {
    await this.#running()
    this.#require(true)
    this.#file.truncate(length)
  }

  async size(): Promise<number> {
    await this.#running()
    this.#require(false)
    return this.#file.size
  }

  async close(): Promise<void> {
    await this.#running()
    this.#require(false)
    this.#open = false
    await this.#file.release()
  }

  #require(isWrite: boolean): void {
    if (this.#open && !(isWrite && this.#readonly)) return
    throw Object.assign(new Error(`EBADF: ${this.#file.path}`), { code: 'EBADF', path: this.#file.path })
  }
}
