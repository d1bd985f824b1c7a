/**
 * The raw snappy block format in plain JavaScript: the fallback where no native build exists, and the only reader of
 * a block's stated size, which is checked against what its bytes could possibly expand to before anything is
 * allocated. Source: google/snappy format_description.txt.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'
import { VarintReader, writeUnsignedVarint } from './varint.ts'

/** No element expands further: 3 bytes make at most 64. */
const EXPANSION_MAX = 22
const HASH_BITS = 14
const MIN_MATCH_BYTES = 4

/** Compresses at most 64 KiB into a new buffer: match offsets are 16 bits. */
export function compressSnappyBlock(source: Buffer): Buffer {
  const target = Buffer.allocUnsafe(32 + source.length + Math.ceil(source.length / 6))
  const table = new Uint16Array(1 << HASH_BITS)
  let to = writeUnsignedVarint(target, 0, source.length)
  let literalStart = 0
  let at = 1
  let misses = 0
  while (at + MIN_MATCH_BYTES <= source.length) {
    const word = source.readInt32LE(at)
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS)
    const candidate = table[slot]!
    table[slot] = at
    if (candidate >= at || source.readInt32LE(candidate) !== word) {
      at += 1 + (misses++ >> 5)
      continue
    }
    const length = matchLength(source, candidate, at)
    to = emitLiteral(source, literalStart, at, target, to)
    to = emitCopy(target, to, at - candidate, length)
    at += length
    literalStart = at
    misses = 0
  }
  return target.subarray(0, emitLiteral(source, literalStart, source.length, target, to))
}

/** The size that a block says it expands to. Throws CORRUPT_MESSAGE when its bytes cannot. */
export function snappyBlockSize(source: Buffer, start: number, end: number): number {
  const size = new VarintReader(source, start, end).readUnsignedVarint()
  if (size > (end - start) * EXPANSION_MAX) throw new CorruptMessageError(`snappy block claims ${size} bytes`, start)
  return size
}

/**
 * Expands a block into a new buffer of exactly the stated size.
 *
 * @param sizeBytes the stated size, as found by {@link snappyBlockSize}.
 */
export function expandSnappyBlock(source: Buffer, sizeBytes: number): Buffer {
  const end = source.length
  const reader = new VarintReader(source, 0, end)
  const target = Buffer.allocUnsafe(sizeBytes)
  let out = 0
  reader.readUnsignedVarint()
  while (reader.position < end) {
    const tag = reader.readByte()
    const kind = tag & 3
    if (kind === 0) {
      const length = literalLength(reader, tag >>> 2)
      if (length > end - reader.position || length > sizeBytes - out) {
        throw new CorruptMessageError('snappy literal runs past the end', reader.position)
      }
      source.copy(target, out, reader.position, reader.position + length)
      reader.position += length
      out += length
      continue
    }
    const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    const distance = kind === 1 ? ((tag >>> 5) << 8) | reader.readByte() : littleEndian(reader, kind === 2 ? 2 : 4)
    if (distance === 0 || distance > out || length > sizeBytes - out) {
      throw new CorruptMessageError(`snappy copy of ${length} bytes from ${distance} back`, reader.position)
    }
    for (const stop = out + length; out < stop; out++) target[out] = target[out - distance]!
  }
  if (out !== sizeBytes) throw new CorruptMessageError('snappy block is shorter than it says', end)
  return target
}

function matchLength(source: Buffer, candidate: number, at: number): number {
  let length = MIN_MATCH_BYTES
  while (at + length < source.length && source[candidate + length] === source[at + length]) length++
  return length
}

function emitLiteral(source: Buffer, start: number, end: number, target: Buffer, to: number): number {
  const last = end - start - 1
  if (last < 0) return to
  let at = to
  if (last < 60) {
    target[at++] = last << 2
  } else if (last < 256) {
    target[at++] = 60 << 2
    target[at++] = last
  } else {
    target[at++] = 61 << 2
    target[at++] = last & 0xff
    target[at++] = last >>> 8
  }
  source.copy(target, at, start, end)
  return at + end - start
}

function emitCopy(target: Buffer, to: number, distance: number, length: number): number {
  let at = to
  let rest = length
  while (rest > 64) {
    // A remainder below 4 could not be a short copy: leave at least that many.
    const part = rest >= 68 ? 64 : 60
    at = emitLongCopy(target, at, distance, part)
    rest -= part
  }
  if (rest >= 12 || distance >= 2048) return emitLongCopy(target, at, distance, rest)
  target[at++] = 1 | ((rest - 4) << 2) | ((distance >>> 8) << 5)
  target[at++] = distance & 0xff
  return at
}

function emitLongCopy(target: Buffer, to: number, distance: number, length: number): number {
  target[to] = 2 | ((length - 1) << 2)
  target[to + 1] = distance & 0xff
  target[to + 2] = distance >>> 8
  return to + 3
}

function literalLength(reader: VarintReader, code: number): number {
  return code < 60 ? code + 1 : littleEndian(reader, code - 59) + 1
}

function littleEndian(reader: VarintReader, bytes: number): number {
  let value = 0
  for (let index = 0; index < bytes; index++) value |= reader.readByte() << (8 * index)
  return value >>> 0
}
