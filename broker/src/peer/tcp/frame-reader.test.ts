import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FrameReader } from './frame-reader.ts'

const LIMITS = { frameBytesMax: 10_000, headerBytesMax: 1_000 }

function frame(header: Uint8Array, payload: Uint8Array): Buffer {
  const prefix = Buffer.alloc(8)
  prefix.writeUInt32BE(4 + header.length + payload.length, 0)
  prefix.writeUInt32BE(header.length, 4)
  return Buffer.concat([prefix, header, payload])
}

function read(chunks: readonly Buffer[]): { frames: [Buffer, Buffer][]; problem: string | null } {
  const frames: [Buffer, Buffer][] = []
  const reader = new FrameReader(LIMITS, (header, payload) => frames.push([header, payload]) > 0)
  for (const chunk of chunks) {
    const problem = reader.push(chunk)
    if (problem !== null) return { frames, problem }
  }
  return { frames, problem: null }
}

test('frames come out whole however the bytes are cut', () => {
  const part = fc.uint8Array({ maxLength: 60 })
  fc.assert(
    fc.property(fc.array(fc.tuple(part, part), { maxLength: 8 }), fc.array(fc.nat()), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(([header, payload]) => frame(header, payload)))
      const at = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b)
      const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
      const { frames: found, problem } = read(chunks)
      assert.equal(problem, null)
      assert.deepEqual(
        found.map(([header, payload]) => [[...header], [...payload]]),
        frames.map(([header, payload]) => [[...header], [...payload]]),
      )
    }),
    { numRuns: 300 },
  )
})

test('a frame within a chunk is a view of it; one that spans chunks is gathered once', () => {
  // Larger than what Node's pool of small buffers gives out.
  const bytes = frame(Buffer.from('head'), Buffer.alloc(9_000, 1))
  const copy = Buffer.from(new Uint8Array(bytes).buffer)
  const [whole] = read([copy]).frames
  assert.ok(whole?.[1].buffer === copy.buffer)
  const [gathered] = read([copy.subarray(0, 50), copy.subarray(50)]).frames
  assert.ok(gathered && gathered[0].buffer === gathered[1].buffer && gathered[1].buffer !== copy.buffer)
  assert.deepEqual([gathered[0].toString(), gathered[1]], ['head', Buffer.alloc(9_000, 1)])
})

test('sizes beyond the limits, and sizes that contradict one another, are refused by their eight bytes', () => {
  const prefix = (lengthBytes: number, headerBytes: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32BE(lengthBytes, 0)
    bytes.writeUInt32BE(headerBytes, 4)
    return bytes
  }
  assert.match(read([prefix(10_005, 10)]).problem ?? '', /10001 bytes exceeds the limit of 10000/)
  assert.match(read([prefix(5_000, 1_001)]).problem ?? '', /header of 1001 bytes exceeds the limit of 1000/)
  assert.match(read([prefix(10, 7)]).problem ?? '', /claims a header of 7/)
  assert.match(read([prefix(0, 0)]).problem ?? '', /frame of 0 bytes/)
  assert.match(read([Buffer.from('GET / HTTP/1.1\r\n\r\n')]).problem ?? '', /exceeds the limit/)
  assert.equal(read([prefix(10_004, 1_000)]).problem, null)
})

test('after a refusal of its owner nothing more is read', () => {
  let count = 0
  const reader = new FrameReader(LIMITS, () => ++count < 2)
  const one = frame(Buffer.from('h'), Buffer.alloc(0))
  assert.equal(reader.push(Buffer.concat([one, one, one])), null)
  assert.equal(count, 2)
})
