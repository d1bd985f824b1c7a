/**
 * A file system in memory for tests of outputs: it can run full, and it can lose power, after which only what was synced is
 * there.
 */
import type { OutputFiles } from '../sinks/output-files.ts'

interface FakeFile {
  bytes: Buffer
  /** What a power loss leaves. */
  synced: Buffer
}

/** See the file's header. */
export class FakeFiles implements OutputFiles {
  /** Bytes that may still be written. */
  roomBytes: number = Number.POSITIVE_INFINITY
  readonly #files = new Map<string, FakeFile>()
  readonly #folders = new Set<string>()
  readonly #open = new Map<number, FakeFile>()
  #nextFd = 3

  /** Paths of all files, sorted. */
  get paths(): string[] {
    return [...this.#files.keys()].sort()
  }

  /** Content of a file, as text. */
  text(path: string): string {
    return this.read(path).toString('utf8')
  }

  /** Puts a file there. */
  put(path: string, content: string | Buffer): void {
    const bytes = Buffer.from(content)
    this.#files.set(path, { bytes, synced: bytes })
    this.makeFolder(path.slice(0, path.lastIndexOf('/')))
  }

  /** Everything that was not synced is gone. */
  losePower(): void {
    for (const file of this.#files.values()) file.bytes = file.synced
    this.#open.clear()
  }

  makeFolder(path: string): void {
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) this.#folders.add(path.slice(0, end))
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.#folders.has(path)
  }

  list(path: string): { name: string; isFolder: boolean }[] {
    const inside = (each: string): boolean => each.startsWith(`${path}/`) && !each.slice(path.length + 1).includes('/')
    const entry = (each: string, isFolder: boolean) => ({ name: each.slice(path.length + 1), isFolder })
    return [
      ...[...this.#folders].filter(inside).map((each) => entry(each, true)),
      ...[...this.#files.keys()].filter(inside).map((each) => entry(each, false)),
    ]
  }

  read(path: string): Buffer {
    const file = this.#files.get(path)
    if (file === undefined) throw failure('ENOENT', path)
    return file.bytes
  }

  sizeOf(path: string): number {
    return this.read(path).length
  }

  create(path: string): number {
    const file = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) }
    this.#files.set(path, file)
    return this.#opened(file)
  }

  createNew(path: string): number {
    if (this.#files.has(path)) throw failure('EEXIST', path)
    return this.create(path)
  }

  openForAppend(path: string): number {
    const file = this.#files.get(path)
    return file === undefined ? this.create(path) : this.#opened(file)
  }

  write(fd: number, bytes: Uint8Array): void {
    const file = this.#file(fd)
    const fitting = bytes.subarray(0, Math.min(bytes.length, this.roomBytes))
    this.roomBytes -= fitting.length
    file.bytes = Buffer.concat([file.bytes, fitting])
    if (fitting.length < bytes.length) throw failure('ENOSPC', 'write')
  }

  truncate(fd: number, sizeBytes: number): void {
    this.#file(fd).bytes = this.#file(fd).bytes.subarray(0, sizeBytes)
  }

  sync(fd: number): void {
    this.#file(fd).synced = this.#file(fd).bytes
  }

  close(fd: number): void {
    this.#open.delete(fd)
  }

  rename(from: string, to: string): void {
    const file = this.#files.get(from)
    if (file === undefined) throw failure('ENOENT', from)
    this.#files.delete(from)
    this.#files.set(to, file)
  }

  remove(path: string): void {
    this.#files.delete(path)
  }

  #opened(file: FakeFile): number {
    this.#open.set(this.#nextFd, file)
    return this.#nextFd++
  }

  #file(fd: number): FakeFile {
    const file = this.#open.get(fd)
    if (file === undefined) throw failure('EBADF', String(fd))
    return file
  }
}

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code })
}
