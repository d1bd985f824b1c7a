/**
 * The port through which the broker touches a disk.
 *
 * Every method names what is durable once it returns, because that is what the log's promises stand on: writes reach
 * the page cache only, `datasync` makes a file's bytes durable, `syncDirectory` makes names durable. Errors carry
 * Node's `code` (ENOENT, EEXIST, ENOSPC, EIO). Implementations: `NodeFileSystem`, and `FakeFileSystem` with faults;
 * both pass the suite in file-system-conformance.ts.
 */

/** How {@link FileSystem.open} opens a file. */
export interface OpenOptions {
  /** Creates the file when it is missing. Default false: a missing file is ENOENT. */
  readonly create?: boolean
  /** Opens for reading only; writes are then EBADF. Default false. */
  readonly readonly?: boolean
}

/** An open file. Never two writes at a time on one handle; reads may run beside a write. */
export interface FileHandle {
  readonly path: string
  /**
   * Fills `buffer` from `position` (bytes from the file's start).
   *
   * @returns bytes read; fewer than the buffer holds only at the end of the file.
   */
  read(buffer: Uint8Array, position: number): Promise<number>
  /** Writes all buffers one after another from `position`. Durability: page cache. A failure may leave a prefix. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>
  /** As {@link write}, on the calling thread: for small writes, which the page cache takes in microseconds. */
  writeSync(buffers: readonly Uint8Array[], position: number): void
  /** Makes bytes and size durable. After a failure the caller must treat the file as lost and never ask again. */
  datasync(): Promise<void>
  /** Cuts or extends (with zeros) to `length` bytes. Durability: page cache. */
  truncate(length: number): Promise<void>
  /** Bytes in the file. */
  size(): Promise<number>
  close(): Promise<void>
}

/** Files and folders. Paths are absolute or relative to the process, with the platform's separator. */
export interface FileSystem {
  open(path: string, options?: OpenOptions): Promise<FileHandle>
  /** Names in the folder, sorted; ENOENT when it is missing. */
  readDirectory(path: string): Promise<string[]>
  /** Creates the folder and its parents; no error when it exists. Durability: none of its own. */
  makeDirectory(path: string): Promise<void>
  /** Removes a file; ENOENT when it is missing. Durable after {@link syncDirectory} of its folder. */
  remove(path: string): Promise<void>
  /** Removes a folder with all that is in it; no error when it is missing. */
  removeDirectory(path: string): Promise<void>
  /** Atomic; replaces a file at `to`. Durable after {@link syncDirectory} of the folder. */
  rename(from: string, to: string): Promise<void>
  exists(path: string): Promise<boolean>
  /** Size of a file in bytes; ENOENT when it is missing. */
  size(path: string): Promise<number>
  readFile(path: string): Promise<Buffer>
  /**
   * Replaces the file's content: after a crash either the old or the new content is there, whole.
   *
   * Durability: content and name are synced when it resolves (temporary file, fsync, rename, folder sync).
   */
  writeFileAtomic(path: string, bytes: Uint8Array): Promise<void>
  /** Makes the names in the folder durable. */
  syncDirectory(path: string): Promise<void>
}

/** Suffix of the temporary file of {@link FileSystem.writeFileAtomic}; leftovers of a crash may be removed. */
export const TEMPORARY_SUFFIX = '.tmp'

/** The `code` of a file system error, or null. */
export function fileErrorCode(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}

/** Whether the disk, or the user's share of it, is full. */
export function isDiskFull(error: unknown): boolean {
  const code = fileErrorCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}
