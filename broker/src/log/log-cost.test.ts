/**
 * What an append and a start cost, counted in file operations and bytes rather than timed: neither grows with the
 * log.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { dataBatch } from '../testing/batches.ts'
import { type FakeCounters, FakeFileSystem } from '../testing/fake-file-system.ts'
import { DEFAULT_LOG_CONFIG, FlushScheduler, OpenFileCache, PartitionLog } from './index.ts'

const CONFIG = {
  ...DEFAULT_LOG_CONFIG,
  segmentBytesMax: 20_000,
  checkpointIntervalBytes: 8_000,
  indexIntervalBytes: 500,
  retentionMs: -1,
}

async function open(
  fileSystem: FakeFileSystem,
  openFilesMax = 8,
): Promise<{ log: PartitionLog; openFiles: OpenFileCache }> {
  await fileSystem.makeDirectory('/data')
  const openFiles = new OpenFileCache({ fileSystem, openFilesMax })
  const log = await PartitionLog.open({
    directory: '/data/t-0',
    fileSystem,
    config: CONFIG,
    flusher: new FlushScheduler(),
    openFiles,
    clock: { nowMs: () => 1_000 },
  })
  return { log, openFiles }
}

async function fill(log: PartitionLog, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    log.append([dataBatch({ baseOffset: log.logEndOffset, valueBytes: 1_000 })])
    await log.flush()
  }
}

function since(counters: FakeCounters, before: FakeCounters): FakeCounters {
  const keys = Object.keys(counters) as (keyof FakeCounters)[]
  return Object.fromEntries(keys.map((key) => [key, counters[key] - before[key]])) as unknown as FakeCounters
}

test('an append costs one write and one sync, however long the log is', async () => {
  for (const earlier of [3, 300]) {
    const fileSystem = new FakeFileSystem()
    const { log } = await open(fileSystem)
    await fill(log, earlier)
    await log.roll()
    await fill(log, 1)
    const before = { ...fileSystem.counters }
    await fill(log, 1)
    const cost = since(fileSystem.counters, before)
    // The batch and the recovery point.
    assert.equal(cost.writes, 2)
    assert.equal(cost.syncs, 1)
    assert.equal(cost.reads, 0)
    assert.equal(cost.opens, 0)
  }
})

test('a clean start reads the checkpoint, a crashed one what came after it, neither the log', async () => {
  const costs: FakeCounters[] = []
  for (const count of [40, 400]) {
    const fileSystem = new FakeFileSystem()
    const { log } = await open(fileSystem)
    await fill(log, count)
    await log.close()
    const clean = fileSystem.crash({ keep: 'all' })
    const { log: again } = await open(clean)
    assert.equal(again.logEndOffset, count)
    const { readBytes, writes, opens } = clean.counters
    // About 90 bytes for each sealed segment of 20,000: its line in the checkpoint.
    assert.ok(readBytes < 1_500 + again.segments.length * 100, `${readBytes} bytes read`)
    assert.equal(writes, 0)
    assert.equal(opens, 0)

    await fill(again, 5)
    const crashed = clean.crash({ keep: 'none' })
    const { log: recovered } = await open(crashed)
    assert.equal(recovered.logEndOffset, count + 5)
    // What was scanned is synced and noted; its checkpoint can wait, as a thousand logs may start at once.
    assert.equal(crashed.counters.syncs, 1)
    assert.ok(crashed.counters.writes <= 2, `${crashed.counters.writes} writes`)
    costs.push(crashed.counters)
  }
  const [small, large] = costs
  assert.ok(
    large!.readBytes < small!.readBytes + 4_000,
    `${large!.readBytes} bytes read, ${small!.readBytes} of a tenth`,
  )
  assert.equal(large!.opens, small!.opens)
})

test('a read by offset reads about what it returns', async () => {
  const fileSystem = new FakeFileSystem()
  const { log } = await open(fileSystem)
  await fill(log, 400)
  await log.close()
  const { log: again } = await open(fileSystem)
  await again.read(toOffset(205), toOffset(400), 1_000)
  const before = { ...fileSystem.counters }
  await again.read(toOffset(206), toOffset(400), 1_000)
  assert.ok(since(fileSystem.counters, before).readBytes <= 3_000)
})

test('open files are bounded however many segments are read', async () => {
  const fileSystem = new FakeFileSystem()
  const { log, openFiles } = await open(fileSystem, 3)
  await fill(log, 200)
  assert.ok(log.segments.length > 8)
  await log.close()
  const { log: again, openFiles: files } = await open(fileSystem, 3)
  for (let offset = 0; offset < 200; offset += 7) {
    await again.read(toOffset(offset), toOffset(200), 10)
    assert.ok(files.openCount <= 3)
  }
  await again.close()
  await files.close()
  await openFiles.close()
  assert.equal(fileSystem.openCount, 0)
})
