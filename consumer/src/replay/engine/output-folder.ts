/**
 * The folder of a replay: begun when it is empty, gone on with when it holds the checkpoint of the same replay, and left
 * alone otherwise.
 *
 * Owner: one replay at a time, which folder-lock.ts sees to.
 */
import { isDeepStrictEqual } from 'node:util'
import { StratalogError } from '@stratalog/proto'
import type { ReplayManifest } from '../manifest.ts'
import { CHECKPOINT_FILE, LOCK_FILE, REJECTS_FOLDER, SUCCESS_FILE, SUMMARY_FILE } from '../sinks/file-names.ts'
import { type OutputFiles, outputError } from '../sinks/output-files.ts'
import { TEMPORARY_ENDING, type WrittenFile } from '../sinks/split-file.ts'
import { FolderLock, NODE_PROCESSES, type Processes } from './folder-lock.ts'
import { damaged, Journal, type JournalEntry, type JournalHeader, type LoadedJournal } from './journal.ts'

/** See the file's header. */
export class OutputFolder {
  readonly path: string
  readonly #files: OutputFiles
  readonly #processes: Processes
  #journal: Journal | null = null
  #lock: FolderLock | null = null

  constructor(files: OutputFiles, path: string, processes: Processes = NODE_PROCESSES) {
    this.#files = files
    this.path = path
    this.#processes = processes
  }

  /**
   * Looks what is there. @returns the replay to go on with, or null to begin one.
   *
   * Errors: OUTPUT_EXISTS unless the folder is empty or, with `resume`, holds a checkpoint; OUTPUT_IN_USE;
   * CHECKPOINT_DAMAGED.
   */
  find(resume: boolean): LoadedJournal | null {
    const { path } = this
    const names = this.#named(() => (this.#files.exists(path) ? this.#files.list(path).map(({ name }) => name) : []))
    const hasJournal = names.includes(CHECKPOINT_FILE)
    if (resume && hasJournal) {
      this.#lock = FolderLock.take(this.#files, path, this.#processes)
      const loaded = Journal.load(this.#files, path)
      this.#journal = loaded?.journal ?? null
      for (const entry of loaded?.entries ?? []) this.#checkFiles(entry)
      return loaded
    }
    // A checkpoint that was never finished is all that a replay leaves before its first file.
    const others = names.filter((name) => name !== CHECKPOINT_FILE + TEMPORARY_ENDING && name !== LOCK_FILE)
    if (others.length === 0) return null
    throw new StratalogError('OUTPUT_EXISTS', `${path} is not empty: it holds ${others.slice(0, 3).join(', ')}`, {
      metadata: { path },
      hint: hasJournal
        ? 'It holds a replay that was begun: resume it, or give another folder.'
        : 'Give a folder that is empty or does not exist.',
    })
  }

  /** Begins a replay. Errors: OUTPUT_FAILED. */
  begin(header: JournalHeader): void {
    this.#named(() => this.#files.makeFolder(this.path))
    this.#lock = FolderLock.take(this.#files, this.path, this.#processes)
    this.#journal = Journal.create(this.#files, this.path, header)
  }

  /** Removes what a run that was killed left unfinished. Errors: OUTPUT_FAILED. */
  clean(manifest: ReplayManifest): void {
    for (const { topic, partitions } of manifest.topics) {
      for (const { partition } of partitions) {
        const place = `topic=${topic}/part=${partition}`
        for (const folder of [`${this.path}/${place}`, `${this.path}/${REJECTS_FOLDER}/${place}`]) {
          this.#named(() => this.#removeTemporaries(folder))
        }
      }
    }
  }

  /** Notes a split that is done. Errors: OUTPUT_FAILED. */
  append(entry: JournalEntry): void {
    this.#journal?.append(entry)
  }

  /** Writes the summary and the mark that the output is whole. Errors: OUTPUT_FAILED. */
  complete(summary: unknown): void {
    this.#write(SUMMARY_FILE, `${JSON.stringify(summary, null, 2)}\n`)
    this.#write(SUCCESS_FILE, '')
  }

  close(): void {
    this.#journal?.close()
    this.#journal = null
    this.#lock?.release()
    this.#lock = null
  }

  #checkFiles({ file, rejects }: JournalEntry): void {
    for (const each of [file, rejects]) if (each !== null) this.#checkFile(each)
  }

  #checkFile({ path, bytes }: WrittenFile): void {
    const whole = `${this.path}/${path}`
    if (!this.#files.exists(whole)) throw damaged(whole, 'the checkpoint names it, but it is gone')
    const sizeBytes = this.#named(() => this.#files.sizeOf(whole))
    if (sizeBytes !== bytes) throw damaged(whole, `it has ${sizeBytes} bytes, ${bytes} were written`)
  }

  #removeTemporaries(folder: string): void {
    if (!this.#files.exists(folder)) return
    for (const { name, isFolder } of this.#files.list(folder)) {
      if (!isFolder && name.endsWith(TEMPORARY_ENDING)) this.#files.remove(`${folder}/${name}`)
    }
  }

  #write(name: string, text: string): void {
    const path = `${this.path}/${name}`
    this.#named(() => {
      const fd = this.#files.create(path + TEMPORARY_ENDING)
      try {
        this.#files.write(fd, Buffer.from(text))
        this.#files.sync(fd)
      } finally {
        this.#files.close(fd)
      }
      this.#files.rename(path + TEMPORARY_ENDING, path, this.path)
    })
  }

  #named<T>(step: () => T): T {
    try {
      return step()
    } catch (error) {
      throw outputError(this.path, error)
    }
  }
}

/**
 * Whether a replay may go on with a checkpoint.
 *
 * Errors: CHECKPOINT_MISMATCH saying what differs.
 */
export function checkSameReplay(
  folder: string,
  found: JournalHeader,
  manifest: ReplayManifest | null,
  asked: unknown,
): void {
  const mismatch = (message: string): StratalogError =>
    new StratalogError('CHECKPOINT_MISMATCH', `the checkpoint in ${folder} is of another replay: ${message}`, {
      metadata: { path: folder },
    })
  if (manifest !== null && manifest.id !== found.manifest.id) {
    const mine = topicsOf(manifest)
    const theirs = topicsOf(found.manifest)
    throw mismatch(mine === theirs ? `of ${theirs}, but with other offsets or pieces` : `of ${theirs}, not ${mine}`)
  }
  const then = found.asked as Readonly<Record<string, unknown>>
  const now = JSON.parse(JSON.stringify(asked)) as Readonly<Record<string, unknown>>
  for (const name of new Set([...Object.keys(then), ...Object.keys(now)])) {
    if (isDeepStrictEqual(then[name], now[name])) continue
    throw mismatch(
      `${name} was ${JSON.stringify(then[name]) ?? 'not given'}, and is ${JSON.stringify(now[name]) ?? 'not given'}`,
    )
  }
}

function topicsOf({ topics }: ReplayManifest): string {
  return topics.map(({ topic, topicId }) => `${topic} (${topicId})`).join(', ')
}
