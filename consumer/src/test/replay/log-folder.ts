/**
 * A broker's data folder built by hand, and a model of what is in it: batches of all codecs, thinned by compaction,
 * emptied by it, control batches, several segments with their indexes.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CommittedOffsets, encodeCommittedOffsets, encodeCommittedOffsetsLine } from '@stratalog/proto'
import {
  type CompressionName,
  compressSync,
  crc32c,
  encodeLeaderChange,
  stampAppendTime,
  stampBatch,
} from '@stratalog/proto/records'

const HEADER_BYTES = 61

/** A record that the model knows of. */
export interface ModelRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
}

/** A batch to be written: its records may leave offsets out. */
export interface BatchPlan {
  readonly records: readonly {
    readonly delta: number
    readonly timestamp: number
    readonly value: string | null
    readonly key?: string | null
  }[]
  /** Offsets that it covers. */
  readonly spanCount: number
  readonly codec?: CompressionName
  /** The leader's timestamp for all of them. */
  readonly appendTime?: number
}

/** A written batch. */
export interface WrittenBatch {
  readonly baseOffset: number
  readonly endOffset: number
  readonly path: string
  readonly position: number
  readonly sizeBytes: number
  readonly control: boolean
}

interface OpenSegment {
  readonly baseOffset: number
  readonly path: string
  readonly chunks: Buffer[]
  bytes: number
  maxTimestamp: number
  readonly index: [number, number][]
  readonly timeIndex: [number, number][]
  indexedAt: number
}

/** One partition's folder. Append, then `finish`. */
export class LogFolder implements AsyncDisposable {
  readonly dataDir: string
  readonly topic: string
  readonly partition: number
  readonly topicId: string
  readonly records: ModelRecord[] = []
  readonly batches: WrittenBatch[] = []
  endOffset: number
  leaderEpoch = 1
  #segment: OpenSegment
  readonly #segments: OpenSegment[] = []
  readonly #indexBytes: number
  readonly #ownsFolder: boolean

  constructor(dataDir: string, options: FolderOptions, ownsFolder: boolean) {
    const { topic = 't', partition = 0, topicId = '0123456789abcdef0123456789abcdef', startOffset = 0 } = options
    this.dataDir = dataDir
    this.topic = topic
    this.partition = partition
    this.topicId = topicId
    this.endOffset = startOffset
    this.#indexBytes = options.indexBytes ?? 512
    this.#ownsFolder = ownsFolder
    this.#segment = this.#open()
  }

  /** In a temporary folder of its own unless one is named. */
  static async create(options: FolderOptions = {}): Promise<LogFolder> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'stratalog-folder-')))
    return new LogFolder(dataDir, options, options.dataDir === undefined)
  }

  get directory(): string {
    return join(this.dataDir, 'topics', `${this.topic}-${this.partition}`)
  }

  /** `count` records, one batch, with their offsets as values and as timestamps in seconds. */
  appendNumbers(count: number, codec: CompressionName = 'none'): void {
    const base = this.endOffset
    const records = Array.from({ length: count }, (_, delta) => ({
      delta,
      timestamp: (base + delta) * 1_000,
      value: String(base + delta),
    }))
    this.append({ records, spanCount: count, codec })
  }

  append(plan: BatchPlan): void {
    const base = this.endOffset
    const { spanCount, appendTime } = plan
    const batch = encodeBatch(plan)
    if (appendTime !== undefined) stampAppendTime(batch, 0, appendTime)
    this.#write(batch, spanCount, false)
    for (const { delta, timestamp, value, key = null } of plan.records) {
      this.records.push({ offset: base + delta, timestamp: appendTime ?? timestamp, key, value })
    }
  }

  /** A new leader's entry: one offset that is no record. */
  appendControl(): void {
    this.leaderEpoch++
    this.#write(encodeLeaderChange({ leaderId: 1, voterIds: [1], grantingVoterIds: [], timestamp: 0 }), 1, true)
  }

  /** Whatever bytes, behind the log: a half-written batch. */
  appendGarbage(bytes: Buffer): void {
    this.#segment.chunks.push(bytes)
    this.#segment.bytes += bytes.length
  }

  /** What follows goes into another file. */
  roll(): void {
    if (this.#segment.bytes > 0) this.#segment = this.#open()
  }

  /** Writes it all, with a note that everything below `committedEnd` is committed; null = no note. */
  async finish(committedEnd: number | null = this.endOffset, logStartOffset = 0): Promise<void> {
    await mkdir(this.directory, { recursive: true })
    await writeFile(join(this.dataDir, 'meta.properties'), 'version=1\ncluster.id=test-cluster\nbroker.id=1\n')
    const id = Buffer.from(this.topicId, 'hex').toString('base64url')
    await writeFile(join(this.directory, 'partition.metadata'), `version: 0\ntopic_id: ${id}`)
    for (const segment of this.#segments) {
      await writeFile(segment.path, Buffer.concat(segment.chunks))
      await writeFile(segment.path.replace(/log$/, 'index'), encodeIndex(segment))
      await writeFile(segment.path.replace(/log$/, 'timeindex'), encodeTimeIndex(segment))
    }
    const note = join(this.dataDir, 'committed-offset-checkpoint')
    if (committedEnd === null) {
      await rm(note, { force: true })
      return
    }
    const { topic, topicId, partition } = this
    await writeFile(note, noteOf({ topic, topicId, partition, logStartOffset, committedEnd }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ownsFolder) await rm(this.dataDir, { recursive: true, force: true })
  }

  #open(): OpenSegment {
    const baseOffset = this.endOffset
    const segment: OpenSegment = {
      baseOffset,
      path: join(this.directory, `${String(baseOffset).padStart(20, '0')}.log`),
      chunks: [],
      bytes: 0,
      maxTimestamp: -1,
      index: [],
      timeIndex: [],
      indexedAt: 0,
    }
    this.#segments.push(segment)
    return segment
  }

  #write(batch: Buffer, spanCount: number, control: boolean): void {
    const segment = this.#segment
    const baseOffset = this.endOffset
    stampBatch(batch, 0, baseOffset, this.leaderEpoch)
    const lastOffset = baseOffset + spanCount - 1
    const position = segment.bytes
    const maxTimestamp = Number(batch.readBigInt64BE(35))
    if (position - segment.indexedAt > this.#indexBytes) {
      segment.index.push([lastOffset, position])
      if (maxTimestamp > segment.maxTimestamp) segment.timeIndex.push([maxTimestamp, lastOffset])
      segment.indexedAt = position
    }
    segment.maxTimestamp = Math.max(segment.maxTimestamp, maxTimestamp)
    segment.chunks.push(batch)
    segment.bytes += batch.length
    this.endOffset = lastOffset + 1
    const { path } = segment
    this.batches.push({ baseOffset, endOffset: this.endOffset, path, position, sizeBytes: batch.length, control })
  }
}

/** A broker's note of what is committed. */
export function noteOf(offsets: CommittedOffsets): Buffer {
  return encodeCommittedOffsets([encodeCommittedOffsetsLine(offsets)])
}

/** What a folder is made of. */
export interface FolderOptions {
  readonly dataDir?: string
  readonly topic?: string
  readonly partition?: number
  readonly topicId?: string
  readonly startOffset?: number
  /** Bytes of log between index entries. */
  readonly indexBytes?: number
}

function encodeIndex({ index, baseOffset }: OpenSegment): Buffer {
  const bytes = Buffer.alloc(index.length * 8)
  for (const [at, [lastOffset, position]] of index.entries()) {
    bytes.writeInt32BE(lastOffset - baseOffset, at * 8)
    bytes.writeInt32BE(position, at * 8 + 4)
  }
  return bytes
}

function encodeTimeIndex({ timeIndex, baseOffset }: OpenSegment): Buffer {
  const bytes = Buffer.alloc(timeIndex.length * 12)
  for (const [at, [timestamp, lastOffset]] of timeIndex.entries()) {
    bytes.writeBigInt64BE(BigInt(timestamp), at * 12)
    bytes.writeInt32BE(lastOffset - baseOffset, at * 12 + 8)
  }
  return bytes
}

/** A batch with records at any offsets of its span, as compaction leaves it. */
export function encodeBatch({ records, spanCount, codec = 'none' }: BatchPlan): Buffer {
  const baseTimestamp = records[0]?.timestamp ?? 0
  const plain = Buffer.concat(
    records.map(({ delta, timestamp, value, key = null }) => {
      const body = Buffer.concat([
        Buffer.from([0]),
        zigzag(timestamp - baseTimestamp),
        zigzag(delta),
        field(key),
        field(value),
        zigzag(0),
      ])
      return Buffer.concat([zigzag(body.length), body])
    }),
  )
  const section = records.length === 0 ? plain : compressSync(codec, plain)
  const batch = Buffer.concat([Buffer.alloc(HEADER_BYTES), section])
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt32BE(-1, 12)
  batch.writeInt8(2, 16)
  batch.writeInt16BE(['none', 'gzip', 'snappy', 'lz4', 'zstd'].indexOf(codec), 21)
  batch.writeInt32BE(spanCount - 1, 23)
  batch.writeBigInt64BE(BigInt(baseTimestamp), 27)
  batch.writeBigInt64BE(BigInt(Math.max(-1, ...records.map(({ timestamp }) => timestamp))), 35)
  batch.writeBigInt64BE(-1n, 43)
  batch.writeInt16BE(-1, 51)
  batch.writeInt32BE(-1, 53)
  batch.writeInt32BE(records.length, 57)
  batch.writeUInt32BE(crc32c(batch, 21, batch.length), 17)
  return batch
}

function field(text: string | null): Buffer {
  if (text === null) return zigzag(-1)
  const bytes = Buffer.from(text)
  return Buffer.concat([zigzag(bytes.length), bytes])
}

function zigzag(value: number): Buffer {
  let rest = value < 0 ? -2n * BigInt(value) - 1n : 2n * BigInt(value)
  const bytes: number[] = []
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}
