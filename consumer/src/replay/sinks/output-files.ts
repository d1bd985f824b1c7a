/**
 * What the engine needs of a file system, synchronous because it runs in worker threads or once a split; and the real one.
 *
 * Errors are Node's (`ENOSPC`, `EACCES`, ...); `outputError` names them for the application.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { isStratalogError, StratalogError } from '@stratalog/proto'

/** See the file's header. */
export interface OutputFiles {
  makeFolder(path: string): void
  exists(path: string): boolean
  /** Names in a folder. Errors: ENOENT. */
  list(path: string): readonly { readonly name: string; readonly isFolder: boolean }[]
  read(path: string): Buffer
  sizeOf(path: string): number
  /** For writing from its beginning; what was there is gone. */
  create(path: string): number
  /** For writing; EEXIST when there is one. */
  createNew(path: string): number
  /** For writing at its end. */
  openForAppend(path: string): number
  /** Writes all of `bytes`. */
  write(fd: number, bytes: Uint8Array): void
  truncate(fd: number, sizeBytes: number): void
  /** Once this returns the file's bytes survive a power loss. */
  sync(fd: number): void
  close(fd: number): void
  /** Once this returns the new name survives a power loss, and so does the folder's other content. */
  rename(from: string, to: string, folder: string): void
  /** No error when there is none. */
  remove(path: string): void
}

/** The real file system. */
export const NODE_OUTPUT_FILES: OutputFiles = {
  makeFolder: (path) => void mkdirSync(path, { recursive: true }),
  exists: (path) => existsSync(path),
  list: (path) =>
    readdirSync(path, { withFileTypes: true }).map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() })),
  read: (path) => readFileSync(path),
  sizeOf: (path) => statSync(path).size,
  create: (path) => openSync(path, 'w'),
  createNew: (path) => openSync(path, 'wx'),
  openForAppend: (path) => openSync(path, 'a'),
  write(fd, bytes) {
    let written = 0
    while (written < bytes.length) written += writeSync(fd, bytes, written)
  },
  truncate: (fd, sizeBytes) => ftruncateSync(fd, sizeBytes),
  sync: (fd) => fdatasyncSync(fd),
  close: (fd) => closeSync(fd),
  rename(from, to, folder) {
    renameSync(from, to)
    if (process.platform === 'win32') return
    const fd = openSync(folder, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  },
  remove: (path) => rmSync(path, { force: true }),
}

/** OUTPUT_FAILED for a failure of the file system at `path`; errors of ours stay what they are. */
export function outputError(path: string, cause: unknown): StratalogError {
  if (isStratalogError(cause)) return cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  const text = cause instanceof Error ? cause.message : String(cause)
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  return new StratalogError(
    'OUTPUT_FAILED',
    isFull ? `the disk of ${path} is full` : `${path} cannot be written: ${text}`,
    {
      cause,
      metadata: { path, code },
      ...(isFull ? { hint: 'Make room, then resume: files that are complete are kept and not written again.' } : {}),
    },
  )
}
