/**
 * Zigzag varints (int32) and varlongs (int64) of the record format, and the unsigned varints of control records.
 *
 * Writers take a position and return the next one. {@link VarintReader} walks a byte range and refuses what runs over
 * its end, is over-long (more than 5 or 10 bytes) or does not fit (int32; for varlongs a safe integer): CORRUPT_MESSAGE.
 * Source: Kafka ByteUtils, Protocol Buffers encoding.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'

const TWO_28 = 0x1000_0000

/** Bytes that {@link writeVarint} needs for an int32. */
export function varintSizeBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x20_0000) return 3
  return zigzag < TWO_28 ? 4 : 5
}

/** Bytes that {@link writeVarlong} needs for a safe integer. */
export function varlongSizeBytes(value: number): number {
  if ((value | 0) === value) return varintSizeBytes(value)
  let magnitude = (value < 0 ? -(value + 1) : value) * 2
  let size = 1
  while (magnitude >= 0x80) {
    magnitude = Math.floor(magnitude / 0x80)
    size++
  }
  return size
}

/** Writes an int32 as a zigzag varint; returns the position after it. */
export function writeVarint(buffer: Buffer, position: number, value: number): number {
  return writeUnsignedVarint(buffer, position, ((value << 1) ^ (value >> 31)) >>> 0)
}

/** Writes a uint32 as an unsigned varint; returns the position after it. */
export function writeUnsignedVarint(buffer: Buffer, position: number, value: number): number {
  let rest = value
  let at = position
  while (rest > 0x7f) {
    buffer[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buffer[at++] = rest
  return at
}

/** Writes a safe integer as a zigzag varlong; returns the position after it. */
export function writeVarlong(buffer: Buffer, position: number, value: number): number {
  if ((value | 0) === value) return writeVarint(buffer, position, value)
  // zigzag(value) = 2 * magnitude + sign needs 54 bits: its low 28 bits and the rest are kept apart to stay exact.
  const sign = value < 0 ? 1 : 0
  const magnitude = value < 0 ? -(value + 1) : value
  let low = ((magnitude % (TWO_28 / 2)) << 1) | sign
  const high = Math.floor(magnitude / (TWO_28 / 2))
  let at = position
  for (let index = 0; index < 4; index++) {
    const more = high > 0 || low > 0x7f
    buffer[at++] = (low & 0x7f) | (more ? 0x80 : 0)
    if (!more) return at
    low >>>= 7
  }
  return writeUnsignedVarint(buffer, at, high)
}

/** A position that walks a byte range `[position, end)` of a buffer; nobody else moves it. */
export class VarintReader {
  readonly buffer: Buffer
  /** Next byte to be read. Invariant: position <= end. */
  position: number
  /** Exclusive end of what may be read. */
  readonly end: number

  constructor(buffer: Buffer, position: number, end: number) {
    this.buffer = buffer
    this.position = position
    this.end = end
  }

  /** The next zigzag varint, an int32. */
  readVarint(): number {
    const zigzag = this.readUnsignedVarint()
    return (zigzag >>> 1) ^ -(zigzag & 1)
  }

  /** The next unsigned varint, 0..2^32-1. */
  readUnsignedVarint(): number {
    const first = this.readByte()
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.readByte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    const last = this.readByte()
    if (last > 0x0f) throw new CorruptMessageError('varint is longer than 32 bits', this.position)
    return (value | (last << 28)) >>> 0
  }

  /** The next zigzag varlong, a safe integer. */
  readVarlong(): number {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.readByte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
    }
    let high = 0
    let scale = 1
    for (let index = 0; ; index++) {
      const byte = this.readByte()
      high += (byte & 0x7f) * scale
      if (byte < 0x80) break
      if (index === 5) throw new CorruptMessageError('varlong is longer than 64 bits', this.position)
      scale *= 0x80
    }
    const magnitude = high * (TWO_28 / 2) + (low >>> 1)
    const sign = low & 1
    if (magnitude > Number.MAX_SAFE_INTEGER - sign)
      throw new CorruptMessageError('varlong is beyond 2^53', this.position)
    return sign === 1 ? -magnitude - 1 : magnitude
  }

  /** The next byte, 0..255. */
  readByte(): number {
    if (this.position >= this.end) throw new CorruptMessageError('field runs past the end', this.position)
    return this.buffer[this.position++]!
  }
}
