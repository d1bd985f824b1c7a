/**
 * Prints what is in segment files: the reading half of `stratalog segment dump`.
 *
 * Works on one `.log`, `.index` or `.timeindex` file or on a partition's folder, opens everything for reading only,
 * and may be pointed at a running broker's data: a batch that is being written shows as the incomplete end of the
 * last file.
 */
import { basename, join } from 'node:path'
import { isStratalogError } from '@stratalog/proto'
import {
  type BatchHeader,
  decodeBatch,
  type LogRecord,
  readBatchHeader,
  verifyBatchCrc,
} from '@stratalog/proto/records'
import { type FileSystem, fileErrorCode } from '../storage/file-system.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { scanChunks } from './batch-scan.ts'
import { parseSegmentFileName, type SegmentFileKind } from './file-names.ts'
import { OFFSET_INDEX_ENTRY_BYTES, readOffsetIndexEntry } from './offset-index.ts'
import { readTimeIndexEntry, TIME_INDEX_ENTRY_BYTES } from './time-index.ts'

/** What {@link dumpSegment} yields, in file order. */
export type SegmentDumpEntry =
  | { readonly kind: 'file'; readonly path: string; readonly sizeBytes: number }
  | {
      readonly kind: 'batch'
      readonly path: string
      /** First byte in the file. */
      readonly position: number
      readonly header: BatchHeader
      readonly crcMatches: boolean
      /** Only when asked for, and null when they cannot be decoded; valid until the next entry is asked for. */
      readonly records: Iterable<LogRecord> | null
      readonly recordsFault: string | null
    }
  | { readonly kind: 'index-entry'; readonly path: string; readonly lastOffset: number; readonly position: number }
  | {
      readonly kind: 'timeindex-entry'
      readonly path: string
      readonly timestamp: number
      readonly lastOffset: number
    }
  /** The rest of the file is not a batch. */
  | {
      readonly kind: 'incomplete'
      readonly path: string
      readonly position: number
      readonly sizeBytes: number
      readonly reason: string
    }

/** Options of {@link dumpSegment}. */
export interface SegmentDumpOptions {
  /** Default the real one. */
  readonly fileSystem?: FileSystem
  /** Also decodes the records of each batch. Default false. */
  readonly records?: boolean
}

/** A segment file, or one of its indexes. */
export interface SegmentPath {
  readonly path: string
  readonly baseOffset: number
  readonly kind: Exclude<SegmentFileKind, 'snapshot'>
}

/** Not a segment file, an index file, or a folder that holds some. */
export class NotASegmentError extends Error {
  override readonly name = 'NotASegmentError'
  readonly code = 'NOT_A_SEGMENT'
  readonly path: string

  constructor(path: string) {
    super(`${path} is neither a .log, .index or .timeindex file named by its base offset, nor a folder with such files`)
    this.path = path
  }
}

/**
 * The segment files that `path` names: itself, or those in the folder, by base offset, `.log` first.
 *
 * Errors: NOT_A_SEGMENT; those of the file system.
 */
export async function segmentPaths(path: string, fileSystem: FileSystem): Promise<SegmentPath[]> {
  const own = parseSegmentFileName(basename(path))
  if (own !== null && own.kind !== 'snapshot') return [{ path, baseOffset: own.offset, kind: own.kind }]
  const found: SegmentPath[] = []
  for (const name of await listFolder(path, fileSystem)) {
    const file = parseSegmentFileName(name)
    if (file === null || file.kind === 'snapshot') continue
    found.push({ path: join(path, name), baseOffset: file.offset, kind: file.kind })
  }
  if (found.length === 0) throw new NotASegmentError(path)
  const order = { log: 0, index: 1, timeindex: 2 }
  return found.sort((left, right) => left.baseOffset - right.baseOffset || order[left.kind] - order[right.kind])
}

async function listFolder(path: string, fileSystem: FileSystem): Promise<string[]> {
  try {
    return await fileSystem.readDirectory(path)
  } catch (error) {
    if (fileErrorCode(error) === 'ENOTDIR') throw new NotASegmentError(path)
    throw error
  }
}

/** Yields the content of a segment file, an index file, or all of a partition's folder. */
export async function* dumpSegment(path: string, options: SegmentDumpOptions = {}): AsyncGenerator<SegmentDumpEntry> {
  const fileSystem = options.fileSystem ?? new NodeFileSystem()
  for (const file of await segmentPaths(path, fileSystem)) {
    yield { kind: 'file', path: file.path, sizeBytes: await fileSystem.size(file.path) }
    if (file.kind === 'log') yield* dumpLog(file.path, fileSystem, options.records ?? false)
    else yield* dumpIndex(file, await fileSystem.readFile(file.path))
  }
}

async function* dumpLog(path: string, fileSystem: FileSystem, records: boolean): AsyncGenerator<SegmentDumpEntry> {
  const file = await fileSystem.open(path, { readonly: true })
  try {
    const sizeBytes = await file.size()
    const chunks = scanChunks(file, 0, sizeBytes)
    for (;;) {
      const { done, value } = await chunks.next()
      if (!done) {
        for (const at of value.starts) yield await describeBatch(path, value.buffer, at, value.position + at, records)
        continue
      }
      const { position, reason } = value
      if (reason !== null) yield { kind: 'incomplete', path, position, sizeBytes: sizeBytes - position, reason }
      return
    }
  } finally {
    await file.close()
  }
}

async function describeBatch(
  path: string,
  buffer: Buffer,
  at: number,
  position: number,
  withRecords: boolean,
): Promise<SegmentDumpEntry> {
  const header = readBatchHeader(buffer, at)
  const crcMatches = verifyBatchCrc(buffer, at, header.sizeBytes)
  const entry = { kind: 'batch', path, position, header, crcMatches } as const
  if (!withRecords) return { ...entry, records: null, recordsFault: null }
  try {
    return { ...entry, records: await decodeBatch(buffer, at), recordsFault: null }
  } catch (error) {
    if (!isStratalogError(error)) throw error
    return { ...entry, records: null, recordsFault: error.message }
  }
}

function* dumpIndex(file: SegmentPath, bytes: Buffer): Generator<SegmentDumpEntry> {
  const { path, baseOffset } = file
  const entryBytes = file.kind === 'index' ? OFFSET_INDEX_ENTRY_BYTES : TIME_INDEX_ENTRY_BYTES
  const wholeBytes = bytes.length - (bytes.length % entryBytes)
  for (let at = 0; at < wholeBytes; at += entryBytes) {
    if (file.kind === 'index') yield { kind: 'index-entry', path, ...readOffsetIndexEntry(bytes, at, baseOffset) }
    else yield { kind: 'timeindex-entry', path, ...readTimeIndexEntry(bytes, at, baseOffset) }
  }
  if (wholeBytes < bytes.length) {
    const reason = `an entry has ${entryBytes} bytes`
    yield { kind: 'incomplete', path, position: wholeBytes, sizeBytes: bytes.length - wholeBytes, reason }
  }
}
