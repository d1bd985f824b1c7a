/**
 * Companion snapshots: `<20-digit offset>.snapshot` files with what the log's owner wants to find again at start.
 *
 * Form: CRC-32C of the rest, uint32 big endian, then the owner's bytes. A file is written atomically; one that does
 * not check out counts as missing. Invariant: no companion lies beyond the log's end, for it describes all batches
 * below its offset. Owner: the log's writer loop.
 */
import type { Offset } from '@stratalog/proto'
import { crc32c } from '@stratalog/proto/records'
import type { FileSystem } from '../storage/file-system.ts'
import { parseSegmentFileName, segmentFilePath } from './file-names.ts'
import type { Companion } from './log-core.ts'

const CRC_BYTES = 4
/** Snapshots to keep: the newest may lie beyond the flushed end when the host stops. */
const KEEP_COUNT = 3

/** The snapshots of one log. */
export class CompanionStore {
  readonly #directory: string
  readonly #fileSystem: FileSystem
  /** Offsets of the files, ascending. */
  #offsets: Offset[]

  /** @param names names of the files in the folder. */
  constructor(directory: string, fileSystem: FileSystem, names: readonly string[]) {
    this.#directory = directory
    this.#fileSystem = fileSystem
    this.#offsets = names
      .map(parseSegmentFileName)
      .filter((name) => name?.kind === 'snapshot')
      .map((name) => name!.offset)
      .sort((left, right) => left - right)
  }

  /** Offsets of the snapshots, ascending. */
  get offsets(): readonly Offset[] {
    return this.#offsets
  }

  /** Writes a snapshot and removes the oldest beyond the few that are kept. Durable when it resolves. */
  async save(offset: Offset, bytes: Buffer): Promise<void> {
    const crc = Buffer.alloc(CRC_BYTES)
    crc.writeUInt32BE(crc32c(bytes))
    await this.#fileSystem.writeFileAtomic(this.#path(offset), Buffer.concat([crc, bytes]))
    if (!this.#offsets.includes(offset)) this.#offsets = [...this.#offsets, offset].sort((left, right) => left - right)
    while (this.#offsets.length > KEEP_COUNT) {
      await this.#fileSystem.remove(this.#path(this.#offsets[0]!))
      this.#offsets = this.#offsets.slice(1)
    }
  }

  /** The newest sound snapshot at or below `offset`, or null. */
  async newestAt(offset: number): Promise<Companion | null> {
    for (const candidate of this.#offsets.toReversed()) {
      if (candidate > offset) continue
      const file = await this.#fileSystem.readFile(this.#path(candidate))
      const bytes = file.subarray(CRC_BYTES)
      if (file.length >= CRC_BYTES && file.readUInt32BE(0) === crc32c(bytes)) return { offset: candidate, bytes }
    }
    return null
  }

  /** Removes snapshots beyond `endOffset`. Returns whether there were any; the folder is the caller's to sync. */
  async removeBeyond(endOffset: number): Promise<boolean> {
    const before = this.#offsets.length
    for (const offset of this.#offsets.filter((candidate) => candidate > endOffset)) {
      await this.#fileSystem.remove(this.#path(offset))
    }
    this.#offsets = this.#offsets.filter((offset) => offset <= endOffset)
    return this.#offsets.length < before
  }

  #path(offset: Offset): string {
    return segmentFilePath(this.#directory, offset, 'snapshot')
  }
}
