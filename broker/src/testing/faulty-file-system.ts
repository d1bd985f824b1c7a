/**
 * A file system whose disk can be told to fail while a broker runs on it: full, slow, or refusing to sync, write or read.
 *
 * It changes nothing as long as no fault is set. Passes the suite in file-system-conformance.ts.
 */
import { setTimeout } from 'node:timers/promises'
import type { FileHandle, FileSystem, OpenOptions } from '../storage/file-system.ts'

/** What is wrong with the disk now. */
export interface DiskFaults {
  /** Files whose path contains it; default all. */
  readonly only?: string
  /** Nothing can be created or grow: ENOSPC. */
  readonly isFull?: boolean
  /** `datasync` and `syncDirectory` fail with EIO. */
  readonly syncFails?: boolean
  /** Syncs succeed at once and do nothing: what a disk with a lying cache does, and no promise survives. */
  readonly syncLies?: boolean
  /** Each sync takes that much longer, ms. */
  readonly syncDelayMs?: number
  /** Writes fail with EIO. */
  readonly writeFails?: boolean
  /** Reads fail with EIO. */
  readonly readFails?: boolean
}

/** See the file's header. */
export class FaultyFileSystem implements FileSystem {
  readonly #disk: FileSystem
  #faults: DiskFaults = {}

  constructor(disk: FileSystem) {
    this.#disk = disk
  }

  /** Replaces what is wrong; `{}` heals the disk. */
  setFaults(faults: DiskFaults): void {
    this.#faults = faults
  }

  async open(path: string, options: OpenOptions = {}): Promise<FileHandle> {
    if (options.create === true && !(await this.#disk.exists(path))) this.refuseGrowth(path)
    return new FaultyHandle(this, await this.#disk.open(path, options))
  }

  readDirectory(path: string): Promise<string[]> {
    return this.#disk.readDirectory(path)
  }

  async makeDirectory(path: string): Promise<void> {
    if (!(await this.#disk.exists(path))) this.refuseGrowth(path)
    await this.#disk.makeDirectory(path)
  }

  remove(path: string): Promise<void> {
    return this.#disk.remove(path)
  }

  removeDirectory(path: string): Promise<void> {
    return this.#disk.removeDirectory(path)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#disk.rename(from, to)
  }

  exists(path: string): Promise<boolean> {
    return this.#disk.exists(path)
  }

  size(path: string): Promise<number> {
    return this.#disk.size(path)
  }

  async readFile(path: string): Promise<Buffer> {
    this.refuseRead(path)
    return this.#disk.readFile(path)
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    this.refuseWrite(path)
    this.refuseGrowth(path)
    await this.beforeSync(path)
    await this.#disk.writeFileAtomic(path, bytes)
  }

  async syncDirectory(path: string): Promise<void> {
    await this.beforeSync(path)
    if (this.syncLies(path)) return
    await this.#disk.syncDirectory(path)
  }

  /** For handles: throws EIO while syncs fail, and takes its time while they are slow. */
  async beforeSync(path: string): Promise<void> {
    if (!this.#concerns(path)) return
    const { syncDelayMs = 0 } = this.#faults
    if (syncDelayMs > 0) await setTimeout(syncDelayMs)
    if (this.#faults.syncFails === true) throw fileError('EIO', 'fdatasync', path)
  }

  /** For handles: whether a sync is only pretended. */
  syncLies(path: string): boolean {
    return this.#concerns(path) && this.#faults.syncLies === true
  }

  /** For handles: throws ENOSPC while the disk is full. */
  refuseGrowth(path: string): void {
    if (this.#concerns(path) && this.#faults.isFull === true) throw fileError('ENOSPC', 'write', path)
  }

  /** For handles: throws EIO while writes fail. */
  refuseWrite(path: string): void {
    if (this.#concerns(path) && this.#faults.writeFails === true) throw fileError('EIO', 'write', path)
  }

  /** For handles: throws EIO while reads fail. */
  refuseRead(path: string): void {
    if (this.#concerns(path) && this.#faults.readFails === true) throw fileError('EIO', 'read', path)
  }

  #concerns(path: string): boolean {
    return this.#faults.only === undefined || path.includes(this.#faults.only)
  }
}

/** A handle on a file of a disk that may fail. Every write counts as growth: logs are only appended to. */
class FaultyHandle implements FileHandle {
  readonly #fileSystem: FaultyFileSystem
  readonly #file: FileHandle

  constructor(fileSystem: FaultyFileSystem, file: FileHandle) {
    this.#fileSystem = fileSystem
    this.#file = file
  }

  get path(): string {
    return this.#file.path
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    this.#fileSystem.refuseRead(this.path)
    return this.#file.read(buffer, position)
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    this.#fileSystem.refuseWrite(this.path)
    this.#fileSystem.refuseGrowth(this.path)
    await this.#file.write(buffers, position)
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    this.#fileSystem.refuseWrite(this.path)
    this.#fileSystem.refuseGrowth(this.path)
    this.#file.writeSync(buffers, position)
  }

  async datasync(): Promise<void> {
    await this.#fileSystem.beforeSync(this.path)
    if (this.#fileSystem.syncLies(this.path)) return
    await this.#file.datasync()
  }

  truncate(length: number): Promise<void> {
    return this.#file.truncate(length)
  }

  size(): Promise<number> {
    return this.#file.size()
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

function fileError(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path })
}
