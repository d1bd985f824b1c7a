import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import {
  DEFAULT_LOG_CONFIG,
  dumpSegment,
  FlushScheduler,
  OpenFileCache,
  PartitionLog,
  type SegmentDumpEntry,
  verifySegment,
} from './index.ts'

const DIRECTORY = '/data/t-0'

async function filled(): Promise<{ fileSystem: FakeFileSystem; log: PartitionLog }> {
  const fileSystem = new FakeFileSystem()
  await fileSystem.makeDirectory('/data')
  const log = await PartitionLog.open({
    directory: DIRECTORY,
    fileSystem,
    config: { ...DEFAULT_LOG_CONFIG, segmentBytesMax: 1_500, indexIntervalBytes: 200 },
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem }),
    clock: { nowMs: () => 1 },
  })
  log.append([leaderChangeBatch(0, 1)])
  for (let index = 0; index < 20; index++) {
    log.append([dataBatch({ baseOffset: log.logEndOffset, recordCount: 2, valueBytes: 60 })])
  }
  await log.flush()
  return { fileSystem, log }
}

async function dump(path: string, fileSystem: FakeFileSystem, records = false): Promise<SegmentDumpEntry[]> {
  const entries: SegmentDumpEntry[] = []
  for await (const entry of dumpSegment(path, { fileSystem, records })) entries.push(entry)
  return entries
}

test('a folder of a running broker is dumped batch by batch, with records on demand', async () => {
  const { fileSystem } = await filled()
  const { mutations } = fileSystem.counters
  const offsets: number[] = []
  let batches = 0
  for await (const entry of dumpSegment(DIRECTORY, { fileSystem, records: true })) {
    if (entry.kind !== 'batch') continue
    batches++
    assert.equal(entry.crcMatches, true)
    for (const record of entry.records ?? []) offsets.push(record.offset)
  }
  assert.equal(batches, 21)
  assert.deepEqual(
    offsets,
    Array.from({ length: 41 }, (_, index) => index),
  )
  assert.equal(fileSystem.counters.mutations, mutations)
})

test('index files are dumped entry by entry and agree with the log', async () => {
  const { fileSystem, log } = await filled()
  await log.close()
  const base = `${DIRECTORY}/00000000000000000000`
  const batches = (await dump(`${base}.log`, fileSystem)).filter((entry) => entry.kind === 'batch')
  const entries = (await dump(`${base}.index`, fileSystem)).filter((entry) => entry.kind === 'index-entry')
  assert.ok(entries.length > 2)
  for (const { lastOffset, position } of entries) {
    assert.ok(batches.some((batch) => batch.position === position && batch.header.lastOffset === lastOffset))
  }
  const times = (await dump(`${base}.timeindex`, fileSystem)).filter((entry) => entry.kind === 'timeindex-entry')
  assert.equal(times.at(-1)!.timestamp, Math.max(...batches.map((batch) => batch.header.maxTimestamp)))
})

test('an incomplete end is shown, and is no problem in the last segment only', async () => {
  const { fileSystem, log } = await filled()
  const [first] = log.segments
  const last = log.segments.at(-1)!
  for (const [segment, sound] of [
    [last, true],
    [first!, false],
  ] as const) {
    const disk = fileSystem.crash({ keep: 'all' })
    const path = `${DIRECTORY}/${String(segment.baseOffset).padStart(20, '0')}.log`
    const file = await disk.open(path)
    await file.write([dataBatch({ baseOffset: segment.endOffset }).subarray(0, 70)], segment.sizeBytes)
    const tail = (await dump(path, disk)).at(-1)!
    assert.equal(tail.kind, 'incomplete')
    const report = await verifySegment(DIRECTORY, { fileSystem: disk })
    assert.equal(report.sound, sound)
    assert.equal(report.segments.find((found) => found.path === path)!.incompleteBytes, 70)
  }
})

test('verify finds index entries that the log does not have, and holes', async () => {
  const { fileSystem, log } = await filled()
  await log.close()
  const damaged = fileSystem.crash({ keep: 'all' })
  damaged.flipBit(`${DIRECTORY}/00000000000000000000.index`, 7, 2)
  const { problems } = await verifySegment(`${DIRECTORY}/00000000000000000000.index`, { fileSystem: damaged })
  assert.equal(problems.length, 1)
  const holed = fileSystem.crash({ keep: 'all' })
  await holed.remove(`${DIRECTORY}/${String(log.segments[1]!.baseOffset).padStart(20, '0')}.log`)
  await assert.rejects(verifySegment(DIRECTORY, { fileSystem: holed }), { code: 'ENOENT' })
})

test('what is no segment is refused with a name', async () => {
  const fileSystem = new FakeFileSystem()
  await fileSystem.makeDirectory('/data/empty')
  await assert.rejects(dump('/data/empty', fileSystem), { code: 'NOT_A_SEGMENT' })
  await assert.rejects(dump('/data/missing', fileSystem), { code: 'ENOENT' })
})
