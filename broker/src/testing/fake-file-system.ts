/**
 * A file system in memory that can do what disks do to programs: lose what was not synced, tear the last write, fail
 * a sync, fill up, flip a bit, and stop at any operation. Deterministic: no clock, no timer, randomness by seed.
 *
 * It passes the same conformance suite as the real one. Every mutating operation is counted; `stopAtOperation(n)`
 * makes the n-th and all later ones throw {@link CrashError} without effect; `crash(loss)` gives the file system that
 * the next start finds after a stop of the host, `kill()` the one after a stop of the process. A simulation says how long
 * each operation takes (`pace`) and which of them fail (`fails`).
 */
import { type FileHandle, type FileSystem, type OpenOptions, TEMPORARY_SUFFIX } from '../storage/file-system.ts'
import { type CrashLoss, FakeInode, FakeNames, parentOf, seededRandom } from './fake-disk.ts'

/** The host has stopped: nothing works any more. */
export class CrashError extends Error {
  override readonly name = 'CrashError'
}

/** What a disk is asked for; `names` are creations, removals, renames, and syncs of folders. */
export type DiskOperation = 'read' | 'write' | 'sync' | 'names'

/** Operations so far, for proofs of cost. */
export interface FakeCounters {
  /** Everything that changes something; what `stopAtOperation` counts. */
  mutations: number
  opens: number
  reads: number
  readBytes: number
  writes: number
  writtenBytes: number
  syncs: number
}

/** See the file's header. Paths use `/`. */
export class FakeFileSystem implements FileSystem {
  readonly counters: FakeCounters = {
    mutations: 0,
    opens: 0,
    reads: 0,
    readBytes: 0,
    writes: 0,
    writtenBytes: 0,
    syncs: 0,
  }
  /** Called before each mutating operation with its number and what it is, for traces. */
  onMutation: ((number: number, operation: string) => void) | null = null
  /** Resolves when an operation on that many bytes has taken its time; null = at once. Never resolves for the dead. */
  pace: ((operation: DiskOperation, bytes: number) => Promise<void> | null) | null = null
  /** Asked for every operation on a file: true makes it fail with EIO. */
  fails: ((operation: DiskOperation, path: string) => boolean) | null = null
  #names = new FakeNames()
  #stopAt = Number.POSITIVE_INFINITY
  #serial = 0
  #freeBytes = Number.POSITIVE_INFINITY
  #failingDatasyncs = 0
  #heldSyncs: Promise<void> | null = null
  #openCount = 0

  /** Handles that are open now. */
  get openCount(): number {
    return this.#openCount
  }

  /** Whether {@link stopAtOperation} has struck. */
  get stopped(): boolean {
    return this.counters.mutations >= this.#stopAt
  }

  /** The mutating operation with that number (the first is 1) and all later ones throw CrashError. */
  stopAtOperation(number: number): void {
    this.#stopAt = number
  }

  /** The next datasync fails with EIO; what it should have made durable may be lost. */
  failNextDatasync(): void {
    this.#failingDatasyncs++
  }

  /** Only `bytes` more can be written; `Infinity` ends it. Freed bytes are not given back. */
  diskFullAfterBytes(bytes: number): void {
    this.#freeBytes = bytes
  }

  /** Keeps datasyncs waiting until the returned function is called. */
  holdSyncs(): () => void {
    let release = (): void => undefined
    this.#heldSyncs = new Promise((resolve) => {
      release = resolve
    })
    return () => {
      this.#heldSyncs = null
      release()
    }
  }

  /** Flips one bit of a file. */
  flipBit(path: string, position: number, bit = 0): void {
    this.#file(path).flipBit(position, bit)
  }

  /** Takes away all bytes of a file from `length` on, synced or not. */
  cutFile(path: string, length: number): void {
    this.#file(path).cut(length)
  }

  /** The file's bytes as a reader sees them; valid until the next change. */
  contentOf(path: string): Buffer {
    return this.#file(path).content
  }

  /** A file to look at without an operation; null when there is none. */
  inode(path: string): FakeInode | null {
    return this.#names.current.get(path) ?? null
  }

  /** Grows with every change of names. */
  get nameChangeCount(): number {
    return this.#names.changeCount
  }

  /** Whether a crash now would leave a file of that name. */
  isNameDurable(path: string): boolean {
    return this.#names.isDurable(path)
  }

  /** Names in a folder, to look at without an operation; sorted. */
  namesIn(folder: string): string[] {
    const start = folder === '/' ? '/' : `${folder}/`
    const names: string[] = []
    for (const path of this.#names.current.keys()) {
      if (path.startsWith(start) && path.length > start.length && !path.includes('/', start.length))
        names.push(path.slice(start.length))
    }
    return names.sort()
  }

  /** Paths of all files, sorted. */
  get paths(): string[] {
    return [...this.#names.current]
      .filter(([, inode]) => inode !== null)
      .map(([path]) => path)
      .sort()
  }

  /** The file system after a stop of the host: what was synced, and of the rest what `loss` says. */
  crash(loss: CrashLoss): FakeFileSystem {
    const random = seededRandom('seed' in loss ? loss.seed : 0)
    const inodes = [...this.#names.current.values()].filter((inode) => inode !== null)
    const tornSerial = Math.max(-1, ...inodes.map((inode) => inode.lastWriteSerial))
    const successor = memoized((inode) => inode.afterCrash(loss, random, tornSerial))
    const next = new FakeFileSystem()
    next.#names = this.#names.afterCrash(loss, random, successor)
    return next
  }

  /** The file system after a stop of the process alone: the page cache is as it was, and still unsynced. */
  kill(): FakeFileSystem {
    const next = new FakeFileSystem()
    next.#serial = this.#serial
    next.#names = this.#names.clone(memoized((inode) => inode.clone()))
    return next
  }

  async open(path: string, options: OpenOptions = {}): Promise<FileHandle> {
    await this.#turn('read')
    this.counters.opens++
    if (this.#names.current.get(path) === null) throw fileError('EISDIR', 'open', path)
    if (!this.#names.current.has(path)) {
      if (options.create !== true || options.readonly === true) throw fileError('ENOENT', 'open', path)
      this.#requireFolder(parentOf(path), 'open')
      this.#mutate(`create ${path}`)
      this.#names.link(path, new FakeInode())
    }
    this.#openCount++
    return new FakeFileHandle(path, this.#file(path), options.readonly === true, this.#disk())
  }

  async readDirectory(path: string): Promise<string[]> {
    await this.#turn('read')
    this.#requireFolder(path, 'scandir')
    return [...this.#names.current.keys()]
      .filter((name) => parentOf(name) === path && name !== '/')
      .map(baseName)
      .sort()
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#turn()
    if (path === '/' || this.#names.current.get(path) === null) return
    if (this.#names.current.has(path)) throw fileError('EEXIST', 'mkdir', path)
    await this.makeDirectory(parentOf(path))
    this.#mutate(`mkdir ${path}`)
    this.#names.link(path, null)
  }

  async remove(path: string): Promise<void> {
    await this.#turn('names')
    this.#file(path, 'unlink')
    this.#mutate(`remove ${path}`)
    this.#names.unlink(path)
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#turn('names')
    const doomed = [...this.#names.current.keys()].filter((name) => name === path || name.startsWith(`${path}/`))
    for (const name of doomed.toReversed()) {
      this.#mutate(`remove ${name}`)
      this.#names.unlink(name)
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#turn('names')
    if (!this.#names.current.has(from)) throw fileError('ENOENT', 'rename', from)
    this.#requireFolder(parentOf(to), 'rename')
    this.#mutate(`rename ${from} ${to}`)
    this.#names.rename(from, to)
  }

  async exists(path: string): Promise<boolean> {
    await this.#turn()
    return path === '/' || this.#names.current.has(path)
  }

  async size(path: string): Promise<number> {
    await this.#turn()
    return this.#file(path, 'stat').content.length
  }

  async readFile(path: string): Promise<Buffer> {
    await this.#turn('read')
    this.#failIfAsked('read', path)
    const { content } = this.#file(path)
    this.counters.reads++
    this.counters.readBytes += content.length
    return Buffer.from(content)
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.open(path + TEMPORARY_SUFFIX, { create: true })
    try {
      await file.truncate(0)
      await file.write([bytes], 0)
      await file.datasync()
    } finally {
      await file.close()
    }
    await this.rename(path + TEMPORARY_SUFFIX, path)
    await this.syncDirectory(parentOf(path))
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#turn('sync')
    this.#requireFolder(path, 'fsync')
    this.#failIfAsked('sync', path)
    this.#mutate(`syncdir ${path}`)
    this.counters.syncs++
    this.#names.sync(path)
  }

  #disk(): HandleDisk {
    return {
      turn: (operation, bytes) => this.#turn(operation, bytes),
      failIfAsked: (operation, path) => this.#failIfAsked(operation, path),
      read: (bytes) => {
        this.counters.reads++
        this.counters.readBytes += bytes
      },
      mutate: (operation) => this.#mutate(operation),
      nextSerial: () => this.#serial++,
      takeSpace: (bytes) => this.#takeSpace(bytes),
      sync: async (path) => {
        await this.#heldSyncs
        await this.#turn('sync')
        this.counters.syncs++
        this.#failIfAsked('sync', path)
        if (this.#failingDatasyncs === 0) return
        this.#failingDatasyncs--
        throw fileError('EIO', 'fdatasync', path)
      },
      closed: () => {
        this.#openCount--
      },
    }
  }

  /** Every operation settles asynchronously, and none after the stop. */
  async #turn(operation: DiskOperation | null = null, bytes = 0): Promise<void> {
    await (operation === null ? null : (this.pace?.(operation, bytes) ?? null))
    if (this.stopped) throw new CrashError('the host has stopped')
  }

  #failIfAsked(operation: DiskOperation, path: string): void {
    if (this.fails?.(operation, path) === true) throw fileError('EIO', operation, path)
  }

  #mutate(operation: string): void {
    this.counters.mutations++
    this.onMutation?.(this.counters.mutations, operation)
    if (this.stopped) throw new CrashError(`stopped before ${operation}`)
  }

  /** Takes up to `bytes` of what is free; returns how many there were. */
  #takeSpace(bytes: number): number {
    const taken = Math.min(bytes, this.#freeBytes)
    this.#freeBytes -= taken
    this.counters.writes++
    this.counters.writtenBytes += taken
    return taken
  }

  #file(path: string, operation = 'open'): FakeInode {
    const inode = this.#names.current.get(path)
    if (inode === undefined) throw fileError('ENOENT', operation, path)
    if (inode === null) throw fileError('EISDIR', operation, path)
    return inode
  }

  #requireFolder(path: string, operation: string): void {
    if (path !== '/' && this.#names.current.get(path) !== null) throw fileError('ENOENT', operation, path)
  }
}

/** What a handle needs of its file system. */
interface HandleDisk {
  turn(operation?: DiskOperation, bytes?: number): Promise<void>
  failIfAsked(operation: DiskOperation, path: string): void
  read(bytes: number): void
  mutate(operation: string): void
  nextSerial(): number
  takeSpace(bytes: number): number
  sync(path: string): Promise<void>
  closed(): void
}

class FakeFileHandle implements FileHandle {
  readonly path: string
  readonly #inode: FakeInode
  readonly #readonly: boolean
  readonly #disk: HandleDisk
  #open = true

  constructor(path: string, inode: FakeInode, isReadonly: boolean, disk: HandleDisk) {
    this.path = path
    this.#inode = inode
    this.#readonly = isReadonly
    this.#disk = disk
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    await this.#disk.turn('read', buffer.length)
    this.#require(false, 'read')
    this.#disk.failIfAsked('read', this.path)
    const { content } = this.#inode
    const bytes = Math.max(0, Math.min(buffer.length, content.length - position))
    buffer.set(content.subarray(position, position + bytes))
    this.#disk.read(bytes)
    return bytes
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    await this.#disk.turn(
      'write',
      buffers.reduce((sum, { length }) => sum + length, 0),
    )
    this.writeSync(buffers, position)
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    this.#require(true, 'write')
    this.#disk.failIfAsked('write', this.path)
    const bytes = Buffer.concat(buffers)
    this.#disk.mutate(`write ${this.path} ${position}+${bytes.length}`)
    // Overwriting takes no space on a disk; only growth does.
    const grownBytes = Math.max(0, position + bytes.length - this.#inode.content.length)
    const lackingBytes = grownBytes - this.#disk.takeSpace(grownBytes)
    const fitting = bytes.subarray(0, bytes.length - lackingBytes)
    if (fitting.length > 0) this.#inode.write(position, fitting, this.#disk.nextSerial())
    if (lackingBytes > 0) throw fileError('ENOSPC', 'write', this.path)
  }

  async datasync(): Promise<void> {
    await this.#disk.turn()
    this.#require(false, 'fdatasync')
    this.#disk.mutate(`datasync ${this.path}`)
    const { lastSerial } = this.#inode
    try {
      await this.#disk.sync(this.path)
    } catch (error) {
      this.#inode.loseUpTo(lastSerial)
      throw error
    }
    await this.#disk.turn()
    this.#inode.syncUpTo(lastSerial)
  }

  async truncate(length: number): Promise<void> {
    await this.#disk.turn()
    this.#require(true, 'ftruncate')
    if (length === this.#inode.content.length) return
    this.#disk.mutate(`truncate ${this.path} ${length}`)
    this.#inode.truncate(length, this.#disk.nextSerial())
  }

  async size(): Promise<number> {
    await this.#disk.turn()
    return this.#inode.content.length
  }

  async close(): Promise<void> {
    this.#require(false, 'close')
    this.#open = false
    this.#disk.closed()
    await null
  }

  #require(writable: boolean, operation: string): void {
    if (!this.#open || (writable && this.#readonly)) throw fileError('EBADF', operation, this.path)
  }
}

/** One result for each inode, however many names it has. */
function memoized(make: (inode: FakeInode) => FakeInode): (inode: FakeInode) => FakeInode {
  const made = new Map<FakeInode, FakeInode>()
  return (inode) => {
    const known = made.get(inode) ?? make(inode)
    made.set(inode, known)
    return known
  }
}

function fileError(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path })
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
