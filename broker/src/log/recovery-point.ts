/**
 * The flushed end since the last checkpoint, in a small file that is rewritten after every flush.
 *
 * It is written to the page cache only, so it costs microseconds; it survives a killed process, and of a host that
 * lost power whatever the kernel had written. It makes recovery strict: bytes below the flushed end that are missing
 * or damaged are an error, bytes above it a torn tail. Two slots in sectors of their own take turns, so that a torn
 * write leaves the other.
 *
 * Slot, 40 bytes big endian at byte 0 and 512: magic "SLRP", version int32, generation int64, sequence int64,
 * flushedEndOffset int64, epoch digest uint32, CRC-32C of all before it. The digest covers the epochs that began
 * between the scan start and the flushed end: the epoch of a batch lies outside the batch's CRC.
 * Owner: the log's writer loop.
 */
import { crc32c } from '@stratalog/proto/records'
import type { FileHandle } from '../storage/file-system.ts'
import type { EpochEntry } from './leader-epoch-cache.ts'

const SLOT_STRIDE_BYTES = 512
const SLOT_BYTES = 40
const SLOT_COUNT = 2
const MAGIC = 0x534c5250
const VERSION = 1
const DIGEST_POSITION = 32
const CRC_POSITION = 36
const EPOCH_BYTES = 12

/** A slot's content. */
export interface RecoveryPoint {
  /** Generation of the checkpoint that it follows; it says nothing beside any other. */
  readonly generation: number
  readonly flushedEndOffset: number
  /** {@link digestEpochs} from the scan start to the flushed end. */
  readonly epochDigest: number
}

/** CRC-32C over the epochs that began in [from, end), as int32 epoch and int64 start offset each. */
export function digestEpochs(entries: readonly EpochEntry[], from: number, end: number): number {
  let first = entries.length
  while (first > 0 && entries[first - 1]!.startOffset >= from) first--
  let digest = 0
  const bytes = Buffer.alloc(EPOCH_BYTES)
  for (const entry of entries.slice(first)) {
    if (entry.startOffset >= end) break
    bytes.writeInt32BE(entry.epoch, 0)
    bytes.writeBigInt64BE(BigInt(entry.startOffset), 4)
    digest = crc32c(bytes, 0, EPOCH_BYTES, digest)
  }
  return digest
}

/** Writes the slots in turn. */
export class RecoveryPointWriter {
  readonly #slot: Buffer = Buffer.alloc(SLOT_BYTES)
  #sequence: number

  /** @param sequence of the newest slot in the file, 0 for none. */
  constructor(sequence: number) {
    this.#sequence = sequence
    this.#slot.writeInt32BE(MAGIC, 0)
    this.#slot.writeInt32BE(VERSION, 4)
  }

  /** Writes the next slot. Durability: page cache. */
  write(file: FileHandle, point: RecoveryPoint): void {
    this.#sequence++
    this.#slot.writeBigInt64BE(BigInt(point.generation), 8)
    this.#slot.writeBigInt64BE(BigInt(this.#sequence), 16)
    this.#slot.writeBigInt64BE(BigInt(point.flushedEndOffset), 24)
    this.#slot.writeUInt32BE(point.epochDigest, DIGEST_POSITION)
    this.#slot.writeUInt32BE(crc32c(this.#slot, 0, CRC_POSITION), CRC_POSITION)
    file.writeSync([this.#slot], (this.#sequence % SLOT_COUNT) * SLOT_STRIDE_BYTES)
  }
}

/** The sound slots of the file's bytes, newest first, and the highest sequence among them (0 if none). */
export function decodeRecoveryPoints(bytes: Buffer): { points: RecoveryPoint[]; sequence: number } {
  const slots: (RecoveryPoint & { sequence: number })[] = []
  for (let start = 0; start + SLOT_BYTES <= bytes.length; start += SLOT_STRIDE_BYTES) {
    const slot = bytes.subarray(start, start + SLOT_BYTES)
    if (slot.readInt32BE(0) !== MAGIC || slot.readInt32BE(4) !== VERSION) continue
    if (slot.readUInt32BE(CRC_POSITION) !== crc32c(slot, 0, CRC_POSITION)) continue
    slots.push({
      generation: Number(slot.readBigInt64BE(8)),
      sequence: Number(slot.readBigInt64BE(16)),
      flushedEndOffset: Number(slot.readBigInt64BE(24)),
      epochDigest: slot.readUInt32BE(DIGEST_POSITION),
    })
  }
  slots.sort((left, right) => right.sequence - left.sequence)
  return { points: slots, sequence: slots[0]?.sequence ?? 0 }
}
