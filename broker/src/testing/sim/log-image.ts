/**
 * The batches in a partition's folder, read from its segment files behind the broker's back.
 *
 * It follows the files as they grow, and begins anew when bytes were cut or changed. The `durable` layer is what a power
 * loss that keeps nothing unsynced would leave, the `content` layer what a reader sees.
 */
import { join } from 'node:path'
import { invariant } from '@stratalog/proto'
import {
  baseOffsetOf,
  baseSequenceOf,
  isControl,
  lastOffsetOf,
  leaderEpochOf,
  producerEpochOf,
  producerIdOf,
  recordCountOf,
  sizeOf,
} from '@stratalog/proto/records'
import type { FakeInode } from '../fake-disk.ts'
import type { FakeFileSystem } from '../fake-file-system.ts'

/** What the checks need of a batch. */
export interface SeenBatch {
  readonly base: number
  /** Exclusive. */
  readonly end: number
  readonly epoch: number
  /** Checksum that the batch carries; it covers everything that a producer sent. */
  readonly crc: number
  readonly isControl: boolean
  readonly producerId: number | null
  readonly producerEpoch: number | null
  readonly baseSequence: number | null
  readonly recordCount: number
}

const CRC_POSITION = 17
const HEADER_BYTES = 61

/** Reads a batch's header. */
export function seeBatch(bytes: Buffer, position: number): SeenBatch {
  return {
    base: baseOffsetOf(bytes, position),
    end: lastOffsetOf(bytes, position) + 1,
    epoch: leaderEpochOf(bytes, position),
    crc: bytes.readUInt32BE(position + CRC_POSITION),
    isControl: isControl(bytes, position),
    producerId: producerIdOf(bytes, position),
    producerEpoch: producerEpochOf(bytes, position),
    baseSequence: baseSequenceOf(bytes, position),
    recordCount: recordCountOf(bytes, position),
  }
}

interface SegmentFile {
  readonly path: string
  readonly inode: FakeInode
  readonly rewriteCount: number
  position: number
}

/** See the file's header. */
export class LogImage {
  /** Ascending; contiguous as long as the log is sound. */
  readonly batches: SeenBatch[] = []
  readonly directory: string
  readonly #fileSystem: FakeFileSystem
  readonly #layer: 'content' | 'durable'
  #files: SegmentFile[] = []
  #nameChangeCount = -1

  constructor(fileSystem: FakeFileSystem, directory: string, layer: 'content' | 'durable') {
    this.#fileSystem = fileSystem
    this.directory = directory
    this.#layer = layer
  }

  /** Exclusive end of the log; 0 when there is none. Call {@link refresh} first. */
  get end(): number {
    return this.batches.at(-1)?.end ?? 0
  }

  /** Whether it is an image of this file system; a crash makes another one. */
  isOf(fileSystem: FakeFileSystem): boolean {
    return this.#fileSystem === fileSystem
  }

  /** Takes in what has changed. Returns false when it had to begin anew: bytes were cut or changed. */
  refresh(): boolean {
    const grown = this.#isGrown()
    if (!grown) {
      this.#files = []
      this.#nameChangeCount = -1
      this.batches.length = 0
    }
    this.#findFiles()
    for (const file of this.#files.slice(
      Math.max(
        0,
        this.#files.findLastIndex((each) => each.position > 0),
      ),
    )) {
      this.#read(file)
    }
    return grown
  }

  /** The batch that begins at that offset. */
  batchAt(base: number): SeenBatch | null {
    const at = this.indexAt(base)
    const batch = this.batches[at]
    return batch !== undefined && batch.base === base ? batch : null
  }

  /** Index of the first batch that ends behind `offset`. */
  indexAt(offset: number): number {
    let low = 0
    let high = this.batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.batches[middle]!.end <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #isGrown(): boolean {
    return this.#files.every(
      ({ path, inode, rewriteCount }) => inode.rewriteCount === rewriteCount && this.#fileSystem.inode(path) === inode,
    )
  }

  #findFiles(): void {
    if (this.#nameChangeCount === this.#fileSystem.nameChangeCount) return
    this.#nameChangeCount = this.#fileSystem.nameChangeCount
    const known = new Set(this.#files.map(({ path }) => path))
    for (const name of this.#fileSystem.namesIn(this.directory)) {
      const path = join(this.directory, name)
      if (!name.endsWith('.log') || known.has(path)) continue
      if (this.#layer === 'durable' && !this.#fileSystem.isNameDurable(path)) {
        // It may become durable without another change of names.
        this.#nameChangeCount = -1
        continue
      }
      const inode = this.#fileSystem.inode(path)
      invariant(inode !== null, () => `${path} is no file`)
      this.#files.push({ path, inode, rewriteCount: inode.rewriteCount, position: 0 })
    }
  }

  #read(file: SegmentFile): void {
    const bytes = this.#layer === 'durable' ? file.inode.durable : file.inode.content
    while (file.position + HEADER_BYTES <= bytes.length) {
      const size = sizeOf(bytes, file.position)
      if (size < HEADER_BYTES || file.position + size > bytes.length) return
      const batch = seeBatch(bytes, file.position)
      if (batch.base < this.end) return
      this.batches.push(batch)
      file.position += size
    }
  }
}
