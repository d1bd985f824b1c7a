/**
 * The checkpoint of a replay: a line with the plan and the form of the output, then a line for each split that is done.
 *
 * Durability: once `create` or `append` returns, the line survives a power loss; the file of a split is durable before its
 * line is. A line that was being written when the power went is the last one and is cut off: its split is read again.
 * Errors: OUTPUT_FAILED; CHECKPOINT_DAMAGED for anything else that is not as it was written.
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import type { ReplayManifest } from '../manifest.ts'
import { CHECKPOINT_FILE } from '../sinks/file-names.ts'
import { NODE_OUTPUT_FILES, type OutputFiles, outputError } from '../sinks/output-files.ts'
import { TEMPORARY_ENDING } from '../sinks/split-file.ts'
import type { SplitResult } from './thread-messages.ts'

const FORMAT = 'stratalog-replay-checkpoint'
const VERSION = 1

/** What the first line says. Plain JSON. */
export interface JournalHeader {
  readonly manifest: ReplayManifest
  /** What was asked for, as the replay compares it on a resume. */
  readonly asked: unknown
  /** What it was resolved to, such as an inferred schema. */
  readonly resolved: unknown
  readonly startedAtMs: number
}

/** A split that is done, and what the sink wants to know of it after a resume. */
export interface JournalEntry extends SplitResult {
  readonly sinkState?: unknown
}

/** A journal as it was found. */
export interface LoadedJournal {
  readonly journal: Journal
  readonly header: JournalHeader
  /** In the order in which they were done. */
  readonly entries: readonly JournalEntry[]
}

/** See the file's header. */
export class Journal {
  readonly #files: OutputFiles
  readonly #path: string
  readonly #fd: number

  private constructor(files: OutputFiles, path: string) {
    this.#files = files
    this.#path = path
    this.#fd = named(path, () => files.openForAppend(path))
  }

  /** Begins one; its folder exists. */
  static create(files: OutputFiles, folder: string, header: JournalHeader): Journal {
    const path = `${folder}/${CHECKPOINT_FILE}`
    named(path, () => {
      const temporaryPath = path + TEMPORARY_ENDING
      const fd = files.create(temporaryPath)
      try {
        files.write(fd, lineOf({ format: FORMAT, version: VERSION, ...header }))
        files.sync(fd)
      } finally {
        files.close(fd)
      }
      files.rename(temporaryPath, path, folder)
    })
    return new Journal(files, path)
  }

  /** Goes on with the one in the folder, or null when there is none. */
  static load(files: OutputFiles, folder: string): LoadedJournal | null {
    const path = `${folder}/${CHECKPOINT_FILE}`
    if (!files.exists(path)) return null
    const bytes = named(path, () => files.read(path))
    const { header, entries, soundBytes } = parse(path, bytes)
    const journal = new Journal(files, path)
    if (soundBytes < bytes.length) named(path, () => files.truncate(journal.#fd, soundBytes))
    return { journal, header, entries }
  }

  /** Adds a split. */
  append(entry: JournalEntry): void {
    named(this.#path, () => {
      this.#files.write(this.#fd, lineOf(entry))
      this.#files.sync(this.#fd)
    })
  }

  close(): void {
    this.#files.close(this.#fd)
  }
}

/** What a checkpoint says of the replay that was begun in a folder. */
export interface ReplayCheckpoint {
  readonly manifest: ReplayManifest
  /** `request` of the options that it was begun with. */
  readonly request: Readonly<Record<string, unknown>>
  readonly startedAtMs: number
  readonly doneSplitIds: readonly string[]
}

/** Looks without touching; null when there is none. Errors: CHECKPOINT_DAMAGED, OUTPUT_FAILED when it cannot be read. */
export function readCheckpoint(folder: string, files: OutputFiles = NODE_OUTPUT_FILES): ReplayCheckpoint | null {
  const path = `${folder}/${CHECKPOINT_FILE}`
  if (!files.exists(path)) return null
  const { header, entries } = parse(
    path,
    named(path, () => files.read(path)),
  )
  const { manifest, startedAtMs } = header
  const { request = {} } = header.asked as { readonly request?: Readonly<Record<string, unknown>> }
  return { manifest, request, startedAtMs, doneSplitIds: entries.map(({ splitId }) => splitId) }
}

function parse(path: string, bytes: Buffer): { header: JournalHeader; entries: JournalEntry[]; soundBytes: number } {
  const lines: unknown[] = []
  let start = 0
  let soundBytes = 0
  while (start < bytes.length) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline === -1 ? bytes.length : newline
    const line = newline === -1 ? undefined : parsed(bytes.toString('utf8', start, end))
    if (line === undefined) {
      const isLast = newline === -1 || newline === bytes.length - 1
      if (isLast && lines.length > 0) break
      throw damaged(path, `line ${lines.length + 1} is no JSON`)
    }
    lines.push(line)
    start = end + 1
    soundBytes = start
  }
  const [header, ...entries] = lines
  return { header: checkedHeader(path, header), entries: checkedEntries(path, entries), soundBytes }
}

function checkedHeader(path: string, line: unknown): JournalHeader {
  const header = line as (JournalHeader & { readonly format: string; readonly version: number }) | undefined
  if (header?.format !== FORMAT) throw damaged(path, 'it is no checkpoint of a replay')
  if (header.version !== VERSION) throw damaged(path, `it has version ${header.version}, this one reads ${VERSION}`)
  return header
}

function checkedEntries(path: string, lines: readonly unknown[]): JournalEntry[] {
  const byId = new Map<string, JournalEntry>()
  for (const line of lines as readonly JournalEntry[]) {
    if (typeof line?.splitId !== 'string') throw damaged(path, 'a line names no split')
    byId.set(line.splitId, line)
  }
  return [...byId.values()]
}

/** CHECKPOINT_DAMAGED for the file at `path`. */
export function damaged(path: string, why: string): StratalogError {
  return new StratalogError('CHECKPOINT_DAMAGED', `${path}: ${why}`, { metadata: { path } })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function lineOf(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`)
}

function named<T>(path: string, step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw isStratalogError(error) ? error : outputError(path, error)
  }
}
