import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { BlockCodec } from './block-codec.ts'
import type { CompressionName } from './codec.ts'
import { compress, compressSync, decompress, decompressSync, nativeSupport } from './compression.ts'
import { CorruptMessageError } from './corrupt-message-error.ts'
import { jsLz4Codec, nativeLz4Codec } from './lz4-codec.ts'
import { jsSnappyCodec, nativeSnappyCodec } from './snappy-codec.ts'
import { gzipCodec, zstdCodec } from './zlib-codecs.ts'

const implementations: [string, BlockCodec | null][] = [
  ['gzip', gzipCodec],
  ['zstd', zstdCodec],
  ['snappy js', jsSnappyCodec],
  ['snappy native', nativeSnappyCodec],
  ['lz4 js', jsLz4Codec],
  ['lz4 native', nativeLz4Codec],
]
const LIMIT = 1 << 20

/** Bytes with repeats near and far, and without. */
const content = fc
  .array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 600 })), { maxLength: 12 })
  .map((parts) => Buffer.concat(parts.flatMap(([bytes, times]) => Array<Uint8Array>(times).fill(bytes))))

for (const [name, codec] of implementations) {
  describe(name, { skip: codec === null ? 'not installed on this platform' : false }, () => {
    if (codec === null) return

    test('what was compressed comes back, both ways', async () => {
      await fc.assert(
        fc.asyncProperty(content, async (input) => {
          assert.ok(codec.decompressSync(codec.compressSync(input, undefined), LIMIT).equals(input))
          assert.ok((await codec.decompress(await codec.compress(input, undefined), LIMIT)).equals(input))
        }),
        { numRuns: 40 },
      )
    })

    test('several blocks, compressible or not, also by the thread pool', async () => {
      const half = Buffer.concat([noise(70_000), Buffer.alloc(130_000)])
      for (const input of [noise(300_000), Buffer.alloc(300_000, 'abcdefg'), half]) {
        const compressed = codec.compressSync(input, undefined)
        assert.ok(codec.decompressSync(compressed, input.length).equals(input))
        assert.ok((await codec.compress(input, undefined)).equals(compressed))
        assert.ok((await codec.decompress(compressed, input.length)).equals(input))
        const damaged = Buffer.from(compressed)
        damaged.fill(0xff, damaged.length >> 1)
        await assert.rejects(codec.decompress(damaged, input.length), CorruptMessageError)
      }
    })

    test('one byte over the limit is corrupt, at the limit is not', async () => {
      const compressed = codec.compressSync(Buffer.alloc(100_000, 'xyz'), undefined)
      assert.equal(codec.decompressSync(compressed, 100_000).length, 100_000)
      assert.throws(() => codec.decompressSync(compressed, 99_999), CorruptMessageError)
      await assert.rejects(codec.decompress(compressed, 99_999), CorruptMessageError)
    })

    test('mutated, cut and random input never throws anything else, nor yields more than the limit', async () => {
      const sound = codec.compressSync(Buffer.from('hello hello hello hello '.repeat(40)), undefined)
      const damaged = fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(sound.length - 1).map((end) => sound.subarray(0, end)),
        fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, bits]) => {
          const copy = Buffer.from(sound)
          copy[at] = copy[at]! ^ bits
          return copy
        }),
      )
      await fc.assert(
        fc.asyncProperty(damaged, async (bytes) => {
          const input = Buffer.from(bytes)
          assert.ok(orCorrupt(() => codec.decompressSync(input, 4096)) <= 4096)
          const output = await codec.decompress(input, 4096).catch(onlyCorrupt)
          assert.ok((output?.length ?? 0) <= 4096)
        }),
        { numRuns: 300 },
      )
    })
  })
}

test('native and JavaScript read each other', { skip: nativeSnappyCodec === null || nativeLz4Codec === null }, () => {
  const pairs = [
    [jsSnappyCodec, nativeSnappyCodec!],
    [jsLz4Codec, nativeLz4Codec!],
  ] as const
  fc.assert(
    fc.property(content, (input) => {
      for (const [js, native] of pairs) {
        assert.ok(js.decompressSync(native.compressSync(input, undefined), LIMIT).equals(input))
        assert.ok(native.decompressSync(js.compressSync(input, undefined), LIMIT).equals(input))
      }
    }),
    { numRuns: 60 },
  )
})

test('snappy without the xerial header is read as one raw block', () => {
  const input = Buffer.from('raw snappy, as some clients send it; raw snappy')
  const block = jsSnappyCodec.compressSync(input, undefined).subarray(20)
  for (const codec of [jsSnappyCodec, nativeSnappyCodec]) {
    if (codec !== null) assert.ok(codec.decompressSync(block, LIMIT).equals(input))
  }
})

test('a small input that expands far is read all the same', async () => {
  const input = Buffer.alloc(1_000_000, 'far')
  for (const codec of [gzipCodec, zstdCodec]) {
    const compressed = codec.compressSync(input, undefined)
    assert.ok(compressed.length < 8192)
    assert.ok((await codec.decompress(compressed, input.length)).equals(input))
  }
})

test('a small input that claims a huge output is refused before memory is taken for it', () => {
  const snappy = Buffer.from('ffffffff0f0041', 'hex')
  assert.throws(() => decompressSync('snappy', snappy), { code: 'CORRUPT_MESSAGE', reason: /claims 4294967295 bytes/ })
  const bomb = gzipSync(Buffer.alloc(8 << 20))
  assert.throws(() => decompressSync('gzip', bomb, 1 << 20), CorruptMessageError)
})

for (const [name, codec] of implementations.filter(([name]) => name.startsWith('lz4'))) {
  describe(`${name} frames of other writers`, { skip: codec === null }, () => {
    if (codec === null) return

    test('linked blocks, sizes and checksums, as the lz4 command writes them', () => {
      const linked = fixture('lz4-linked-blocks.hex')
      const line = 'linked lz4 block\n'
      const expected = Buffer.from(line.repeat(Math.ceil(66_000 / line.length))).subarray(0, 66_000)
      assert.ok(codec.decompressSync(linked, LIMIT).equals(expected))
      assert.ok(codec.decompressSync(linked, 66_000).equals(expected))
      for (const at of [linked.length - 1, linked.length - 9, 10, 14]) {
        const damaged = Buffer.from(linked)
        damaged[at] = damaged[at]! ^ 1
        assert.throws(() => codec.decompressSync(damaged, LIMIT), CorruptMessageError, `byte ${at}`)
      }
    })

    test('independent blocks with every checksum, as lz4-java writes them', () => {
      const frame = '04224d187c402000000000000000190e0000004f6c7a342004000450206c7a340a21fcab8c00000000fdd60227'
      const input = 'lz4 lz4 lz4 lz4 lz4 lz4 lz4 lz4\n'
      assert.equal(codec.decompressSync(Buffer.from(frame, 'hex'), LIMIT).toString(), input)
    })

    test('a dictionary, a second frame and stray bytes are corrupt', () => {
      const frame = codec.compressSync(Buffer.from('lz4'), undefined)
      const dictionary = Buffer.from(frame)
      dictionary[4] = dictionary[4]! | 1
      for (const input of [dictionary, Buffer.concat([frame, frame]), Buffer.concat([frame, Buffer.of(0)])]) {
        assert.throws(() => codec.decompressSync(input, LIMIT), CorruptMessageError)
      }
    })
  })
}

test('the codecs by name, both forms; none hands the input through', async () => {
  const input = Buffer.from('abc'.repeat(1000))
  const names: CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
  for (const name of names) {
    assert.ok((await decompress(name, compressSync(name, input))).equals(input))
    assert.ok(decompressSync(name, await compress(name, input)).equals(input))
  }
  assert.equal(compressSync('none', input), input)
  assert.ok(compressSync('gzip', input, 9).length < input.length)
  assert.ok(compressSync('zstd', input, 19).length < input.length)
  assert.deepEqual(Object.keys(nativeSupport), ['crc32c', 'snappy', 'lz4'])
})

function orCorrupt(run: () => Buffer): number {
  try {
    return run().length
  } catch (error) {
    onlyCorrupt(error)
    return 0
  }
}

function onlyCorrupt(error: unknown): null {
  assert.ok(error instanceof CorruptMessageError, String(error))
  return null
}

/** Bytes that do not compress, the same every run. */
function noise(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = 1
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

function fixture(name: string): Buffer {
  const text = readFileSync(new URL(`../../testdata/${name}`, import.meta.url), 'utf8')
  return Buffer.from(text.replace(/^#.*$/gm, '').replace(/\s/g, ''), 'hex')
}
