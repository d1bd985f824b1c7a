/**
 * snappy as Kafka frames it: snappy-java's stream ("xerial"): a 16-byte header, then blocks of `int32 length, raw
 * snappy block`. A section without the header is one raw block, as some clients send it; both are read.
 *
 * Invariant: no block is expanded before all blocks' stated sizes were found possible and, together, within the limit.
 */
import {
  AT_ONCE_BYTES_MAX,
  type BlockCodec,
  chunksOf,
  corruptSection,
  joinParts,
  type RawBlocks,
} from './block-codec.ts'
import { CorruptMessageError } from './corrupt-message-error.ts'
import { loadNative } from './native-module.ts'
import { compressSnappyBlock, expandSnappyBlock, snappyBlockSize } from './snappy-block.ts'

/** `\x82SNAPPY\0`, version 1, compatible with 1. */
const XERIAL_HEADER = Buffer.from('82534e41505059000000000100000001', 'hex')
const XERIAL_MAGIC = XERIAL_HEADER.subarray(0, 8)

interface NativeSnappy {
  compressSync(input: Uint8Array, options: { copyOutputData: true }): Buffer
  compress(input: Uint8Array, options: { copyOutputData: true }): Promise<Buffer>
  uncompressSync(input: Uint8Array, options: { asBuffer: true; copyOutputData: true }): Buffer
  uncompress(input: Uint8Array, options: { asBuffer: true; copyOutputData: true }): Promise<Buffer>
}

interface SnappyBlock {
  readonly bytes: Buffer
  /** What it says it expands to. */
  readonly sizeBytes: number
}

const native = loadNative<NativeSnappy>('snappy')

/** In plain JavaScript. */
export const jsSnappyCodec: BlockCodec = snappyCodecOf({
  compressSync: compressSnappyBlock,
  compress: async (chunk) => compressSnappyBlock(chunk),
  expandSync: expandSnappyBlock,
  expand: async (block, sizeBytes) => expandSnappyBlock(block, sizeBytes),
})

/** By the native package, or null where it is not installed. */
export const nativeSnappyCodec: BlockCodec | null = native === null ? null : snappyCodecOf(nativeBlocks(native))

/** The one in use. */
export const snappyCodec: BlockCodec = nativeSnappyCodec ?? jsSnappyCodec

function snappyCodecOf(raw: RawBlocks): BlockCodec {
  const compressSync = (input: Buffer): Buffer => frame(chunksOf(input).map(raw.compressSync))
  const expandSync = (blocks: readonly SnappyBlock[]): Buffer => {
    try {
      return joinParts(blocks.map(({ bytes, sizeBytes }) => raw.expandSync(bytes, sizeBytes)))
    } catch (error) {
      throw corruptSection('snappy', error)
    }
  }
  return {
    compressSync,
    decompressSync: (input, maxBytes) => expandSync(findBlocks(input, maxBytes)),
    async compress(input) {
      if (input.length <= AT_ONCE_BYTES_MAX) return compressSync(input)
      return frame(await Promise.all(chunksOf(input).map(raw.compress)))
    },
    async decompress(input, maxBytes) {
      const blocks = findBlocks(input, maxBytes)
      if (blocks.reduce((total, block) => total + block.sizeBytes, 0) <= AT_ONCE_BYTES_MAX) return expandSync(blocks)
      try {
        return joinParts(await Promise.all(blocks.map(({ bytes, sizeBytes }) => raw.expand(bytes, sizeBytes))))
      } catch (error) {
        throw corruptSection('snappy', error)
      }
    },
  }
}

/** Without `copyOutputData` every result is an external buffer, which costs six times the compression itself. */
function nativeBlocks(snappy: NativeSnappy): RawBlocks {
  const compressOptions = { copyOutputData: true } as const
  const expandOptions = { asBuffer: true, copyOutputData: true } as const
  return {
    compressSync: (chunk) => snappy.compressSync(chunk, compressOptions),
    compress: (chunk) => snappy.compress(chunk, compressOptions),
    expandSync: (block) => snappy.uncompressSync(block, expandOptions),
    expand: (block) => snappy.uncompress(block, expandOptions),
  }
}

function frame(blocks: readonly Buffer[]): Buffer {
  const total = blocks.reduce((sum, block) => sum + 4 + block.length, XERIAL_HEADER.length)
  const output = Buffer.allocUnsafe(total)
  let to = XERIAL_HEADER.copy(output)
  for (const block of blocks) {
    to = output.writeInt32BE(block.length, to)
    to += block.copy(output, to)
  }
  return output
}

function findBlocks(input: Buffer, maxBytes: number): SnappyBlock[] {
  if (!input.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return [blockAt(input, 0, input.length, maxBytes)]
  if (input.length < XERIAL_HEADER.length) throw new CorruptMessageError('snappy header is cut short', input.length)
  const blocks: SnappyBlock[] = []
  let left = maxBytes
  let at = XERIAL_HEADER.length
  while (at < input.length) {
    const start = at + 4
    const length = start <= input.length ? input.readInt32BE(at) : -1
    if (length < 0 || length > input.length - start) {
      throw new CorruptMessageError(`snappy block of ${length} bytes is cut short`, at)
    }
    const block = blockAt(input, start, start + length, left)
    blocks.push(block)
    left -= block.sizeBytes
    at = start + length
  }
  return blocks
}

function blockAt(input: Buffer, start: number, end: number, maxBytes: number): SnappyBlock {
  const sizeBytes = snappyBlockSize(input, start, end)
  if (sizeBytes > maxBytes) throw new CorruptMessageError('records decompress beyond the limit', start)
  return { bytes: input.subarray(start, end), sizeBytes }
}
