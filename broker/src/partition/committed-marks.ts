/**
 * Writes down how far the copies of this broker are committed, for those who read the data folder without it: see
 * proto/src/committed-offsets.ts for the file.
 *
 * At most once a second, when a copy has moved, and at a clean stop; all copies in one file, replaced by a rename. It is not
 * synced: it only ever lags, and after a power loss it is the old one, the new one, or not well-formed, which readers see.
 * Invariant: a line names no more than what is committed and durable in this copy.
 * Copies that are not open keep the line that they had: what was committed stays so.
 * Owner: the broker's core.
 */
import { join } from 'node:path'
import {
  COMMITTED_OFFSETS_FILE,
  type CommittedOffsets,
  decodeCommittedOffsets,
  encodeCommittedOffsets,
  encodeCommittedOffsetsLine,
  topicPartitionKey,
} from '@stratalog/proto'
import type { Clock } from '../replication/tick-loop.ts'
import { type FileSystem, fileErrorCode, TEMPORARY_SUFFIX } from '../storage/file-system.ts'
import type { PartitionLogger } from './partition-types.ts'

/** A copy of a partition that is open; Partition is one. */
export interface MarkedCopy {
  readonly topic: string
  /** 16 bytes. */
  readonly topicId: Buffer
  readonly partition: number
  /** End of what is committed and durable here (exclusive). */
  readonly committedEnd: number
  committedBounds(): { readonly logStartOffset: number }
  onAdvance(listener: () => void): unknown
}

/** What the marks are made of. */
export interface CommittedMarksOptions {
  /** The data folder, where the file is. */
  readonly directory: string
  /** Folder of the partitions. */
  readonly topicsDirectory: string
  readonly fileSystem: FileSystem
  readonly clock: Pick<Clock, 'schedule'>
  readonly logger: PartitionLogger
}

/** How long the file may lag behind, ms. */
export const COMMITTED_MARKS_INTERVAL_MS = 1000

/** See the file's header. */
export class CommittedMarks {
  readonly #options: CommittedMarksOptions
  /** By `<topic>-<partition>`, which no two copies share. */
  readonly #lines = new Map<string, string>()
  #moved = new Set<MarkedCopy>()
  #hasChanged = false
  #cancel: (() => void) | null = null
  #writing: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(options: CommittedMarksOptions) {
    this.#options = options
  }

  /**
   * Reads what the last run has left, of folders that are still there; to be called before any copy is open. Never rejects:
   * without it all begins anew.
   */
  async load(): Promise<void> {
    const { fileSystem, topicsDirectory, logger } = this.#options
    try {
      const folders = new Set(await fileSystem.readDirectory(topicsDirectory))
      for (const offsets of decodeCommittedOffsets(await fileSystem.readFile(this.#path)) ?? []) {
        if (folders.has(keyOf(offsets))) this.#lines.set(keyOf(offsets), encodeCommittedOffsetsLine(offsets))
      }
    } catch (error) {
      if (fileErrorCode(error) !== 'ENOENT') logger.warn({ err: error }, 'the committed offsets could not be read')
    }
  }

  /** A copy was opened: whenever it has moved, that is written down. */
  opened(copy: MarkedCopy): void {
    copy.onAdvance(() => this.#onMoved(copy))
    this.#onMoved(copy)
  }

  /** The copy was closed: its line is as it is now. */
  closed(copy: MarkedCopy): void {
    this.#moved.delete(copy)
    this.#note(copy)
  }

  /** The copy is of no use any more, and was closed before. */
  removed(topic: string, partition: number): void {
    const key = topicPartitionKey(topic, partition)
    for (const copy of this.#moved) if (topicPartitionKey(copy.topic, copy.partition) === key) this.#moved.delete(copy)
    this.#hasChanged = this.#lines.delete(key) || this.#hasChanged
  }

  /** Writes what has changed, and nothing from then on. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    await this.#writing
    await this.#write()
  }

  #onMoved(copy: MarkedCopy): void {
    if (this.#isStopped) return
    this.#moved.add(copy)
    this.#cancel ??= this.#options.clock.schedule(COMMITTED_MARKS_INTERVAL_MS, () => this.#onTimer())
  }

  get #path(): string {
    return join(this.#options.directory, COMMITTED_OFFSETS_FILE)
  }

  #onTimer(): void {
    this.#cancel = null
    this.#writing = this.#writing.then(() => this.#write())
  }

  #note(copy: MarkedCopy): void {
    const { topic, topicId, partition, committedEnd } = copy
    const logStartOffset = Math.min(copy.committedBounds().logStartOffset, committedEnd)
    const offsets = { topic, topicId: topicId.toString('hex'), partition, logStartOffset, committedEnd }
    const key = keyOf(offsets)
    const line = encodeCommittedOffsetsLine(offsets)
    if (this.#lines.get(key) === line) return
    this.#lines.set(key, line)
    this.#hasChanged = true
  }

  async #write(): Promise<void> {
    const moved = this.#moved
    this.#moved = new Set()
    for (const copy of moved) this.#note(copy)
    if (!this.#hasChanged) return
    this.#hasChanged = false
    try {
      await this.#replaceFile(encodeCommittedOffsets(this.#lines.values()))
    } catch (error) {
      // It lags a little more; with a full disk, until there is room.
      this.#hasChanged = true
      this.#options.logger.warn({ err: error }, 'the committed offsets could not be written')
    }
  }

  async #replaceFile(bytes: Buffer): Promise<void> {
    const { fileSystem } = this.#options
    const temporary = `${this.#path}${TEMPORARY_SUFFIX}`
    const file = await fileSystem.open(temporary, { create: true })
    try {
      await file.truncate(0)
      await file.write([bytes], 0)
    } finally {
      await file.close()
    }
    await fileSystem.rename(temporary, this.#path)
  }
}

function keyOf({ topic, partition }: CommittedOffsets): string {
  return topicPartitionKey(topic, partition)
}
