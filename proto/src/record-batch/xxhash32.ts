/** xxHash32 with seed 0, the checksum inside LZ4 frames. Source: Cyan4973/xxHash doc/xxhash_spec.md. */

const P1 = 0x9e3779b1 | 0
const P2 = 0x85ebca77 | 0
const P3 = 0xc2b2ae3d | 0
const P4 = 0x27d4eb2f
const P5 = 0x165667b1

/** xxHash32 of `buffer[start, end)` as uint32. */
export function xxhash32(buffer: Buffer, start: number, end: number): number {
  let at = start
  let hash = P5
  if (end - start >= 16) {
    let a = (P1 + P2) | 0
    let b = P2
    let c = 0
    let d = -P1 | 0
    for (; at + 16 <= end; at += 16) {
      a = round(a, buffer.readInt32LE(at))
      b = round(b, buffer.readInt32LE(at + 4))
      c = round(c, buffer.readInt32LE(at + 8))
      d = round(d, buffer.readInt32LE(at + 12))
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0
  }
  hash = (hash + end - start) | 0
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(buffer.readInt32LE(at), P3)) | 0, 17), P4)
  }
  for (; at < end; at++) hash = Math.imul(rotate((hash + Math.imul(buffer[at]!, P5)) | 0, 11), P1)
  hash = Math.imul(hash ^ (hash >>> 15), P2)
  hash = Math.imul(hash ^ (hash >>> 13), P3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, P2)) | 0, 13), P1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
