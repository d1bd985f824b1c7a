/**
 * int64 fields as plain numbers, without BigInt.
 *
 * Invariant: a value read is a safe integer (|v| < 2^53); a larger one on the wire is damage, never a rounded number.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'

const TWO_32 = 0x1_0000_0000
/** High word of 2^53: at or beyond it a value is no longer exact. */
const HIGH_WORD_END = 0x20_0000

/** Reads a big-endian int64. Throws CORRUPT_MESSAGE when it does not fit a safe integer. */
export function readInt64(buffer: Buffer, position: number, field: string): number {
  const high = buffer.readInt32BE(position)
  const value = high * TWO_32 + buffer.readUInt32BE(position + 4)
  if (high >= HIGH_WORD_END || value < Number.MIN_SAFE_INTEGER) {
    throw new CorruptMessageError(`${field} is beyond 2^53`, position)
  }
  return value
}

/** Writes a safe integer as big-endian int64. */
export function writeInt64(buffer: Buffer, position: number, value: number): void {
  const high = Math.floor(value / TWO_32)
  buffer.writeInt32BE(high, position)
  buffer.writeUInt32BE(value - high * TWO_32, position + 4)
}
