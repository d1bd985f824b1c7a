import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { sizeOf } from '@stratalog/proto/records'
import { dataBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { DEFAULT_LOG_CONFIG, FlushScheduler, type LogConfig, OpenFileCache, PartitionLog } from './index.ts'
import type { ScrubCursor } from './log-scrub.ts'

const DIRECTORY = '/data/t-0'
const FIRST = `${DIRECTORY}/00000000000000000000.log`

class Scrubbed {
  readonly fileSystem = new FakeFileSystem()
  readonly damages: string[] = []
  readonly buffer: Buffer
  log!: PartitionLog

  private constructor(bufferBytes: number) {
    this.buffer = Buffer.alloc(bufferBytes)
  }

  static async open(config: Partial<LogConfig> = {}, bufferBytes = 700): Promise<Scrubbed> {
    const self = new Scrubbed(bufferBytes)
    const { fileSystem } = self
    await fileSystem.makeDirectory('/data')
    self.log = await PartitionLog.open({
      directory: DIRECTORY,
      fileSystem,
      config: { ...DEFAULT_LOG_CONFIG, ...config },
      flusher: new FlushScheduler(),
      openFiles: new OpenFileCache({ fileSystem }),
      clock: { nowMs: () => 1000, schedule: () => () => undefined },
      listener: { onDamage: ({ offset, reason }) => self.damages.push(`${offset}: ${reason}`) },
    })
    return self
  }

  async append(count: number, valueBytes = 50, epoch = 1): Promise<void> {
    for (let i = 0; i < count; i++)
      this.log.append([dataBatch({ baseOffset: this.log.logEndOffset, valueBytes, epoch })])
    await this.log.flush()
  }

  /** A whole check from `from` on. Returns the bytes that it read. */
  async pass(from: ScrubCursor | null = null): Promise<number> {
    let total = 0
    for (let next = from, steps = 0; ; steps++) {
      assert.ok(steps < 10_000, 'the check ends')
      const step = await this.log.scrub(next, this.buffer)
      total += step.readBytes
      next = step.next
      if (next === null) return total
    }
  }

  /** Steps until the cursor is in the middle of the log. */
  async halfway(): Promise<ScrubCursor> {
    let cursor: ScrubCursor | null = null
    do {
      cursor = (await this.log.scrub(cursor, this.buffer)).next
      assert.ok(cursor !== null)
    } while (cursor.offset < this.log.logEndOffset / 2)
    return cursor
  }

  sizeOfLogs(): number {
    const paths = this.fileSystem.paths.filter((path) => path.endsWith('.log'))
    return paths.reduce((sum, path) => sum + this.fileSystem.contentOf(path).length, 0)
  }
}

test('a sound log of many segments is read to its end, whatever the buffer', async () => {
  for (const bufferBytes of [61, 100, 150, 700, 100_000]) {
    const bench = await Scrubbed.open({ segmentBytesMax: 1000 }, bufferBytes)
    await bench.append(40)
    await bench.append(3, 5000, 2)
    assert.ok((await bench.pass()) >= bench.sizeOfLogs())
    assert.deepEqual(bench.damages, [])
  }
})

test('every flipped bit of a flushed log is found, in sealed segments and in the active one', async () => {
  const bench = await Scrubbed.open({ segmentBytesMax: 1000 })
  await bench.append(10)
  await bench.append(1, 2000, 2)
  await bench.append(2, 50, 3)
  const paths = bench.fileSystem.paths.filter((path) => path.endsWith('.log'))
  assert.ok(paths.length > 2)
  for (const path of paths) {
    const { length } = bench.fileSystem.contentOf(path)
    for (let at = 0; at < length; at++) {
      bench.fileSystem.flipBit(path, at, at % 8)
      await assert.rejects(bench.pass(), { code: 'LOG_SEGMENT_CORRUPT' }, `byte ${at} of ${path}`)
      bench.fileSystem.flipBit(path, at, at % 8)
    }
  }
  await bench.pass()
})

test('damage is told with the offset and place, as by a read', async () => {
  const bench = await Scrubbed.open()
  await bench.append(20)
  const bytes = bench.fileSystem.contentOf(FIRST)
  let position = 0
  for (let count = 0; count < 7; count++) position += sizeOf(bytes, position)
  bench.fileSystem.flipBit(FIRST, position + 70)
  await assert.rejects(bench.pass(), { code: 'LOG_SEGMENT_CORRUPT', offset: 7, position, path: FIRST })
  assert.deepEqual(bench.damages, ['7: CRC-32C does not match'])
})

test('a file that was cut is found', async () => {
  const bench = await Scrubbed.open({ segmentBytesMax: 1000 })
  await bench.append(30)
  bench.fileSystem.cutFile(FIRST, 300)
  await assert.rejects(bench.pass(), { code: 'LOG_SEGMENT_CORRUPT' })
})

test('what is written and not flushed is no damage yet', async () => {
  const bench = await Scrubbed.open({ flushPolicy: 'replicated' })
  await bench.append(10)
  assert.equal(bench.log.flushedEndOffset, 0)
  bench.fileSystem.flipBit(FIRST, 70)
  assert.equal(await bench.pass(), 0)
})

test('a log that is cut, trimmed, reset or closed during a check is not blamed for it', async () => {
  const changes: readonly ((bench: Scrubbed) => Promise<unknown>)[] = [
    ({ log }) => log.truncateTo(toOffset(5)),
    ({ log }) => log.deleteTo(toOffset(35)),
    ({ log }) => log.resetTo(toOffset(100), null),
    async (bench) => {
      await bench.log.truncateTo(toOffset(5))
      await bench.append(40, 10, 2)
    },
  ]
  for (const change of changes) {
    const bench = await Scrubbed.open({ segmentBytesMax: 1000 })
    await bench.append(40)
    const cursor = await bench.halfway()
    const [step] = await Promise.all([bench.log.scrub(cursor, bench.buffer), change(bench)])
    await bench.pass(step.next)
    assert.deepEqual(bench.damages, [])
    await bench.pass(cursor)
    await bench.log.close()
    await assert.rejects(bench.pass(cursor), { code: 'LOG_CLOSED' })
  }
})

test('a check that is behind goes on in segments written since', async () => {
  const bench = await Scrubbed.open({ segmentBytesMax: 1000 })
  await bench.append(40)
  const cursor = await bench.halfway()
  await bench.append(40)
  const last = bench.fileSystem.paths.filter((path) => path.endsWith('.log')).at(-1)!
  bench.fileSystem.flipBit(last, 70)
  await assert.rejects(bench.pass(cursor), { code: 'LOG_SEGMENT_CORRUPT' })
})

test('a log that is being cut is not read: its last segment is forgotten and learned again meanwhile', async () => {
  const bench = await Scrubbed.open({ segmentBytesMax: 100_000 })
  await bench.append(40)
  const cut = bench.log.truncateTo(toOffset(20))
  let isCut = false
  void cut.then(() => {
    isCut = true
  })
  while (!isCut) await bench.log.scrub(null, bench.buffer)
  await bench.pass()
  assert.deepEqual(bench.damages, [])
})
