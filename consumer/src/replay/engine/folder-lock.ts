/**
 * Keeps two replays on one machine out of one folder: a file that names the process, which counts for as long as that
 * process lives.
 *
 * It is a guard against mistakes, not what correctness stands on: files have temporary names of their own, so that even two
 * replays in one folder (on two hosts, say, where nobody can tell whether the other lives) write whole files of equal content.
 */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { LOCK_FILE } from '../sinks/file-names.ts'
import { type OutputFiles, outputError } from '../sinks/output-files.ts'

/** Who holds a folder. */
export interface LockOwner {
  readonly pid: number
  readonly host: string
  /** Tells a process from a later one of the same number; null where the system does not say. */
  readonly startedAt: string | null
}

/** What is known of processes. */
export interface Processes {
  readonly self: LockOwner
  isAlive(owner: LockOwner): boolean
}

/** Of this machine. */
export const NODE_PROCESSES: Processes = {
  self: { pid: process.pid, host: hostname(), startedAt: startTimeOf(process.pid) },
  isAlive({ pid, host, startedAt }) {
    if (host !== hostname()) return false
    try {
      process.kill(pid, 0)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false
    }
    return startTimeOf(pid) === startedAt
  },
}

/** A held folder. */
export class FolderLock {
  readonly #files: OutputFiles
  readonly #path: string

  private constructor(files: OutputFiles, path: string) {
    this.#files = files
    this.#path = path
  }

  /** Takes the folder, which exists. Errors: OUTPUT_IN_USE naming the process; OUTPUT_FAILED. */
  static take(files: OutputFiles, folder: string, processes: Processes = NODE_PROCESSES): FolderLock {
    const path = `${folder}/${LOCK_FILE}`
    try {
      if (files.exists(path)) {
        const owner = ownerIn(files.read(path))
        if (owner !== null && processes.isAlive(owner)) throw inUse(folder, owner)
        files.remove(path)
      }
      const fd = files.createNew(path)
      files.write(fd, Buffer.from(`${JSON.stringify(processes.self)}\n`))
      files.close(fd)
      return new FolderLock(files, path)
    } catch (error) {
      throw isStratalogError(error) ? error : outputError(path, error)
    }
  }

  /** Gives it back. Does not throw: what is left is of a process that is gone. */
  release(): void {
    try {
      this.#files.remove(this.#path)
    } catch {
      // See above.
    }
  }
}

function ownerIn(bytes: Buffer): LockOwner | null {
  try {
    const owner = JSON.parse(bytes.toString('utf8')) as LockOwner
    return Number.isSafeInteger(owner.pid) && owner.pid > 0 && typeof owner.host === 'string' ? owner : null
  } catch {
    // It was killed while it wrote this.
    return null
  }
}

function inUse(folder: string, { pid, host }: LockOwner): StratalogError {
  return new StratalogError('OUTPUT_IN_USE', `${folder} is being written by process ${pid}`, {
    metadata: { path: folder, pid: String(pid), host },
  })
}

/** Field 22 of /proc/PID/stat: ticks since the machine started. The name before it, in brackets, may hold anything. */
function startTimeOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}
