/**
 * The real disk, through node:fs.
 *
 * Callbacks rather than `fs.promises` on the paths that move data: a FileHandle of node:fs/promises costs several
 * times more per call, and its close is tied to garbage collection.
 */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { type FileHandle, type FileSystem, type OpenOptions, TEMPORARY_SUFFIX } from './file-system.ts'

/**
 * Most bytes in one write to the page cache. Linux serves a larger one with folios as large, which it finds by clearing or
 * claiming memory that was not in use: 4 MiB at once took 1.0 s of system time for each GB and 10 times as long as
 * the same in pieces of 512 KiB, which took 0.28 (ext4, Linux 6.18, a guest whose free pages are reported to its host).
 */
const WRITE_BYTES_MAX = 512 * 1024

/** The file system of the host. Stateless: one instance serves the whole process. */
export class NodeFileSystem implements FileSystem {
  open(path: string, options: OpenOptions = {}): Promise<FileHandle> {
    return openFile(path, openFlags(options))
  }

  async readDirectory(path: string): Promise<string[]> {
    return (await fs.promises.readdir(path)).sort()
  }

  async makeDirectory(path: string): Promise<void> {
    await fs.promises.mkdir(path, { recursive: true })
  }

  remove(path: string): Promise<void> {
    return fs.promises.unlink(path)
  }

  removeDirectory(path: string): Promise<void> {
    return fs.promises.rm(path, { recursive: true, force: true })
  }

  rename(from: string, to: string): Promise<void> {
    return fs.promises.rename(from, to)
  }

  exists(path: string): Promise<boolean> {
    return fs.promises.access(path).then(
      () => true,
      () => false,
    )
  }

  async size(path: string): Promise<number> {
    return (await fs.promises.stat(path)).size
  }

  readFile(path: string): Promise<Buffer> {
    return fs.promises.readFile(path)
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = path + TEMPORARY_SUFFIX
    const file = await openFile(temporary, fs.constants.O_CREAT | fs.constants.O_TRUNC | fs.constants.O_RDWR)
    try {
      await file.write([bytes], 0)
      await file.datasync()
    } finally {
      await file.close()
    }
    await this.rename(temporary, path)
    await this.syncDirectory(dirname(path))
  }

  async syncDirectory(path: string): Promise<void> {
    // Windows neither can nor needs to sync a folder.
    if (process.platform === 'win32') return
    const folder = await openFile(path, fs.constants.O_RDONLY)
    try {
      await folder.datasync()
    } finally {
      await folder.close()
    }
  }
}

function openFlags(options: OpenOptions): number {
  if (options.readonly === true) return fs.constants.O_RDONLY
  return fs.constants.O_RDWR | (options.create === true ? fs.constants.O_CREAT : 0)
}

function openFile(path: string, flags: number): Promise<FileHandle> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o644, (error, descriptor) => {
      if (error) reject(error)
      else resolve(new NodeFileHandle(path, descriptor))
    })
  })
}

class NodeFileHandle implements FileHandle {
  readonly path: string
  readonly #descriptor: number

  constructor(path: string, descriptor: number) {
    this.path = path
    this.#descriptor = descriptor
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    let filled = 0
    while (filled < buffer.length) {
      const count = await this.#readSome(buffer, filled, position + filled)
      if (count === 0) break
      filled += count
    }
    return filled
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let rest = buffers
    let at = position
    while (rest.length > 0) {
      const written = await this.#writeSome(headOf(rest, WRITE_BYTES_MAX), at)
      at += written
      rest = dropWritten(rest, written)
    }
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    let rest = buffers
    let at = position
    while (rest.length > 0) {
      const written = fs.writevSync(this.#descriptor, rest, at)
      at += written
      rest = dropWritten(rest, written)
    }
  }

  datasync(): Promise<void> {
    return settle((done) => fs.fdatasync(this.#descriptor, done))
  }

  truncate(length: number): Promise<void> {
    return settle((done) => fs.ftruncate(this.#descriptor, length, done))
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#descriptor, (error, stats) => (error ? reject(error) : resolve(stats.size)))
    })
  }

  close(): Promise<void> {
    return settle((done) => fs.close(this.#descriptor, done))
  }

  #readSome(buffer: Uint8Array, start: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, buffer, start, buffer.length - start, position, (error, count) =>
        error ? reject(error) : resolve(count),
      )
    })
  }

  #writeSome(buffers: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.writev(this.#descriptor, buffers, position, (error, count) => (error ? reject(error) : resolve(count)))
    })
  }
}

function settle(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())))
}

/** The first `bytesMax` bytes of `buffers`, or all if they are fewer. */
function headOf(buffers: readonly Uint8Array[], bytesMax: number): readonly Uint8Array[] {
  let room = bytesMax
  for (const [index, buffer] of buffers.entries()) {
    if (buffer.length <= room) {
      room -= buffer.length
      continue
    }
    const head = buffers.slice(0, index)
    if (room > 0) head.push(buffer.subarray(0, room))
    return head
  }
  return buffers
}

/** What is left of `buffers` after a write took `written` bytes: the kernel may take fewer than it was given. */
function dropWritten(buffers: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let skip = written
  for (const [index, buffer] of buffers.entries()) {
    if (skip < buffer.length) {
      const rest = buffers.slice(index)
      rest[0] = buffer.subarray(skip)
      return rest
    }
    skip -= buffer.length
  }
  return []
}
