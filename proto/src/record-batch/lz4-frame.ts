/**
 * The LZ4 frame around blocks: `magic, FLG, BD, [content size], HC, blocks, end mark, [content checksum]`.
 *
 * Read here in full before any block is expanded, so that a cut or hostile frame costs nothing. Exactly one frame
 * fills the section; dictionaries are refused. Source: lz4/lz4 doc/lz4_Frame_format.md; Kafka Lz4BlockInputStream.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'
import { expandLz4Block } from './lz4-block.ts'
import { xxhash32 } from './xxhash32.ts'

const FRAME_MAGIC = 0x184d_2204
/** Version 01, independent blocks, 64 KiB blocks, and their header checksum: what Kafka's Java client writes. */
const HEADER = Buffer.from('04224d18604082', 'hex')
const END_MARK = Buffer.alloc(4)
const UNCOMPRESSED_BIT = 0x8000_0000
/** No LZ4 block expands further than this for each of its bytes. */
const EXPANSION_MAX = 255

/** Where a block's bytes lie in the input. */
export interface Lz4FrameBlock {
  readonly start: number
  readonly end: number
  readonly compressed: boolean
  /** Upper bound of what it expands to. */
  readonly sizeMax: number
}

/** The layout of a frame whose structure was checked. */
export interface Lz4Frame {
  readonly blocks: readonly Lz4FrameBlock[]
  /** Upper bound of what the whole frame expands to. */
  readonly outputBytesMax: number
  /** Blocks may refer back to earlier blocks. */
  readonly linked: boolean
  readonly contentSizeBytes: number | null
  readonly contentChecksum: number | null
}

/** Puts blocks into a frame; one that did not shrink is stored as its chunk is. */
export function frameLz4Blocks(chunks: readonly Buffer[], blocks: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [HEADER]
  for (const [index, chunk] of chunks.entries()) {
    const block = blocks[index]!
    const stored = block.length >= chunk.length
    const size = Buffer.allocUnsafe(4)
    size.writeUInt32LE(stored ? (chunk.length | UNCOMPRESSED_BIT) >>> 0 : block.length)
    parts.push(size, stored ? chunk : block)
  }
  parts.push(END_MARK)
  return Buffer.concat(parts)
}

/** Checks the frame's structure and checksums of header and blocks. Throws CORRUPT_MESSAGE. */
export function parseLz4Frame(input: Buffer): Lz4Frame {
  if (input.length < 7 || input.readUInt32LE(0) !== FRAME_MAGIC) throw broken('frame has no magic', 0)
  const flags = input[4]!
  const descriptor = input[5]!
  const sizeCode = (descriptor >>> 4) & 7
  if (flags >>> 6 !== 1 || flags & 0x03) throw broken(`frame flags are ${flags}`, 4)
  if (descriptor & 0x8f || sizeCode < 4) throw broken(`block descriptor is ${descriptor}`, 5)
  const hasContentSize = (flags & 0x08) !== 0
  const headerEnd = hasContentSize ? 15 : 7
  if (input.length < headerEnd) throw broken('frame header is cut short', input.length)
  if (((xxhash32(input, 4, headerEnd - 1) >>> 8) & 0xff) !== input[headerEnd - 1]) {
    throw broken('header checksum does not match', headerEnd - 1)
  }
  const blockBytesMax = 1 << (8 + 2 * sizeCode)
  const { blocks, end, outputBytesMax } = parseBlocks(input, headerEnd, blockBytesMax, (flags & 0x10) !== 0)
  const hasContentChecksum = (flags & 0x04) !== 0
  const frameEnd = hasContentChecksum ? end + 4 : end
  if (frameEnd !== input.length) throw broken(`frame ends at ${frameEnd} of ${input.length} bytes`, end)
  return {
    blocks,
    outputBytesMax,
    linked: (flags & 0x20) === 0,
    contentSizeBytes: hasContentSize ? input.readUInt32LE(6) + input.readUInt32LE(10) * 2 ** 32 : null,
    contentChecksum: hasContentChecksum ? input.readUInt32LE(end) : null,
  }
}

/** Expands a parsed frame in plain JavaScript, block after block; output beyond `maxBytes` is CORRUPT_MESSAGE. */
export function expandLz4Frame(input: Buffer, frame: Lz4Frame, maxBytes: number): Buffer {
  const output = Buffer.allocUnsafe(Math.min(frame.outputBytesMax, maxBytes))
  let to = 0
  for (const { start, end, compressed, sizeMax } of frame.blocks) {
    const blockEnd = Math.min(output.length, to + sizeMax)
    if (compressed) {
      to = expandLz4Block(input, start, end, output, to, frame.linked ? 0 : to, blockEnd)
    } else {
      if (end - start > blockEnd - to) throw broken('records decompress beyond the limit', start)
      to += input.copy(output, to, start, end)
    }
  }
  return output.subarray(0, to)
}

/** Checks the expanded frame against what its header and trailer say; returns it. */
export function checkLz4Content(output: Buffer, frame: Lz4Frame): Buffer {
  const { contentSizeBytes, contentChecksum } = frame
  if (contentSizeBytes !== null && contentSizeBytes !== output.length) {
    throw broken(`frame holds ${output.length} bytes, not ${contentSizeBytes}`, 6)
  }
  if (contentChecksum !== null && contentChecksum !== xxhash32(output, 0, output.length)) {
    throw broken('content checksum does not match', 0)
  }
  return output
}

function parseBlocks(
  input: Buffer,
  headerEnd: number,
  blockBytesMax: number,
  checksummed: boolean,
): { blocks: Lz4FrameBlock[]; end: number; outputBytesMax: number } {
  const blocks: Lz4FrameBlock[] = []
  let outputBytesMax = 0
  let at = headerEnd
  for (;;) {
    if (input.length - at < 4) throw broken('frame has no end mark', at)
    const word = input.readUInt32LE(at)
    at += 4
    if (word === 0) return { blocks, end: at, outputBytesMax }
    const compressed = word < UNCOMPRESSED_BIT
    const length = compressed ? word : word - UNCOMPRESSED_BIT
    const end = at + length
    const next = checksummed ? end + 4 : end
    if (length > blockBytesMax || next > input.length) throw broken(`block of ${length} bytes`, at - 4)
    if (checksummed && xxhash32(input, at, end) !== input.readUInt32LE(end)) {
      throw broken('block checksum does not match', end)
    }
    const sizeMax = compressed ? Math.min(blockBytesMax, length * EXPANSION_MAX) : length
    blocks.push({ start: at, end, compressed, sizeMax })
    outputBytesMax += sizeMax
    at = next
  }
}

function broken(reason: string, position: number): CorruptMessageError {
  return new CorruptMessageError(`lz4 ${reason}`, position)
}
