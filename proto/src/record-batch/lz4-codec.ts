/**
 * lz4 as Kafka uses it: one LZ4 frame, version 1, independent 64 KiB blocks, no checksums but the header's.
 *
 * The frame's structure is always read here first (lz4-frame.ts); native code only expands single blocks of a frame
 * that was found sound and within the limit. Its own frame functions are five times slower than its block functions.
 */
import {
  AT_ONCE_BYTES_MAX,
  type BlockCodec,
  chunksOf,
  corruptSection,
  joinParts,
  type RawBlocks,
} from './block-codec.ts'
import { compressLz4Block, expandLz4Block } from './lz4-block.ts'
import {
  checkLz4Content,
  expandLz4Frame,
  frameLz4Blocks,
  type Lz4Frame,
  type Lz4FrameBlock,
  parseLz4Frame,
} from './lz4-frame.ts'
import { loadNative } from './native-module.ts'

/** Blocks go in and out of the package with their uncompressed size (uint32, little endian) in front. */
interface NativeLz4 {
  compressSync(input: Uint8Array): Buffer
  compress(input: Uint8Array): Promise<Buffer>
  uncompressSync(input: Uint8Array): Buffer
  uncompress(input: Uint8Array): Promise<Buffer>
}

const SIZE_PREFIX_BYTES = 4
const native = loadNative<NativeLz4>('lz4-napi')

/** In plain JavaScript. */
export const jsLz4Codec: BlockCodec = lz4CodecOf({
  compressSync: compressLz4Block,
  compress: async (chunk) => compressLz4Block(chunk),
  expandSync: expandAlone,
  expand: async (block, sizeMax) => expandAlone(block, sizeMax),
})

/** By the native package, or null where it is not installed. */
export const nativeLz4Codec: BlockCodec | null = native === null ? null : lz4CodecOf(nativeBlocks(native))

/** The one in use. */
export const lz4Codec: BlockCodec = nativeLz4Codec ?? jsLz4Codec

function lz4CodecOf(raw: RawBlocks): BlockCodec {
  const compressSync = (input: Buffer): Buffer => {
    const chunks = chunksOf(input)
    return frameLz4Blocks(chunks, chunks.map(raw.compressSync))
  }
  const decompressSync = (input: Buffer, maxBytes: number): Buffer => {
    const frame = parseLz4Frame(input)
    if (needsExactWalk(frame, maxBytes)) return checkLz4Content(expandLz4Frame(input, frame, maxBytes), frame)
    try {
      const parts = frame.blocks.map((block) =>
        block.compressed ? raw.expandSync(bytesOf(input, block), block.sizeMax) : bytesOf(input, block),
      )
      return checkLz4Content(joinParts(parts), frame)
    } catch (error) {
      throw corruptSection('lz4', error)
    }
  }
  return {
    compressSync,
    decompressSync,
    async compress(input) {
      if (input.length <= AT_ONCE_BYTES_MAX) return compressSync(input)
      const chunks = chunksOf(input)
      return frameLz4Blocks(chunks, await Promise.all(chunks.map(raw.compress)))
    },
    async decompress(input, maxBytes) {
      const frame = parseLz4Frame(input)
      if (frame.outputBytesMax <= AT_ONCE_BYTES_MAX || needsExactWalk(frame, maxBytes)) {
        return decompressSync(input, maxBytes)
      }
      try {
        const parts = frame.blocks.map(async (block) =>
          block.compressed ? raw.expand(bytesOf(input, block), block.sizeMax) : bytesOf(input, block),
        )
        return checkLz4Content(joinParts(await Promise.all(parts)), frame)
      } catch (error) {
        throw corruptSection('lz4', error)
      }
    },
  }
}

/** Linked blocks need those before them; and the bound counts whole blocks, so near the limit only a count is fair. */
function needsExactWalk(frame: Lz4Frame, maxBytes: number): boolean {
  return frame.linked || frame.outputBytesMax > maxBytes
}

function nativeBlocks(lz4: NativeLz4): RawBlocks {
  return {
    compressSync: (chunk) => lz4.compressSync(chunk).subarray(SIZE_PREFIX_BYTES),
    compress: async (chunk) => (await lz4.compress(chunk)).subarray(SIZE_PREFIX_BYTES),
    expandSync: (block, sizeMax) => lz4.uncompressSync(withSize(block, sizeMax)),
    expand: (block, sizeMax) => lz4.uncompress(withSize(block, sizeMax)),
  }
}

function withSize(block: Buffer, sizeMax: number): Buffer {
  const prefixed = Buffer.allocUnsafe(SIZE_PREFIX_BYTES + block.length)
  prefixed.writeUInt32LE(sizeMax)
  block.copy(prefixed, SIZE_PREFIX_BYTES)
  return prefixed
}

function expandAlone(block: Buffer, sizeMax: number): Buffer {
  const output = Buffer.allocUnsafe(sizeMax)
  return output.subarray(0, expandLz4Block(block, 0, block.length, output, 0, 0, sizeMax))
}

function bytesOf(input: Buffer, block: Lz4FrameBlock): Buffer {
  return input.subarray(block.start, block.end)
}
