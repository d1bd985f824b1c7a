/**
 * Bytes as a JSON string, byte by byte into a chunk: what `JSON.stringify(bytes.toString())` gives, without the strings.
 */
import { isUtf8 } from 'node:buffer'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const HEX = Buffer.from('0123456789abcdef')
/** Letter of the two-byte escape of a control character, or 0. */
const SHORT_ESCAPE = new Uint8Array(0x20)
SHORT_ESCAPE[0x08] = 0x62
SHORT_ESCAPE[0x09] = 0x74
SHORT_ESCAPE[0x0a] = 0x6e
SHORT_ESCAPE[0x0c] = 0x66
SHORT_ESCAPE[0x0d] = 0x72

/** Most bytes that `writeJsonString` writes for `length` bytes. */
export function jsonStringBytesMax(length: number): number {
  return length * 6 + 2
}

/**
 * Writes `bytes` as a quoted string at `position`.
 *
 * @returns the position behind it, or -1 when they are not UTF-8.
 */
export function writeJsonString(chunk: Buffer, position: number, bytes: Buffer): number {
  const { length } = bytes
  let at = position
  let seen = 0
  chunk[at++] = QUOTE
  for (let index = 0; index < length; index++) {
    const byte = bytes[index]!
    seen |= byte
    if (byte === QUOTE || byte === BACKSLASH) {
      chunk[at++] = BACKSLASH
      chunk[at++] = byte
    } else if (byte >= 0x20) chunk[at++] = byte
    else at = writeControl(chunk, at, byte)
  }
  chunk[at++] = QUOTE
  return seen >= 0x80 && !isUtf8(bytes) ? -1 : at
}

function writeControl(chunk: Buffer, position: number, byte: number): number {
  const letter = SHORT_ESCAPE[byte]!
  chunk[position] = BACKSLASH
  if (letter !== 0) {
    chunk[position + 1] = letter
    return position + 2
  }
  chunk[position + 1] = 0x75
  chunk[position + 2] = 0x30
  chunk[position + 3] = 0x30
  chunk[position + 4] = HEX[byte >> 4]!
  chunk[position + 5] = HEX[byte & 15]!
  return position + 6
}
