/**
 * Folds the committed log of a coordinator partition into its rows, on every replica, and trims what no state needs.
 *
 * ```
 *  log below committedEnd ─> decode ─> rows + position (one batch of the store) ─> listeners ─> trim below the checkpoint
 * ```
 * Strictly in the order of the log. A replica whose log begins beyond its position, because it was away for long, begins
 * anew where the log does: there lies the beginning of a whole checkpoint, and by its end the state is whole as well.
 * Invariant: `position` never shows what is not in the store. Owner: the coordinator partition.
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { decodeBatchSync, iterateBatches, verifyBatchCrc } from '@stratalog/proto/records'
import type { LogRead } from '../partition/replicated-log.ts'
import type { CoordinatorLog } from './coordinator-log.ts'
import { batchFolded, type FoldPosition, foldFrom, isMark, markSeen } from './fold-position.ts'
import type { GroupRecord } from './group/group-records.ts'
import { decodeRecord } from './group/record-codec.ts'
import type { FoldedRecord, GroupStore } from './group-store.ts'

/** Bytes of log that are folded in one write; a larger batch comes alone. */
const READ_BYTES_MAX = 1024 * 1024

/** What a replica says that may yet get the log, or is being opened anew. */
const PASSING: ReadonlySet<string> = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'DISK_FULL',
  'SHUTTING_DOWN',
  'PARTITION_DAMAGED',
])

/** What a fold is made of. */
export interface CommittedFoldOptions {
  readonly log: CoordinatorLog
  readonly store: GroupStore
  /** More is folded than before. */
  readonly onAdvance: () => void
  /** What is committed cannot be folded: the partition coordinates nothing any more. Called once. */
  readonly onFailed: (error: unknown) => void
  /** Trimming did not work; it is tried again after the next checkpoint. */
  readonly onTrimFailed: (error: unknown) => void
}

/** See the file's header. */
export class CommittedFold {
  readonly #options: CommittedFoldOptions
  readonly #stopListening: () => void
  #position: FoldPosition
  #pumping: Promise<void> | null = null
  #pumpAgain = false
  #closed = false

  private constructor(options: CommittedFoldOptions, position: FoldPosition) {
    this.#options = options
    this.#position = position
    this.#stopListening = options.log.onAdvance(() => this.#pump())
  }

  /** Begins to fold where the rows end. Errors: StoreError. */
  static async open(options: CommittedFoldOptions): Promise<CommittedFold> {
    const position = await options.store.position()
    if (position === null) await options.store.clear()
    const fold = new CommittedFold(options, position ?? foldFrom(0))
    fold.#pump()
    return fold
  }

  /** How far it is. */
  get position(): FoldPosition {
    return this.#position
  }

  /** All live records; to be read while nothing is folded: the log's end is reached and nobody appends. */
  records(): AsyncGenerator<GroupRecord> {
    return this.#options.store.records()
  }

  /** Folds no more, once the write under way is done. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stopListening()
    await this.#pumping
  }

  #pump(): void {
    if (this.#closed) return
    if (this.#pumping !== null) {
      this.#pumpAgain = true
      return
    }
    const { log } = this.#options
    if (this.#position.foldedEnd >= log.committedEnd && this.#position.foldedEnd >= log.logStartOffset) return
    this.#pumping = this.#catchUp()
      .catch((error: unknown) => this.#fail(error))
      .then(() => {
        this.#pumping = null
        if (!this.#pumpAgain) return
        this.#pumpAgain = false
        this.#pump()
      })
  }

  async #catchUp(): Promise<void> {
    const { log } = this.#options
    if (this.#position.foldedEnd < log.logStartOffset) await this.#beginAnew(log.logStartOffset)
    while (!this.#closed && this.#position.foldedEnd < log.committedEnd) {
      const read = await this.#read(this.#position.foldedEnd)
      if (read === null || read.nextOffset <= this.#position.foldedEnd) return
      await this.#fold(read)
    }
  }

  async #fold({ chunks, nextOffset }: LogRead): Promise<void> {
    const { store, onAdvance } = this.#options
    const before = this.#position
    const { records, position } = decodeChunks(chunks, before)
    // What lies behind the last batch is the seam between two leaders.
    const after = { ...position, foldedEnd: Math.max(position.foldedEnd, nextOffset) }
    if (chunks.length > 0) await store.apply(records, after)
    this.#position = after
    onAdvance()
    if (after.neededFrom > before.neededFrom) await this.#trim(after.neededFrom)
  }

  /** The log was trimmed beyond what is folded here: what was known may have been ended by what is gone. */
  async #beginAnew(logStartOffset: number): Promise<void> {
    await this.#options.store.clear()
    this.#position = foldFrom(logStartOffset)
  }

  async #trim(offset: number): Promise<void> {
    try {
      await this.#options.log.trimTo(offset)
    } catch (error) {
      if (!this.#closed) this.#options.onTrimFailed(error)
    }
  }

  /** Null when the log cannot be read for now: there will be news when it can. */
  async #read(from: number): Promise<LogRead | null> {
    const { log } = this.#options
    try {
      return await log.read(from, READ_BYTES_MAX)
    } catch (error) {
      if (isStratalogError(error, 'OFFSET_OUT_OF_RANGE') && from < log.logStartOffset) {
        this.#pumpAgain = true
        return null
      }
      if (isStratalogError(error) && PASSING.has(error.code)) return null
      throw error
    }
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    this.#closed = true
    this.#stopListening()
    this.#options.onFailed(error)
  }
}

/** The records of whole batches, and the position after them. */
function decodeChunks(
  chunks: readonly Buffer[],
  from: FoldPosition,
): { readonly records: readonly FoldedRecord[]; readonly position: FoldPosition } {
  const records: FoldedRecord[] = []
  let position = from
  for (const chunk of chunks) {
    for (const { position: at, header } of iterateBatches(chunk)) {
      const { baseOffset, lastOffset, sizeBytes } = header
      if (!verifyBatchCrc(chunk, at, sizeBytes)) {
        throw new StratalogError('CORRUPT_MESSAGE', `the batch at offset ${baseOffset} does not match its checksum`)
      }
      position = batchFolded(position, lastOffset + 1, sizeBytes)
      for (const { key, value } of decodeBatchSync(chunk, at)) {
        if (key === null) {
          throw new StratalogError('CORRUPT_MESSAGE', `the batch at offset ${baseOffset} holds a record without a key`)
        }
        const record = decodeRecord(key, value)
        if (isMark(record)) {
          position = markSeen(position, record, baseOffset)
        } else {
          records.push({ record, encoded: { key, value } })
        }
      }
    }
  }
  return { records, position }
}
