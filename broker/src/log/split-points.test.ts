import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { seededRandom } from '../testing/fake-disk.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { DEFAULT_LOG_CONFIG, FlushScheduler, type LogConfig, OpenFileCache, PartitionLog } from './index.ts'
import { type LogSplit, SPLIT_COUNT_MAX } from './split-points.ts'

async function openLog(fileSystem: FakeFileSystem, config: Partial<LogConfig> = {}): Promise<PartitionLog> {
  return await PartitionLog.open({
    directory: '/data/t-0',
    fileSystem,
    config: { ...DEFAULT_LOG_CONFIG, indexIntervalBytes: 200, ...config },
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem }),
    clock: { nowMs: () => 1_000 },
  })
}

/** Base offset and size of every batch. */
type Batches = { readonly baseOffset: number; readonly sizeBytes: number }[]

async function filledLog(
  batchCount: number,
  config: Partial<LogConfig> = {},
  sizes: (index: number) => number = () => 100,
): Promise<{ log: PartitionLog; batches: Batches }> {
  const fileSystem = new FakeFileSystem()
  await fileSystem.makeDirectory('/data')
  const log = await openLog(fileSystem, config)
  const batches: Batches = []
  for (let index = 0; index < batchCount; index++) {
    const baseOffset = log.logEndOffset
    const epoch = 1 + Math.floor(index / 40)
    const isControl = index % 40 === 0
    const batch = isControl
      ? leaderChangeBatch(baseOffset, epoch)
      : dataBatch({ baseOffset, epoch, recordCount: 1 + (index % 3), valueBytes: sizes(index) })
    batches.push({ baseOffset, sizeBytes: batch.length })
    log.append([batch])
    // As of a log that is written to: several groups, a roll where one is due.
    if (index % 7 === 0) await log.flush()
  }
  await log.flush()
  return { log, batches }
}

function assertCovers(splits: readonly LogSplit[], start: number, end: number, batches: Batches): void {
  const bases = new Set(batches.map(({ baseOffset }) => baseOffset))
  assert.equal(splits[0]?.startOffset, start)
  assert.equal(splits.at(-1)?.endOffset, end)
  for (const [index, split] of splits.entries()) {
    assert.ok(split.startOffset < split.endOffset)
    const next = splits[index + 1]
    if (next === undefined) continue
    assert.equal(next.startOffset, split.endOffset)
    assert.ok(bases.has(next.startOffset), `${next.startOffset} is no batch boundary`)
  }
}

const sizeBetween = (batches: Batches, start: number, end: number): number =>
  batches
    .filter(({ baseOffset }) => baseOffset >= start && baseOffset < end)
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)

test('pieces cover the range without gaps, on batch boundaries, of about the bytes asked for', async () => {
  for (const segmentBytesMax of [1 << 30, 3_000]) {
    const { log, batches } = await filledLog(400, { segmentBytesMax })
    const { logEndOffset } = log
    const splits = await log.splits(0, logEndOffset, 5_000)
    assertCovers(splits, 0, logEndOffset, batches)
    assert.ok(splits.length >= 8, `${splits.length} pieces`)
    assert.equal(
      splits.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      sizeBetween(batches, 0, logEndOffset),
    )
    for (const [index, { startOffset, endOffset, sizeBytes, leaderEpoch }] of splits.entries()) {
      assert.equal(sizeBytes, sizeBetween(batches, startOffset, endOffset))
      assert.equal(leaderEpoch, log.epochs.epochAt(startOffset))
      const isLast = index === splits.length - 1
      assert.ok(sizeBytes >= (isLast ? 2_000 : 5_000) && sizeBytes < 8_000, `a piece of ${sizeBytes} bytes`)
    }
  }
})

test('any range, any size: property', async () => {
  const random = seededRandom(7)
  const draw = (count: number): number => Math.floor(random() * count)
  for (let round = 0; round < 30; round++) {
    const config = { segmentBytesMax: 1_000 + draw(20_000), indexIntervalBytes: 50 + draw(2_000) }
    const { log, batches } = await filledLog(50 + draw(200), config, () => draw(500))
    for (let query = 0; query < 10; query++) {
      const start = draw(log.logEndOffset)
      const end = start + 1 + draw(log.logEndOffset - start)
      const targetBytes = draw(5) === 0 ? 1 : draw(20_000)
      const splits = await log.splits(start, end, targetBytes)
      assertCovers(splits, start, end, batches)
      if (targetBytes === 0) assert.equal(splits.length, 1)
      for (const { sizeBytes } of splits) assert.ok(sizeBytes >= 0)
    }
  }
})

test('an empty range has no pieces, one that is not in the log is refused', async () => {
  const { log } = await filledLog(20)
  assert.deepEqual(await log.splits(5, 5, 100), [])
  await assert.rejects(log.splits(0, log.logEndOffset + 1, 100), { code: 'LOG_OFFSET_OUT_OF_RANGE' })
  await log.deleteTo(toOffset(3))
  await assert.rejects(log.splits(0, 5, 100), { code: 'LOG_OFFSET_OUT_OF_RANGE' })
})

test('there are never too many pieces', async () => {
  const { log } = await filledLog(12_000, { indexIntervalBytes: 1 }, () => 1)
  const splits = await log.splits(0, log.logEndOffset, 1)
  assert.ok(splits.length > SPLIT_COUNT_MAX / 4 && splits.length <= SPLIT_COUNT_MAX, `${splits.length} pieces`)
})

test('an index that the log contradicts makes larger pieces, and never wrong ones', async () => {
  const fileSystem = new FakeFileSystem()
  await fileSystem.makeDirectory('/data')
  let log = await openLog(fileSystem, { segmentBytesMax: 4_000 })
  const batches: Batches = []
  for (let index = 0; index < 100; index++) {
    const batch = dataBatch({ baseOffset: log.logEndOffset, valueBytes: 100 })
    batches.push({ baseOffset: log.logEndOffset, sizeBytes: batch.length })
    log.append([batch])
    await log.flush()
  }
  await log.close()
  for (const path of fileSystem.paths.filter((name) => name.endsWith('.index'))) {
    const bytes = fileSystem.contentOf(path)
    for (let at = 4; at < bytes.length; at += 8) bytes.writeInt32BE(bytes.readInt32BE(at) + 3, at)
    const file = await fileSystem.open(path)
    await file.write([bytes], 0)
    await file.close()
  }
  log = await openLog(fileSystem, { segmentBytesMax: 4_000 })
  const splits = await log.splits(0, log.logEndOffset, 500)
  assertCovers(splits, 0, log.logEndOffset, batches)
})

test('a range of a few batches, which have no index entries, is not taken for empty', async () => {
  const { log, batches } = await filledLog(4, { indexIntervalBytes: 1 << 20 })
  const end = batches[3]!.baseOffset
  const [piece, ...others] = await log.splits(0, end, 0)
  assert.deepEqual(others, [])
  assert.ok(piece!.sizeBytes >= sizeBetween(batches, 0, end), `${piece!.sizeBytes} bytes`)
  assert.ok(piece!.sizeBytes <= sizeBetween(batches, 0, log.logEndOffset))
  await log.close()
})
