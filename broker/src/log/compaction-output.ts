/**
 * The compacted file of a segment while it is written, beside the one that it is to replace.
 *
 * Its name ends in `.tmp`: what a crash leaves of it is removed at the next start. Nothing but the round that writes it
 * knows of it before it is renamed.
 */
import { lastOffsetOf, sizeOf } from '@stratalog/proto/records'
import { type FileHandle, TEMPORARY_SUFFIX } from '../storage/file-system.ts'
import type { LogCore } from './log-core.ts'
import { LogCompactionError } from './log-errors.ts'
import { Segment } from './segment.ts'

/** See the file's header. Owner: a round of compaction. */
export class CompactionOutput {
  readonly path: string
  /** What the segment will be, its indexes in memory. */
  readonly fresh: Segment
  readonly #core: LogCore
  readonly #file: FileHandle
  #isOpen = true

  private constructor(core: LogCore, path: string, fresh: Segment, file: FileHandle) {
    this.#core = core
    this.path = path
    this.fresh = fresh
    this.#file = file
  }

  /** Begins an empty file beside the segment's. */
  static async begin(core: LogCore, segment: Segment): Promise<CompactionOutput> {
    const path = segment.logPath + TEMPORARY_SUFFIX
    const fresh = Segment.empty(core.directory, segment.baseOffset, core.openFiles, segment.revision + 1)
    const file = await core.fileSystem.open(path, { create: true })
    const output = new CompactionOutput(core, path, fresh, file)
    try {
      await file.truncate(0)
      return output
    } catch (error) {
      await output.discard()
      throw error
    }
  }

  /** Adds whole batches that go on where the last one ended. Durability: page cache. */
  async append(bytes: Buffer): Promise<void> {
    const { fresh } = this
    const { config, options } = this.#core
    const startBytes = fresh.sizeBytes
    const nowMs = options.clock.nowMs()
    for (let at = 0; at < bytes.length; at += sizeOf(bytes, at)) {
      const lastOffset = lastOffsetOf(bytes, at)
      if (!fresh.canHold(lastOffset)) {
        throw new LogCompactionError(fresh.logPath, lastOffset, 'what is left of it is too large for a segment')
      }
      fresh.noteBatch(bytes, at, config.indexIntervalBytes, nowMs)
    }
    await this.#file.write([bytes], startBytes)
  }

  /** Makes the bytes durable and closes the file. */
  async sync(): Promise<void> {
    await this.#file.datasync()
    await this.#close()
  }

  /** Closes and removes the file, unless it has been renamed. What cannot be removed now is at the next start. */
  async discard(): Promise<void> {
    const { fileSystem } = this.#core
    try {
      await this.#close()
      if (await fileSystem.exists(this.path)) await fileSystem.remove(this.path)
    } catch {
      // The folder is gone, or the disk will not have it: the error that led here says more.
    }
  }

  async #close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    await this.#file.close()
  }
}
