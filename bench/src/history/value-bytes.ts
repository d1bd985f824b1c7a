/**
 * The bytes of a value: its name (producer, partition, sequence) and a filling that follows from the name.
 *
 * ```
 *  0      4          8           12         20        24
 *  | 'SLV1' | producer | partition | sequence | length | filling ...
 * ```
 * Numbers are big endian. Every byte is fixed by name and length, so a reader recognises a changed byte, a record
 * of another partition and a record of nobody.
 */
import { invariant } from '@stratalog/proto'

/** Least bytes of a value. */
export const VALUE_BYTES_MIN = 24
const MAGIC = 0x534c5631

/** What a value says of itself. */
export interface ValueName {
  readonly producer: number
  readonly partition: number
  readonly sequence: number
}

/** @param lengthBytes at least {@link VALUE_BYTES_MIN} */
export function encodeValue(name: ValueName, lengthBytes: number): Buffer {
  invariant(lengthBytes >= VALUE_BYTES_MIN, () => `${lengthBytes} bytes hold no value`)
  const bytes = Buffer.allocUnsafe(lengthBytes)
  bytes.writeUInt32BE(MAGIC, 0)
  bytes.writeUInt32BE(name.producer, 4)
  bytes.writeUInt32BE(name.partition, 8)
  bytes.writeBigUInt64BE(BigInt(name.sequence), 12)
  bytes.writeUInt32BE(lengthBytes, 20)
  fill(bytes, seedOf(name))
  return bytes
}

/** The value's name, or what is wrong with the bytes. */
export function decodeValue(bytes: Uint8Array | null): ValueName | string {
  if (bytes === null) return 'no value'
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < VALUE_BYTES_MIN || buffer.readUInt32BE(0) !== MAGIC) return 'not a value of this run'
  const name = {
    producer: buffer.readUInt32BE(4),
    partition: buffer.readUInt32BE(8),
    sequence: Number(buffer.readBigUInt64BE(12)),
  }
  if (buffer.readUInt32BE(20) !== buffer.length) {
    return `${buffer.length} bytes, and it says that it has ${buffer.readUInt32BE(20)}`
  }
  if (!buffer.equals(encodeValue(name, buffer.length))) {
    return `bytes of value ${name.producer}/${name.sequence} have changed`
  }
  return name
}

/** Names that differ in one field only have different seeds: the factors are odd. */
function seedOf({ producer, partition, sequence }: ValueName): number {
  const high = Math.floor(sequence / 2 ** 32)
  const names = Math.imul(producer + 1, 0x9e3779b1) ^ Math.imul(partition + 1, 0x85ebca6b)
  return (names ^ Math.imul(sequence, 0xc2b2ae35) ^ Math.imul(high, 0x27d4eb2f)) >>> 0
}

/** xorshift32 behind the header. */
function fill(bytes: Buffer, seed: number): void {
  let state = seed || 1
  for (let at = VALUE_BYTES_MIN; at < bytes.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[at] = state & 0xff
  }
}
