/**
 * Bounds what a request may become when it is decoded, before it is.
 *
 * Two bytes on the wire can be an object of a hundred in memory: a message of 64 MiB of empty fields would take the
 * heap with it. So the fields are counted first, by their tags alone, which costs next to nothing for a message whose
 * bytes are in a few record batches.
 */
import { StratalogError } from '@stratalog/proto'

/** What a method accepts. */
export interface RequestShape {
  /** Encoded bytes. */
  readonly bytesMax: number
  /** Fields, those of nested messages down to `depth` included. */
  readonly fieldCountMax: number
  /** 1 counts the message's own fields; 2 also those of the messages in it. */
  readonly depth: 1 | 2
}

/** For methods that carry names, numbers and settings. */
export const CONTROL_REQUEST: RequestShape = { bytesMax: 4 * 1024 * 1024, fieldCountMax: 100_000, depth: 1 }

/** Throws INVALID_REQUEST for a request beyond its method's shape. Malformed bytes pass: the decoder names them. */
export function checkRequestShape(path: string, bytes: Uint8Array, shape: RequestShape): void {
  if (bytes.length > shape.bytesMax) {
    throw new StratalogError(
      'INVALID_REQUEST',
      `a request of ${path} has ${bytes.length} bytes; ${shape.bytesMax} are allowed`,
    )
  }
  if (countFields(bytes, 0, bytes.length, shape.depth, shape.fieldCountMax) > shape.fieldCountMax) {
    throw new StratalogError('INVALID_REQUEST', `a request of ${path} has more than ${shape.fieldCountMax} fields`)
  }
}

/** Fields between two positions, at most a little more than `enough`; up to the first that is malformed. */
function countFields(bytes: Uint8Array, start: number, end: number, depth: number, enough: number): number {
  let count = 0
  let position = start
  while (position < end && count <= enough) {
    const wireType = (bytes[position] ?? 0) & 7
    position = afterVarint(bytes, position)
    count++
    if (wireType === 0) {
      position = afterVarint(bytes, position)
    } else if (wireType === 1) {
      position += 8
    } else if (wireType === 5) {
      position += 4
    } else if (wireType === 2) {
      const payloadStart = afterVarint(bytes, position)
      const payloadEnd = Math.min(payloadStart + readVarint(bytes, position), end)
      if (depth > 1) count += countFields(bytes, payloadStart, payloadEnd, depth - 1, enough - count)
      position = payloadEnd
    } else {
      return count
    }
  }
  return count
}

function afterVarint(bytes: Uint8Array, start: number): number {
  let position = start
  while (((bytes[position] ?? 0) & 0x80) !== 0) position++
  return position + 1
}

/** The value, as a float: lengths beyond 2^53 only need to be recognised as too long. */
function readVarint(bytes: Uint8Array, start: number): number {
  let value = 0
  let scale = 1
  for (let position = start; ; position++) {
    const byte = bytes[position] ?? 0
    value += (byte & 0x7f) * scale
    if ((byte & 0x80) === 0) return value
    scale *= 128
  }
}
