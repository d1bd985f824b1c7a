/**
 * The metadata group on this broker: follows the metadata log, on the leader as anywhere else.
 *
 * ```
 *  log below committedEnd ─> decode ─> replay ─> store (rows + offset, one synced batch) ─> image ─> carry out ─> listeners
 * ```
 * Strictly in the order of the log, one batch after another. Invariant: a batch is applied whole or not at all; after a
 * crash at any point it goes on with the first batch that is not in the store. `image` never shows what is not durable.
 * What cannot be read or stored ends it (`onFailed`): the broker must stop, since it would not know what it holds.
 * Owner: the broker; one per process.
 */
import { invariant, isStratalogError, StratalogError } from '@stratalog/proto'
import { decodeBatchSync, iterateBatches, RecordBatchBuilder, verifyBatchCrc } from '@stratalog/proto/records'
import type { Appending, LogRead, ReplicatedLog } from '../partition/replicated-log.ts'
import type { StoreOperation } from '../storage/key-value-store.ts'
import { decodeMetadataRecord, encodeMetadataRecord } from './metadata-codec.ts'
import { MetadataError } from './metadata-error.ts'
import type { MetadataImage } from './metadata-image.ts'
import type { MetadataRecord } from './metadata-records.ts'
import { replay } from './metadata-replay.ts'
import { checkFeatureLevel } from './metadata-rows.ts'
import type { MetadataStore } from './metadata-store.ts'

/** A change that has become durable. */
export interface MetadataChange {
  readonly before: MetadataImage
  readonly after: MetadataImage
  readonly records: readonly MetadataRecord[]
}

/** Makes this broker what the metadata says. Neither may reject but for what ends the broker. */
export interface MetadataFollowing {
  /** The image as it is now; what changes from here on comes by `carryOut`. */
  start(image: MetadataImage): Promise<void>
  /** Carries out a change. The next one waits for it, and so does the answer to the command behind it. */
  carryOut(change: MetadataChange): Promise<void>
}

/** What a metadata group is made of. */
export interface MetadataGroupOptions {
  readonly log: ReplicatedLog
  readonly store: MetadataStore
  /** What this broker must store in the same batch as the records, such as which folders are to be removed. */
  readonly beside?: (records: readonly MetadataRecord[], before: MetadataImage) => readonly StoreOperation[]
  /** The metadata cannot be followed any more: MetadataError, or InvariantError. Called once; the broker must stop. */
  readonly onFailed: (error: unknown) => void
}

/** Bytes of log that are read ahead; a larger batch comes alone. */
const READ_BYTES_MAX = 1024 * 1024

/** What a replica says that may yet get the log, or is being opened anew. */
const PASSING: ReadonlySet<string> = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'DISK_FULL',
  'SHUTTING_DOWN',
  'PARTITION_DAMAGED',
])

interface OffsetWaiter {
  readonly offset: number
  readonly resolve: () => void
  readonly reject: (error: StratalogError) => void
}

/** See the file's header. */
export class MetadataGroup {
  readonly #options: MetadataGroupOptions
  readonly #listeners = new Set<(change: MetadataChange) => void>()
  readonly #advanceListeners = new Set<() => void>()
  readonly #waiters = new Set<OffsetWaiter>()
  #log: ReplicatedLog
  #stopListening: () => void
  #image: MetadataImage
  #legacyImage: MetadataImage | null
  /** Everything below is applied, carried out and told of. */
  #settledEnd: number
  #following: MetadataFollowing | null = null
  #pumping: Promise<void> | null = null
  #pumpAgain = false
  /** Why it follows no more. */
  #end: StratalogError | null = null

  private constructor(options: MetadataGroupOptions, image: MetadataImage, isLegacy: boolean) {
    this.#options = options
    this.#image = image
    this.#legacyImage = isLegacy ? image : null
    this.#settledEnd = image.metadataOffset
    this.#log = options.log
    this.#stopListening = this.#log.onAdvance(() => this.#onAdvance())
  }

  /** Loads the stored image and begins to follow the log. Errors: MetadataError for what is stored; StoreError. */
  static async open(options: MetadataGroupOptions): Promise<MetadataGroup> {
    const { image, isLegacy } = await options.store.load()
    const group = new MetadataGroup(options, image, isLegacy)
    group.#onAdvance()
    return group
  }

  /** The cluster as far as this broker has followed. */
  get image(): MetadataImage {
    return this.#image
  }

  /** What this broker held as its own before there was a cluster; null when there is one, or it held nothing. */
  get legacyImage(): MetadataImage | null {
    return this.#legacyImage
  }

  /** Why it follows no more: STORAGE_ERROR when it has failed, SHUTTING_DOWN when it is closed; null while it does. */
  get end(): StratalogError | null {
    return this.#end
  }

  /** Whether this broker leads the group. */
  get isLeader(): boolean {
    return this.#end === null && this.#log.isLeader
  }

  /** Broker id of the leader; null while none is known. */
  get leaderId(): number | null {
    return this.#log.leaderId
  }

  /** The term of the group. */
  get leaderEpoch(): number {
    return this.#log.leaderEpoch
  }

  /** End of this broker's copy of the log, committed or not. */
  get logEndOffset(): number {
    return this.#log.logEndOffset
  }

  /** Calls `listener` after each change, once it is durable and carried out. Returns how to stop it. */
  onChange(listener: (change: MetadataChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls `listener`, synchronously, when leadership may have changed or the image has moved on. Returns how to stop it. */
  onAdvance(listener: () => void): () => void {
    this.#advanceListeners.add(listener)
    return () => this.#advanceListeners.delete(listener)
  }

  /**
   * From here on this broker does as the metadata says; before, the image is followed and nothing carried out.
   *
   * To be called when the image is known to contain this broker's registration: one that lost its storage must not open
   * copies of which the log still says, further down, that they were lost.
   */
  async startFollowing(following: MetadataFollowing): Promise<void> {
    invariant(this.#following === null, 'the metadata is followed once')
    // No batch may fall between the image that is started from and the first change.
    while (this.#pumping !== null) await this.#pumping
    const started = Promise.resolve()
      .then(() => following.start(this.#image))
      .then(() => {
        this.#following = following
      })
    this.#pumping = started.catch(() => undefined).then(() => this.#endPump())
    await started
  }

  /**
   * Resolves when the log below `offset` has been applied, carried out and told of.
   * Errors: STORAGE_ERROR when the group has failed, SHUTTING_DOWN when it is closed.
   */
  async reached(offset: number): Promise<void> {
    if (this.#settledEnd >= offset) return
    if (this.#end !== null) throw this.#end
    await new Promise<void>((resolve, reject) => {
      this.#waiters.add({ offset, resolve, reject })
    })
  }

  /** Proposes records as one batch: they are applied together or not at all. Only on the leader. */
  append(encoded: readonly Buffer[]): Appending {
    const builder = new RecordBatchBuilder({ codec: 'none' })
    for (const value of encoded) builder.append({ key: null, value })
    return this.#log.append(builder.buildSync())
  }

  /** Goes on with another copy of the same log, opened in place of one that was damaged. */
  useLog(log: ReplicatedLog): void {
    this.#stopListening()
    this.#log = log
    this.#stopListening = log.onAdvance(() => this.#onAdvance())
    this.#onAdvance()
  }

  /** Ends it: the log and the store do not go together. Called by who finds out. */
  fail(error: unknown): void {
    if (this.#end !== null) return
    this.#stop(new StratalogError('STORAGE_ERROR', 'this broker cannot follow the metadata any more', { cause: error }))
    this.#options.onFailed(error)
  }

  /** Follows no more, once the batch under way is applied. */
  async close(): Promise<void> {
    this.#stop(new StratalogError('SHUTTING_DOWN'))
    while (this.#pumping !== null) await this.#pumping
  }

  #stop(reason: StratalogError): void {
    this.#end ??= reason
    this.#stopListening()
    for (const { reject } of this.#waiters) reject(this.#end)
    this.#waiters.clear()
    this.#notifyAdvance()
  }

  #onAdvance(): void {
    const { failure } = this.#log
    if (failure?.code === 'STORAGE_ERROR') {
      this.fail(new MetadataError('METADATA_STORAGE_FAILED', 'the metadata log has failed', { cause: failure }))
    }
    this.#pump()
    this.#notifyAdvance()
  }

  #notifyAdvance(): void {
    for (const listener of this.#advanceListeners) listener()
  }

  #pump(): void {
    if (this.#end !== null) return
    if (this.#pumping !== null) {
      this.#pumpAgain = true
      return
    }
    if (this.#image.metadataOffset >= this.#log.committedEnd) return
    this.#pumping = this.#catchUp()
      .catch((error: unknown) => this.fail(error))
      .then(() => this.#endPump())
  }

  #endPump(): void {
    this.#pumping = null
    if (!this.#pumpAgain) return
    this.#pumpAgain = false
    this.#pump()
  }

  async #catchUp(): Promise<void> {
    while (this.#end === null && this.#image.metadataOffset < this.#log.committedEnd) {
      const from = this.#image.metadataOffset
      const read = await this.#read(from)
      if (read === null || read.nextOffset <= from) return
      const batches = [...decodeBatches(read.chunks)]
      for (const { records, endOffset } of this.#following === null ? joined(batches) : batches) {
        if (this.#end !== null) return
        await this.#apply(records, endOffset)
      }
      // What lies behind the last batch is the seam between two leaders.
      if (read.nextOffset > this.#image.metadataOffset) {
        this.#image = { ...this.#image, metadataOffset: read.nextOffset }
      }
      this.#settle()
    }
  }

  /** Null when the log cannot be read for now: there will be news when it can. */
  async #read(from: number): Promise<LogRead | null> {
    try {
      return await this.#log.read(from, READ_BYTES_MAX)
    } catch (cause) {
      if (isStratalogError(cause, 'OFFSET_OUT_OF_RANGE')) {
        const text = `the metadata is known up to offset ${from}, which this broker's log does not hold: ${cause.message}`
        throw new MetadataError('METADATA_LOG_MISMATCH', text, { cause })
      }
      if (isStratalogError(cause) && PASSING.has(cause.code)) return null
      throw new MetadataError('METADATA_STORAGE_FAILED', 'the metadata log cannot be read', { cause })
    }
  }

  async #apply(records: readonly MetadataRecord[], endOffset: number): Promise<void> {
    const before = this.#image
    invariant(endOffset >= before.metadataOffset + records.length, 'batches come in the order of the log')
    const after = replay(before, records, endOffset)
    checkFeatureLevel(after.featureLevel)
    if (this.#legacyImage !== null) checkInherited(this.#legacyImage, after)
    await this.#options.store.apply(before, after, this.#options.beside?.(records, before))
    this.#image = after
    this.#legacyImage = null
    this.#notifyAdvance()
    const change: MetadataChange = { before, after, records }
    await this.#following?.carryOut(change)
    for (const listener of this.#listeners) listener(change)
    this.#settle()
  }

  #settle(): void {
    this.#settledEnd = this.#image.metadataOffset
    for (const waiter of this.#waiters) {
      if (waiter.offset > this.#settledEnd) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
    this.#notifyAdvance()
  }
}

/** The records of one batch, or of several that are applied as one. */
interface MetadataBatch {
  readonly records: readonly MetadataRecord[]
  /** Exclusive end of the log with them. */
  readonly endOffset: number
}

function* decodeBatches(chunks: readonly Buffer[]): Generator<MetadataBatch> {
  for (const chunk of chunks) {
    for (const { position, header } of iterateBatches(chunk)) {
      const where = `the metadata log at offset ${header.baseOffset}`
      if (!verifyBatchCrc(chunk, position, header.sizeBytes)) {
        throw new MetadataError('METADATA_CORRUPT', `${where} does not match its checksum`)
      }
      const records: MetadataRecord[] = []
      for (const { value } of decodeBatchSync(chunk, position)) {
        if (value === null) throw new MetadataError('METADATA_CORRUPT', `${where} holds a record without a value`)
        records.push(decodeMetadataRecord(value, where))
      }
      yield { records, endOffset: header.lastOffset + 1 }
    }
  }
}

/** While nothing is carried out yet, a long log is caught up with in few synced writes. */
function joined(batches: readonly MetadataBatch[]): readonly MetadataBatch[] {
  const last = batches.at(-1)
  return last === undefined ? [] : [{ records: batches.flatMap(({ records }) => records), endOffset: last.endOffset }]
}

/** Records as the values of a batch. */
export function encodeRecords(records: readonly MetadataRecord[]): Buffer[] {
  return records.map(encodeMetadataRecord)
}

/** A broker that had topics of its own, from before there was a cluster, follows only the cluster that it founded with them. */
function checkInherited(legacy: MetadataImage, after: MetadataImage): void {
  for (const { name, topicId } of legacy.topicsById.values()) {
    if (after.topicsById.has(topicId)) continue
    const text = `this broker has topic ${name} from before it was in a cluster, and the cluster does not know it`
    throw new MetadataError('METADATA_LOG_MISMATCH', text)
  }
}
