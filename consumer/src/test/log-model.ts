/**
 * A partition's log and its leader as a model for tests of the pure core: whole batches of real bytes, with control
 * batches and gaps, served under credit as schema/stratalog/v1/fetch.proto says.
 */
import { invariant, type stratalog } from '@stratalog/proto'
import { encodeLeaderChange, RecordBatchBuilder, stampBatch } from '@stratalog/proto/records'
import type { StreamCommands } from '../command-outbox.ts'

/** A batch of the model's log. */
export interface ModelBatch {
  readonly baseOffset: number
  /** Inclusive. */
  readonly lastOffset: number
  readonly isControl: boolean
  readonly bytes: Buffer
}

/** What a log is made from: data batches of so many records, control batches, and gaps of so many offsets. */
export type LogStep = { readonly data: number; readonly valueBytes?: number } | { readonly gap: number } | 'control'

interface Handle {
  readonly partition: number
  position: number
  credit: number
  readonly endOffset: number
}

/** Builds a log. */
export function buildLog(steps: readonly LogStep[]): ModelBatch[] {
  const log: ModelBatch[] = []
  let baseOffset = 0
  for (const step of steps) {
    if (step !== 'control' && 'gap' in step) {
      baseOffset += step.gap
      continue
    }
    const bytes =
      step === 'control' ? encodeLeaderChange({ leaderId: 1, voterIds: [1], timestamp: 5 }) : dataBatch(step)
    stampBatch(bytes, 0, baseOffset, 1)
    const lastOffset = baseOffset + (step === 'control' ? 1 : step.data) - 1
    log.push({ baseOffset, lastOffset, isControl: step === 'control', bytes })
    baseOffset = lastOffset + 1
  }
  return log
}

/** One past the last data record. */
export function visibleEndOf(log: readonly ModelBatch[]): number {
  const last = log.findLast((batch) => !batch.isControl)
  return last === undefined ? 0 : last.lastOffset + 1
}

/** Offsets of all data records in [from, end). */
export function dataOffsets(log: readonly ModelBatch[], from = 0, end: number = Number.MAX_SAFE_INTEGER): number[] {
  const offsets: number[] = []
  for (const batch of log) {
    for (let offset = batch.baseOffset; offset <= batch.lastOffset; offset++) {
      if (!batch.isControl && offset >= from && offset < end) offsets.push(offset)
    }
  }
  return offsets
}

function dataBatch(step: { readonly data: number; readonly valueBytes?: number }): Buffer {
  const builder = new RecordBatchBuilder()
  const value = Buffer.alloc(step.valueBytes ?? 10, 7)
  for (let index = 0; index < step.data; index++) builder.append({ value, timestamp: 1_000 + index })
  return builder.buildSync()
}

/** The leader's end of one stream. */
export class ModelLeader {
  readonly #logs: readonly (readonly ModelBatch[])[]
  readonly #handles = new Map<number, Handle>()
  readonly #used = new Set<number>()

  /** @param logs one for each partition. */
  constructor(logs: readonly (readonly ModelBatch[])[]) {
    this.#logs = logs
  }

  /** Takes one message of the client in. */
  handle(commands: StreamCommands): void {
    for (const start of commands.starts) {
      const handle = start.handle ?? 0
      invariant(handle > 0 && !this.#used.has(handle), `handle ${handle} was used before`)
      this.#used.add(handle)
      const { partition, offset, creditBytes, endOffset } = start
      this.#handles.set(handle, {
        partition: partition ?? 0,
        position: offset ?? 0,
        credit: creditBytes ?? 0,
        endOffset: endOffset ?? 0,
      })
    }
    for (const { handle, bytes } of commands.credits) {
      invariant((bytes ?? 0) > 0, 'a credit of nothing')
      const open = this.#handles.get(handle ?? 0)
      if (open !== undefined) open.credit += bytes ?? 0
    }
    for (const { handle } of commands.stops) this.#handles.delete(handle ?? 0)
  }

  /** Handles that are open. */
  get handles(): number[] {
    return [...this.#handles.keys()]
  }

  /** What the leader would send for a handle: at most `batchesMax` batches and its credit; null when nothing. */
  serve(handle: number, batchesMax: number): stratalog.v1.FetchData.$Properties | null {
    const open = this.#handles.get(handle)
    if (open === undefined) return null
    const log = this.#logs[open.partition] ?? []
    const logEnd = (log.at(-1)?.lastOffset ?? -1) + 1
    const sent: Buffer[] = []
    const before = open.position
    for (const batch of log) {
      if (batch.lastOffset < open.position) continue
      if (open.endOffset > 0 && open.position >= open.endOffset) break
      if (batch.isControl) {
        if (sent.length > 0) break
      } else {
        if (open.credit <= 0 || sent.length >= batchesMax) break
        sent.push(batch.bytes)
        open.credit -= batch.bytes.length
      }
      open.position = batch.lastOffset + 1
    }
    const endReached = open.endOffset > 0 && open.position >= open.endOffset
    if (open.position === before && !endReached) return null
    if (endReached) this.#handles.delete(handle)
    return {
      handle,
      recordBatches: Buffer.concat(sent),
      nextOffset: open.position,
      highWatermark: logEnd,
      visibleEnd: visibleEndOf(log),
      logStartOffset: 0,
      leaderEpoch: 1,
      endReached,
    }
  }
}
