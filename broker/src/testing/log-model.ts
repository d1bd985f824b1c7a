/**
 * What a partition log must hold, in the simplest form: a list of batches. Crash and property tests run it beside the
 * real log and compare.
 */
import assert from 'node:assert/strict'
import { type Offset, toOffset } from '@stratalog/proto'
import { type BatchHeader, iterateBatches, lastOffsetOf, sizeOf } from '@stratalog/proto/records'
import type { PartitionLog } from '../log/index.ts'

/** A batch and where it lies. */
export interface ModelBatch {
  readonly baseOffset: number
  /** Exclusive. */
  readonly endOffset: number
  readonly epoch: number
  readonly control: boolean
  readonly bytes: Buffer
}

/** The model of one log. */
export class LogModel {
  batches: ModelBatch[] = []
  /** First offset of the log; the first batch may begin below it. */
  startOffset = 0
  /** Everything below was acknowledged: a flush resolved for it, and it was not given up since. */
  acknowledgedEnd = 0
  endOffset = 0

  get lastEpoch(): number {
    return this.batches.at(-1)?.epoch ?? 0
  }

  append(bytes: Buffer): void {
    for (const { header } of iterateBatches(bytes)) {
      assert.equal(header.baseOffset, this.endOffset)
      const { baseOffset, leaderEpoch: epoch, control } = header
      this.endOffset = header.lastOffset + 1
      this.batches.push({ baseOffset, endOffset: this.endOffset, epoch, control, bytes })
    }
  }

  /** From now on nothing at or beyond the end is promised. */
  giveUpFrom(endOffset: number): void {
    this.acknowledgedEnd = Math.min(this.acknowledgedEnd, endOffset)
  }

  truncateTo(endOffset: number): void {
    this.giveUpFrom(endOffset)
    this.batches = this.batches.filter((batch) => batch.baseOffset < endOffset)
    this.endOffset = Math.min(this.endOffset, endOffset)
  }

  reset(startOffset: number): void {
    this.batches = []
    this.startOffset = startOffset
    this.acknowledgedEnd = startOffset
    this.endOffset = startOffset
  }

  /** Bytes of the batches that reach beyond `start` and end at or below `end`. */
  bytesBetween(start: number, end: number): Buffer {
    return Buffer.concat(
      this.batches.filter((batch) => batch.endOffset > start && batch.endOffset <= end).map((batch) => batch.bytes),
    )
  }

  /** Epoch starts of the batches that end at or below `end`. */
  epochsUpTo(end: number): { epoch: number; startOffset: number }[] {
    const entries: { epoch: number; startOffset: number }[] = []
    for (const batch of this.batches) {
      if (batch.endOffset <= end && batch.epoch !== entries.at(-1)?.epoch) {
        entries.push({ epoch: batch.epoch, startOffset: batch.baseOffset })
      }
    }
    return entries
  }

  /** One past the last data record below `end`. */
  visibleEnd(end: number): number {
    const last = this.batches.findLast((batch) => batch.endOffset <= end && !batch.control)
    return Math.max(this.startOffset, last?.endOffset ?? 0)
  }
}

/** Reads the whole log in pieces of `maxBytes`. */
export async function readAll(log: PartitionLog, maxBytes = 700): Promise<Buffer> {
  const parts: Buffer[] = []
  let next: Offset = log.logStartOffset
  while (next < log.logEndOffset) {
    const result = await log.read(next, log.logEndOffset, maxBytes)
    assert.ok(result.nextOffset > next, `a read at ${next} made no progress`)
    parts.push(result.bytes)
    next = result.nextOffset
  }
  return Buffer.concat(parts)
}

/** The log holds exactly the model's batches up to its own end, and its epochs agree with them. */
export async function assertHolds(log: PartitionLog, model: LogModel): Promise<void> {
  log.checkInvariants()
  const end = log.logEndOffset
  assert.ok((await readAll(log)).equals(model.bytesBetween(log.logStartOffset, end)), 'the log has other bytes')
  const expected = model.epochsUpTo(end).filter((entry) => entry.startOffset >= log.logStartOffset)
  const actual = log.epochs.entries.filter((entry) => entry.startOffset >= log.logStartOffset)
  assert.deepEqual(
    actual.map((entry) => ({ ...entry })),
    expected,
  )
  for (const batch of model.batches) {
    if (batch.baseOffset >= log.logStartOffset && batch.endOffset <= end) {
      assert.equal(log.epochs.epochAt(batch.baseOffset), batch.epoch)
    }
  }
  assert.equal(log.visibleEnd(end), Math.max(log.logStartOffset, model.visibleEnd(end)))
}

/** The last few batches seen: a stand-in for producer state, which must survive every restart. */
export class RecentBatches {
  #recent: [number, number][] = []

  restore(bytes: Buffer | null): void {
    this.#recent = bytes === null ? [] : (JSON.parse(bytes.toString()) as [number, number][])
  }

  see(header: Pick<BatchHeader, 'baseOffset' | 'crc'>): void {
    this.#recent = [...this.#recent, [header.baseOffset, header.crc] as [number, number]].slice(-3)
  }

  seeBytes(bytes: Buffer): void {
    for (const { header } of iterateBatches(bytes)) this.see(header)
  }

  snapshot(): Buffer {
    return Buffer.from(JSON.stringify(this.#recent))
  }

  /** Equal to what the model's batches from the log's start to its end amount to. */
  assertMatches(model: LogModel, log: PartitionLog): void {
    const expected = new RecentBatches()
    for (const batch of model.batches) if (batch.endOffset <= log.logEndOffset) expected.seeBytes(batch.bytes)
    const inLog = ([baseOffset]: [number, number]): boolean => baseOffset >= log.logStartOffset
    assert.deepEqual(this.#recent.filter(inLog), expected.#recent.filter(inLog))
  }
}

/** End offset (exclusive) of the last batch in the buffer. */
export function endOf(bytes: Buffer): Offset {
  let end = 0
  for (let at = 0; at < bytes.length; at += sizeOf(bytes, at)) end = lastOffsetOf(bytes, at) + 1
  return toOffset(end)
}
