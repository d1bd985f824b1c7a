/**
 * Finds the next sound batch behind damage in a segment file.
 *
 * Where only a batch's own bytes are wrong, its size still leads to the next one. Where the size is wrong, the file is
 * searched byte by byte for a batch whose offset can come next, whose CRC matches, and which leads to the one behind it:
 * the base offset lies outside of the CRC.
 */
import type { FileHandle } from 'node:fs/promises'
import { RECORD_BATCH_OVERHEAD_BYTES } from '@stratalog/proto/records'
import { headerAt, headerIn, isSoundBatch, type PlacedHeader } from './header-walk.ts'

const SEARCH_BYTES = 4 * 1024 * 1024
const MAGIC_POSITION = 16
const MAGIC = 2

/** Where reading can go on. */
export interface ResyncPoint {
  readonly position: number
  readonly offset: number
}

/**
 * @param position of the damage, where the batch of `offset` should be.
 * @param endOffset offsets from here on are not in this file.
 * @returns null when nothing sound follows in the file.
 */
export async function resync(
  file: FileHandle,
  position: number,
  offset: number,
  endOffset: number,
): Promise<ResyncPoint | null> {
  const damaged = await headerAt(file, position)
  if (damaged !== null && damaged.baseOffset === offset) {
    const next = await headerAt(file, position + damaged.sizeBytes)
    if (next !== null && next.baseOffset === damaged.lastOffset + 1) {
      return { position: position + damaged.sizeBytes, offset: next.baseOffset }
    }
  }
  return await search(file, position, offset, endOffset)
}

async function search(file: FileHandle, from: number, offset: number, endOffset: number): Promise<ResyncPoint | null> {
  const buffer = Buffer.allocUnsafe(SEARCH_BYTES)
  for (let base = from; ; base += buffer.length - RECORD_BATCH_OVERHEAD_BYTES + 1) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, base)
    if (bytesRead < RECORD_BATCH_OVERHEAD_BYTES) return null
    const window = buffer.subarray(0, bytesRead)
    for (let at = nextMagic(window, 0); at !== -1; at = nextMagic(window, at + 1)) {
      const header = headerIn(window, at)
      if (header === null || header.baseOffset <= offset || header.lastOffset >= endOffset) continue
      const placed = { position: base + at, header }
      if (!(await isSoundBatch(file, placed))) continue
      if (await leadsOn(file, placed, endOffset)) return { position: placed.position, offset: header.baseOffset }
    }
    if (bytesRead < buffer.length) return null
  }
}

/** The next place where a whole header would have the right magic and a base offset that is not absurd; -1 for none. */
function nextMagic(window: Buffer, from: number): number {
  const last = window.length - RECORD_BATCH_OVERHEAD_BYTES
  let at = from
  while (at <= last) {
    const found = window.indexOf(MAGIC, at + MAGIC_POSITION)
    if (found === -1 || found - MAGIC_POSITION > last) return -1
    at = found - MAGIC_POSITION
    if (window[at] === 0) return at
    at++
  }
  return -1
}

/** Whether the file goes on, or ends, at the offset at which the batch says that it does. */
async function leadsOn(file: FileHandle, { position, header }: PlacedHeader, endOffset: number): Promise<boolean> {
  const end = header.lastOffset + 1
  return end === endOffset || (await headerAt(file, position + header.sizeBytes))?.baseOffset === end
}
