/**
 * Where the bytes of `stratalog produce` come from: a file or standard input, in chunks of a size that keeps the calls few.
 */
import { open } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import { fileError, usageError } from '../command-error.ts'

const CHUNK_BYTES = 256 * 1024

/** A stream of bytes and, for a plain file, how many there are. */
export interface InputSource {
  readonly chunks: AsyncIterable<Buffer>
  /** `null` when it cannot be known beforehand. */
  readonly totalBytes: number | null
}

/**
 * Opens the file at `path`, or standard input; `signal` makes the reading throw. Errors: `FILE_NOT_FOUND`,
 * `FILE_UNREADABLE`, `USAGE` for a folder.
 */
export async function openInput(path: string | undefined, signal: AbortSignal): Promise<InputSource> {
  if (path === undefined) {
    if (process.stdin.isTTY) {
      process.stderr.write('type one record a line; end with Ctrl-D\n')
    }
    return { chunks: addAbortSignal(signal, process.stdin), totalBytes: null }
  }
  try {
    const file = await open(path, 'r')
    const stats = await file.stat()
    if (stats.isDirectory()) throw usageError(`${path} is a folder`, 'give the path of a file')
    const chunks = addAbortSignal(signal, file.createReadStream({ highWaterMark: CHUNK_BYTES }))
    return { chunks, totalBytes: stats.isFile() ? stats.size : null }
  } catch (error) {
    if (error instanceof Error && 'errno' in error) throw fileError(path, error)
    throw error
  }
}
