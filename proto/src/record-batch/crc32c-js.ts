/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) in plain JavaScript, eight bytes a step ("slice by 8").
 *
 * The fallback where no native build exists; crc32c.ts chooses. Source: RFC 3720 appendix B.4.
 */

const POLYNOMIAL = 0x82f6_3b78
const TABLES = buildTables()

/** CRC-32C of `buffer[start, end)` as uint32, continuing from `seed` (the CRC of what came before, 0 at first). */
export function crc32cJs(buffer: Uint8Array, start: number, end: number, seed: number): number {
  const t = TABLES
  let crc = ~seed
  let at = start
  for (const wideEnd = end - 7; at < wideEnd; at += 8) {
    crc ^= buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 24)
    crc =
      t[1792 + (crc & 0xff)]! ^
      t[1536 + ((crc >>> 8) & 0xff)]! ^
      t[1280 + ((crc >>> 16) & 0xff)]! ^
      t[1024 + (crc >>> 24)]! ^
      t[768 + buffer[at + 4]!]! ^
      t[512 + buffer[at + 5]!]! ^
      t[256 + buffer[at + 6]!]! ^
      t[buffer[at + 7]!]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ buffer[at]!) & 0xff]!
  return ~crc >>> 0
}

/** Table k (at k * 256) holds the CRC of a byte followed by k zero bytes. */
function buildTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    tables[byte] = crc
  }
  for (let at = 256; at < tables.length; at++) {
    const previous = tables[at - 256]!
    tables[at] = (previous >>> 8) ^ tables[previous & 0xff]!
  }
  return tables
}
