/**
 * The LZ4 block format in plain JavaScript: the fallback where no native build exists.
 *
 * Source: lz4/lz4 doc/lz4_Block_format.md, with its end conditions: the last five bytes are literals, and no match
 * begins in the last twelve.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'

const HASH_BITS = 14
const MIN_MATCH_BYTES = 4
const LAST_LITERAL_BYTES = 5
const MATCH_SAFE_BYTES = 12

/** Compresses at most 64 KiB (match offsets are 16 bits) into a new buffer, which may be longer than the input. */
export function compressLz4Block(source: Buffer): Buffer {
  const target = Buffer.allocUnsafe(source.length + Math.ceil(source.length / 255) + 16)
  const table = new Uint16Array(1 << HASH_BITS)
  const matchStartEnd = source.length - MATCH_SAFE_BYTES
  let to = 0
  let literalStart = 0
  let at = 1
  let misses = 0
  while (at <= matchStartEnd) {
    const word = source.readInt32LE(at)
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS)
    const candidate = table[slot]!
    table[slot] = at
    if (candidate >= at || source.readInt32LE(candidate) !== word) {
      at += 1 + (misses++ >> 6)
      continue
    }
    const length = matchLength(source, candidate, at)
    to = emitLiterals(source, literalStart, at, target, to, length - MIN_MATCH_BYTES)
    to = target.writeUInt16LE(at - candidate, to)
    to = emitLengthRest(target, to, length - MIN_MATCH_BYTES)
    at += length
    literalStart = at
    misses = 0
  }
  return target.subarray(0, emitLiterals(source, literalStart, source.length, target, to, 0))
}

/**
 * Expands the block `source[start, end)` into `target` at `to`.
 *
 * @param historyStart first byte of `target` that a match may reach back to (earlier for linked blocks).
 * @param targetEnd exclusive; output beyond it is CORRUPT_MESSAGE.
 * @returns the position after the expanded bytes.
 */
export function expandLz4Block(
  source: Buffer,
  start: number,
  end: number,
  target: Buffer,
  to: number,
  historyStart: number,
  targetEnd: number,
): number {
  const cursor = { at: start }
  let out = to
  while (cursor.at < end) {
    const token = source[cursor.at++]!
    const literals = readLength(source, cursor, end, token >>> 4)
    if (literals > end - cursor.at || literals > targetEnd - out) throw broken('literals run past the end', cursor.at)
    source.copy(target, out, cursor.at, cursor.at + literals)
    cursor.at += literals
    out += literals
    if (cursor.at === end) return out
    if (end - cursor.at < 2) throw broken('match is cut short', cursor.at)
    const distance = source.readUInt16LE(cursor.at)
    cursor.at += 2
    const length = readLength(source, cursor, end, token & 15) + MIN_MATCH_BYTES
    if (distance === 0 || distance > out - historyStart || length > targetEnd - out) {
      throw broken(`match of ${length} bytes from ${distance} back`, cursor.at)
    }
    for (const stop = out + length; out < stop; out++) target[out] = target[out - distance]!
  }
  throw broken('block ends without literals', end)
}

function matchLength(source: Buffer, candidate: number, at: number): number {
  const end = source.length - LAST_LITERAL_BYTES
  let length = MIN_MATCH_BYTES
  while (at + length < end && source[candidate + length] === source[at + length]) length++
  return length
}

function emitLiterals(
  source: Buffer,
  start: number,
  end: number,
  target: Buffer,
  to: number,
  matchRest: number,
): number {
  const literals = end - start
  target[to] = (Math.min(literals, 15) << 4) | Math.min(matchRest, 15)
  const at = emitLengthRest(target, to + 1, literals)
  source.copy(target, at, start, end)
  return at + literals
}

/** The bytes that follow a token's nibble of 15. */
function emitLengthRest(target: Buffer, to: number, length: number): number {
  if (length < 15) return to
  let at = to
  let rest = length - 15
  for (; rest >= 255; rest -= 255) target[at++] = 255
  target[at++] = rest
  return at
}

function readLength(source: Buffer, cursor: { at: number }, end: number, nibble: number): number {
  if (nibble < 15) return nibble
  let length = 15
  for (;;) {
    if (cursor.at >= end) throw broken('length is cut short', cursor.at)
    const byte = source[cursor.at++]!
    length += byte
    if (byte < 255) return length
  }
}

function broken(reason: string, position: number): CorruptMessageError {
  return new CorruptMessageError(`lz4 ${reason}`, position)
}
