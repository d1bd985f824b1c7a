import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { readAll } from '../testing/log-model.ts'
import { DEFAULT_LOG_CONFIG, FlushScheduler, type LogConfig, LogError, OpenFileCache, PartitionLog } from './index.ts'
import type { LogState, PartitionLogOptions } from './log-core.ts'

const DIRECTORY = '/data/t-0'
const LOG_FILE = `${DIRECTORY}/00000000000000000000.log`

interface Bench {
  fileSystem: FakeFileSystem
  readonly states: LogState['kind'][]
  readonly damages: string[]
  nowMs: number
  /** Runs what the log scheduled. */
  runTimers(): void
  open(config?: Partial<LogConfig>, extra?: Partial<PartitionLogOptions>): Promise<PartitionLog>
}

async function bench(): Promise<Bench> {
  const fileSystem = new FakeFileSystem()
  await fileSystem.makeDirectory('/data')
  let timers: (() => void)[] = []
  const self: Bench = {
    fileSystem,
    states: [],
    damages: [],
    nowMs: 1_000,
    runTimers: () => {
      const due = timers
      timers = []
      for (const task of due) task()
    },
    open: (config = {}, extra = {}) =>
      PartitionLog.open({
        directory: DIRECTORY,
        fileSystem: self.fileSystem,
        config: { ...DEFAULT_LOG_CONFIG, ...config },
        flusher: new FlushScheduler(),
        openFiles: new OpenFileCache({ fileSystem: self.fileSystem }),
        clock: {
          nowMs: () => self.nowMs,
          schedule: (_delayMs, task) => {
            timers.push(task)
            return () => {
              timers = timers.filter((other) => other !== task)
            }
          },
        },
        listener: {
          onStateChange: (state) => self.states.push(state.kind),
          onDamage: (error) => self.damages.push(error.reason),
        },
        ...extra,
      }),
  }
  return self
}

/** Appends `count` one-record batches from the log's end on. */
function appendBatches(log: PartitionLog, count: number, valueBytes = 50, epoch = 1): Buffer[] {
  const batches: Buffer[] = []
  for (let index = 0; index < count; index++) {
    const batch = dataBatch({ baseOffset: log.logEndOffset, valueBytes, epoch })
    log.append([batch])
    batches.push(batch)
  }
  return batches
}

async function code(promise: Promise<unknown>): Promise<string | null> {
  try {
    await promise
    return null
  } catch (error) {
    return error instanceof LogError ? error.code : String(error)
  }
}

/** Lets everything run that needs no timer and no held sync. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await null
}

test('open, append, flush, read, close, open again on the real file system', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stratalog-log-'))
  const fileSystem = new NodeFileSystem()
  const openFiles = new OpenFileCache({ fileSystem })
  const options: PartitionLogOptions = {
    directory: join(folder, 'topic-0'),
    fileSystem,
    config: { ...DEFAULT_LOG_CONFIG, segmentBytesMax: 10_000 },
    flusher: new FlushScheduler(),
    openFiles,
    clock: { nowMs: () => 5_000 },
  }
  try {
    const log = await PartitionLog.open(options)
    const batches: Buffer[] = []
    for (let offset = 0; offset < 100; offset += 2) {
      const batch = dataBatch({ baseOffset: offset, recordCount: 2, valueBytes: 200 })
      batches.push(batch)
      log.append([batch])
      if (offset % 10 === 0) assert.ok((await log.flush()) > offset)
    }
    assert.equal(await log.flush(), 100)
    assert.equal(log.segments.length > 2, true)
    await log.close()
    const again = await PartitionLog.open(options)
    assert.equal(again.logEndOffset, 100)
    assert.deepEqual(await readAll(again, 3_000), Buffer.concat(batches))
    assert.equal((await again.offsetForTimestamp(1_051, toOffset(100)))?.offset, 51)
    await again.delete()
    assert.deepEqual(await fileSystem.readDirectory(folder), [])
  } finally {
    await openFiles.close()
    await rm(folder, { recursive: true })
  }
})

test('flushes that are asked for during a sync share the next write and sync', async () => {
  const { fileSystem, open } = await bench()
  const log = await open()
  const release = fileSystem.holdSyncs()
  appendBatches(log, 1)
  const first = log.flush()
  await settle()
  const before = { ...fileSystem.counters }
  const rest = []
  for (let index = 0; index < 50; index++) {
    appendBatches(log, 1)
    rest.push(log.flush())
  }
  release()
  assert.equal(await first, 1)
  assert.deepEqual(new Set(await Promise.all(rest)), new Set([51]))
  // The held sync and one for all others; their write, and a recovery point after each sync.
  assert.equal(fileSystem.counters.writes - before.writes, 3)
  assert.equal(fileSystem.counters.syncs - before.syncs, 2)
})

test('a failed sync fails the log for ever: nothing is acknowledged, no sync is tried again', async () => {
  const { fileSystem, open, states } = await bench()
  const log = await open()
  appendBatches(log, 2)
  await log.flush()
  appendBatches(log, 1)
  fileSystem.failNextDatasync()
  assert.equal(await code(log.flush()), 'LOG_IO_FAILED')
  const { syncs } = fileSystem.counters
  assert.equal(await code(log.flush()), 'LOG_IO_FAILED')
  assert.throws(() => appendBatches(log, 1), { code: 'LOG_IO_FAILED' })
  assert.equal(await code(log.truncateTo(toOffset(1))), 'LOG_IO_FAILED')
  assert.equal(log.flushedEndOffset, 2)
  assert.equal((await log.read(toOffset(0), log.logEndOffset, 1e6)).nextOffset, 2)
  await log.close()
  assert.equal(fileSystem.counters.syncs, syncs)
  assert.deepEqual(states, ['failed', 'closed'])
})

test('batches whose sync has failed are written again by the next start, before they count', async () => {
  const self = await bench()
  const { open } = self
  const log = await open()
  appendBatches(log, 2)
  await log.flush()
  appendBatches(log, 3)
  self.fileSystem.failNextDatasync()
  assert.equal(await code(log.flush()), 'LOG_IO_FAILED')
  // The process is started again; the page cache still has the batches, and calls them clean.
  self.fileSystem = self.fileSystem.kill()
  assert.equal((await open()).flushedEndOffset, 5)
  self.fileSystem = self.fileSystem.crash({ keep: 'none' })
  assert.equal((await open()).logEndOffset, 5, 'what recovery called durable is gone')
})

test('what a start has scanned counts as acknowledged: the next one misses it if it is gone', async () => {
  const self = await bench()
  const { open } = self
  const log = await open()
  appendBatches(log, 2)
  await log.flush()
  // Three more batches are in the page cache when the process ends, and nobody has called them durable.
  const [third] = appendBatches(log, 3)
  self.fileSystem.failNextDatasync()
  await code(log.flush())
  self.fileSystem = self.fileSystem.kill()
  assert.equal((await open()).flushedEndOffset, 5)
  self.fileSystem = self.fileSystem.kill()
  const file = await self.fileSystem.open(LOG_FILE)
  await file.truncate((await file.size()) - third!.length)
  await file.close()
  assert.equal(await code(open()), 'LOG_SEGMENT_CORRUPT')
})

test('a large group is written beside the sync of the one before, and synced next', async () => {
  const { fileSystem, open } = await bench()
  const log = await open({ inlineWriteBytesMax: 100 })
  const release = fileSystem.holdSyncs()
  appendBatches(log, 1)
  const first = log.flush()
  await settle()
  appendBatches(log, 3)
  const second = log.flush()
  await settle()
  assert.equal(log.writtenEndOffset, 4)
  assert.equal(log.flushedEndOffset, 0)
  appendBatches(log, 3)
  const third = log.flush()
  await settle()
  assert.equal(log.writtenEndOffset, 4)
  const { syncs } = fileSystem.counters
  release()
  assert.equal(await first, 1)
  assert.equal(await second, 4)
  assert.equal(await third, 7)
  assert.equal(fileSystem.counters.syncs - syncs, 3)
  log.checkInvariants()
})

test('a sync that fails beside a write fails the log; the write is not acknowledged', async () => {
  const { fileSystem, open, states } = await bench()
  const log = await open({ inlineWriteBytesMax: 100 })
  const release = fileSystem.holdSyncs()
  fileSystem.failNextDatasync()
  appendBatches(log, 1)
  const first = code(log.flush())
  await settle()
  appendBatches(log, 3)
  const second = code(log.flush())
  release()
  assert.deepEqual([await first, await second], ['LOG_IO_FAILED', 'LOG_IO_FAILED'])
  assert.equal(log.flushedEndOffset, 0)
  await log.close()
  assert.deepEqual(states, ['failed', 'closed'])
})

test('a disk that fills up beside a sync: what was synced is acknowledged, the rest waits for space', async () => {
  const { fileSystem, open, states, runTimers } = await bench()
  const log = await open({ inlineWriteBytesMax: 100 })
  const release = fileSystem.holdSyncs()
  appendBatches(log, 1)
  const first = log.flush()
  await settle()
  const sizeBytes = fileSystem.contentOf(LOG_FILE).length
  fileSystem.diskFullAfterBytes(150)
  const waiting = appendBatches(log, 3)
  const second = log.flush()
  await settle()
  assert.equal(fileSystem.contentOf(LOG_FILE).length, sizeBytes)
  release()
  assert.equal(await first, 1)
  await settle()
  assert.deepEqual(states, ['disk-full'])
  fileSystem.diskFullAfterBytes(Number.POSITIVE_INFINITY)
  runTimers()
  assert.equal(await second, 4)
  assert.deepEqual((await log.read(toOffset(1), toOffset(4), 1e6)).bytes, Buffer.concat(waiting))
  await log.close()
})

test('a full disk refuses appends, keeps what waits, and resumes when a probe write works', async () => {
  const { fileSystem, open, states, runTimers } = await bench()
  const log = await open()
  appendBatches(log, 3)
  await log.flush()
  const sizeBytes = fileSystem.contentOf(LOG_FILE).length
  fileSystem.diskFullAfterBytes(30)
  const waiting = appendBatches(log, 2)
  const flushed = log.flush()
  await settle()
  assert.deepEqual(states, ['disk-full'])
  assert.equal(fileSystem.contentOf(LOG_FILE).length, sizeBytes)
  assert.throws(() => appendBatches(log, 1), { code: 'LOG_DISK_FULL' })
  assert.equal((await log.read(toOffset(0), toOffset(3), 1e6)).nextOffset, 3)
  fileSystem.diskFullAfterBytes(0)
  runTimers()
  await settle()
  assert.equal(log.flushedEndOffset, 3)
  fileSystem.diskFullAfterBytes(Number.POSITIVE_INFINITY)
  runTimers()
  assert.equal(await flushed, 5)
  assert.deepEqual(states, ['disk-full', 'open'])
  assert.deepEqual((await log.read(toOffset(3), toOffset(5), 1e6)).bytes, Buffer.concat(waiting))
  appendBatches(log, 1)
  assert.equal(await log.flush(), 6)
})

test('a full disk at close gives up what waits, and loses nothing that was acknowledged', async () => {
  const { fileSystem, open } = await bench()
  const log = await open()
  appendBatches(log, 3)
  await log.flush()
  fileSystem.diskFullAfterBytes(30)
  appendBatches(log, 2)
  const flushed = code(log.flush())
  await log.close()
  assert.equal(await flushed, 'LOG_DISK_FULL')
  fileSystem.diskFullAfterBytes(Number.POSITIVE_INFINITY)
  assert.equal((await open()).logEndOffset, 3)
})

test('a flush that completes after a truncation says nothing about what was appended since', async () => {
  const { fileSystem, open } = await bench()
  const log = await open()
  appendBatches(log, 4)
  await log.flush()
  const release = fileSystem.holdSyncs()
  appendBatches(log, 3)
  const overtaken = code(log.flush())
  await settle()
  assert.equal(log.writtenEndOffset, 7)
  const truncated = log.truncateTo(toOffset(3))
  assert.equal(await overtaken, 'LOG_FLUSH_SUPERSEDED')
  release()
  await truncated
  assert.equal(log.logEndOffset, 3)
  assert.equal(log.flushedEndOffset, 3)
  const releaseAgain = fileSystem.holdSyncs()
  appendBatches(log, 5, 50, 2)
  const flushed = log.flush()
  await settle()
  assert.equal(log.flushedEndOffset, 3)
  releaseAgain()
  assert.equal(await flushed, 8)
})

test('a truncation that a crash interrupts is done or not, never half done', async () => {
  const subject = await bench()
  const log = await subject.open({ segmentBytesMax: 600 })
  appendBatches(log, 30)
  await log.close()
  const closed = subject.fileSystem
  const ends = new Set<number>()
  for (let stop = 1; ; stop++) {
    subject.fileSystem = closed.kill()
    const cut = await subject.open({ segmentBytesMax: 600 })
    subject.fileSystem.stopAtOperation(stop)
    await code(cut.truncateTo(toOffset(7)))
    const { stopped } = subject.fileSystem
    subject.fileSystem = subject.fileSystem.crash({ keep: 'all' })
    ends.add((await subject.open()).logEndOffset)
    if (!stopped) break
  }
  assert.deepEqual(ends, new Set([30, 7]))
})

test('a truncation among pending batches touches no file', async () => {
  const { fileSystem, open } = await bench()
  const log = await open()
  appendBatches(log, 2)
  await log.flush()
  appendBatches(log, 4)
  const { mutations } = fileSystem.counters
  await log.truncateTo(toOffset(4))
  assert.equal(fileSystem.counters.mutations, mutations)
  assert.equal(await log.flush(), 4)
})

test('a flush below a truncation stays valid', async () => {
  const { open } = await bench()
  const log = await open()
  appendBatches(log, 3)
  const flushed = log.flush()
  appendBatches(log, 3)
  await log.truncateTo(toOffset(3))
  assert.equal(await flushed, 3)
})

test('policy replicated answers after the write and syncs in the background', async () => {
  const { fileSystem, open, runTimers } = await bench()
  const log = await open({ flushPolicy: 'replicated' })
  const { syncs } = fileSystem.counters
  appendBatches(log, 3)
  assert.equal(await log.flush(), 3)
  assert.equal(fileSystem.counters.syncs, syncs)
  assert.equal(log.flushedEndOffset, 0)
  runTimers()
  await settle()
  assert.equal(log.flushedEndOffset, 3)
  appendBatches(log, 1)
  assert.equal(await log.flush(), 4)
  await log.close()
  assert.equal((await open()).logEndOffset, 4)
})

test('reads: whole batches from the one that holds the offset, never the end offset, within the bytes', async () => {
  const { open } = await bench()
  const log = await open({ segmentBytesMax: 2_000, indexIntervalBytes: 200 })
  const batches: Buffer[] = []
  for (let index = 0; index < 40; index++) {
    const batch = dataBatch({ baseOffset: index * 3, recordCount: 3 })
    log.append([batch])
    batches.push(batch)
  }
  await log.flush()
  const batchBytes = batches[0]!.length
  const middle = await log.read(toOffset(4), toOffset(12), 1e6)
  assert.deepEqual(middle.bytes, Buffer.concat(batches.slice(1, 4)))
  assert.equal(middle.nextOffset, 12)
  const cut = await log.read(toOffset(0), toOffset(11), 1e6)
  assert.equal(cut.nextOffset, 9)
  const one = await log.read(toOffset(0), toOffset(100), 10)
  assert.equal(one.nextOffset, 3)
  const none = await log.read(toOffset(0), toOffset(100), 10, false)
  assert.equal(none.nextOffset, 0)
  assert.equal(none.sizeBytes, 0)
  const two = await log.read(toOffset(0), toOffset(100), 2 * batchBytes + 10)
  assert.equal(two.nextOffset, 6)
  assert.equal((await log.read(toOffset(120), toOffset(120), 100)).sizeBytes, 0)
  assert.equal(await code(log.read(toOffset(121), toOffset(200), 100)), 'LOG_OFFSET_OUT_OF_RANGE')
})

test('reads behind a restart come from files and agree', async () => {
  const { open } = await bench()
  const config = { segmentBytesMax: 2_000, indexIntervalBytes: 200, checkpointIntervalBytes: 1_000 }
  const log = await open(config)
  const batches = appendBatches(log, 60, 100)
  await log.close()
  const again = await open(config)
  for (const maxBytes of [1, 100, 250, 1_000, 1e6]) {
    assert.deepEqual(await readAll(again, maxBytes), Buffer.concat(batches))
  }
  for (let offset = 0; offset < 60; offset++) {
    const { bytes, nextOffset } = await again.read(toOffset(offset), toOffset(60), 1)
    assert.deepEqual(bytes, batches[offset])
    assert.equal(nextOffset, offset + 1)
  }
})

test('offsetForTimestamp finds the first data record, across segments, disorder and control batches', async () => {
  const { open } = await bench()
  const config = { segmentBytesMax: 1_500, indexIntervalBytes: 100 }
  const log = await open(config)
  log.append([leaderChangeBatch(0, 1)])
  const times = [50, 10, 60, 60, 20, 90, 30, 90, 100, 40, 200, 150, 160, 170, 300, 310]
  for (const timestamp of times) log.append([dataBatch({ baseOffset: log.logEndOffset, timestamp, valueBytes: 150 })])
  const check = async (): Promise<void> => {
    for (let wanted = 0; wanted <= 320; wanted += 5) {
      const index = times.findIndex((time) => time >= wanted)
      const hit = await log.offsetForTimestamp(wanted, log.logEndOffset)
      assert.equal(hit?.offset ?? -1, index === -1 ? -1 : index + 1, `timestamp ${wanted}`)
    }
  }
  await check()
  await log.flush()
  await check()
  await log.close()
  const again = await open(config)
  assert.equal((await again.offsetForTimestamp(95, again.logEndOffset))?.offset, 9)
  assert.equal((await again.offsetForTimestamp(95, toOffset(9)))?.offset, undefined)
})

test('the visible end passes over control batches, also after a restart', async () => {
  const { open } = await bench()
  const log = await open()
  log.append([leaderChangeBatch(0, 1)])
  assert.equal(log.visibleEnd(toOffset(1)), 0)
  appendBatches(log, 2)
  log.append([leaderChangeBatch(3, 2), leaderChangeBatch(4, 3)])
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((end) => Number(log.visibleEnd(toOffset(end)))),
    [0, 2, 3, 3, 3],
  )
  await log.close()
  const again = await open()
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((end) => Number(again.visibleEnd(toOffset(end)))),
    [0, 2, 3, 3, 3],
  )
})

test('retention by age and size takes whole segments, none above the high watermark', async () => {
  const test = await bench()
  const config = { segmentBytesMax: 600, retentionMs: 500, retentionBytes: -1 }
  test.nowMs = 1_500
  const log = await test.open(config)
  appendBatches(log, 20, 50)
  await log.flush()
  const [first, second] = log.segments
  assert.equal((await log.enforceRetention(1_200, log.logEndOffset)).segmentCount, 0)
  // Records are dated 1000 + offset: at 1504 + the second segment's start only the first segment is too old.
  const nowMs = 1_000 + second!.baseOffset + 501
  assert.equal((await log.enforceRetention(nowMs, toOffset(first!.endOffset - 1))).segmentCount, 0)
  const taken = await log.enforceRetention(nowMs, log.logEndOffset)
  assert.deepEqual({ ...taken }, { logStartOffset: second!.baseOffset, segmentCount: 1, sizeBytes: first!.sizeBytes })
  assert.equal(await code(log.read(toOffset(0), toOffset(20), 100)), 'LOG_OFFSET_OUT_OF_RANGE')
  log.updateConfig({ ...DEFAULT_LOG_CONFIG, ...config, retentionMs: -1, retentionBytes: 700 })
  await log.enforceRetention(1_100, log.logEndOffset)
  assert.ok(log.sizeBytes >= 700 && log.sizeBytes < 700 + 600)
  // Too old as a whole: the active segment rolls and everything goes.
  log.updateConfig({ ...DEFAULT_LOG_CONFIG, ...config })
  await log.enforceRetention(1_000_000, log.logEndOffset)
  assert.equal(log.logStartOffset, 20)
  assert.equal(log.sizeBytes, 0)
  await log.close()
  const again = await test.open(config)
  assert.equal(again.logStartOffset, 20)
  assert.equal(again.logEndOffset, 20)
  assert.equal(again.lastEpoch, 1)
  assert.equal(again.epochs.epochAt(19), 1)
  appendBatches(again, 1)
  assert.equal(await again.flush(), 21)
})

test('a segment rolls by age, on append and on retention', async () => {
  const test = await bench()
  const log = await test.open({ segmentMaxAgeMs: 100, retentionMs: -1 })
  appendBatches(log, 1)
  await log.flush()
  test.nowMs += 100
  appendBatches(log, 1)
  await log.flush()
  assert.equal(log.segments.length, 2)
  await log.enforceRetention(test.nowMs + 100, log.logEndOffset)
  assert.equal(log.segments.length, 3)
})

test('a batch larger than a segment has a segment of its own', async () => {
  const { open } = await bench()
  const log = await open({ segmentBytesMax: 300, groupBytesMax: 200 })
  const batches = [...appendBatches(log, 2), ...appendBatches(log, 1, 5_000), ...appendBatches(log, 1)]
  await log.flush()
  assert.deepEqual(
    log.segments.map((segment) => Number(segment.baseOffset)),
    [0, 2, 3],
  )
  assert.deepEqual(await readAll(log), Buffer.concat(batches))
})

test('misuse is an invariant violation', async () => {
  const { open } = await bench()
  const log = await open()
  appendBatches(log, 2)
  assert.throws(() => log.append([dataBatch({ baseOffset: 3 })]), { name: 'InvariantError' })
  assert.throws(() => log.append([Buffer.concat([dataBatch({ baseOffset: 2 }), Buffer.alloc(1)])]), {
    name: 'InvariantError',
  })
  appendBatches(log, 1, 10, 5)
  assert.throws(() => appendBatches(log, 1, 10, 4), { name: 'InvariantError' })
  await log.flush()
  const cutting = log.truncateTo(toOffset(1))
  assert.throws(() => appendBatches(log, 1, 10, 5), { name: 'InvariantError' })
  await cutting
})

test('damage that a read meets is reported to the owner, and other offsets are still served', async () => {
  const subject = await bench()
  const log = await subject.open()
  const batches = appendBatches(log, 3)
  await log.close()
  subject.fileSystem.flipBit(LOG_FILE, batches[0]!.length + 80)
  const again = await subject.open()
  assert.equal(await code(again.read(toOffset(1), toOffset(3), 1e6)), 'LOG_SEGMENT_CORRUPT')
  assert.deepEqual(subject.damages, ['CRC-32C does not match'])
  assert.deepEqual((await again.read(toOffset(0), toOffset(1), 1e6)).bytes, batches[0])
  assert.deepEqual((await again.read(toOffset(2), toOffset(3), 1e6)).bytes, batches[2])
})

test('a closed log answers so', async () => {
  const { open } = await bench()
  const log = await open()
  appendBatches(log, 1)
  await log.close()
  await log.close()
  assert.throws(() => appendBatches(log, 1), { code: 'LOG_CLOSED' })
  assert.equal(await code(log.flush()), 'LOG_CLOSED')
  assert.equal(await code(log.read(toOffset(0), toOffset(1), 10)), 'LOG_CLOSED')
})

test('a log that could not be opened leaves no open file to the one that takes the name of its folder', async () => {
  const { fileSystem, open } = await bench()
  const openFiles = new OpenFileCache({ fileSystem })
  const first = await open({}, { openFiles })
  first.append([dataBatch({ baseOffset: 0 })])
  await first.flush()
  // Killed, and the disk has flipped a bit since: only the tail behind the last checkpoint is scanned, and this is it.
  fileSystem.flipBit(LOG_FILE, fileSystem.contentOf(LOG_FILE).length - 1)
  const afterStart = new OpenFileCache({ fileSystem })
  await assert.rejects(open({}, { openFiles: afterStart }), LogError)
  await fileSystem.rename(DIRECTORY, `${DIRECTORY}.aside`)
  await fileSystem.makeDirectory(DIRECTORY)
  const second = await open({}, { openFiles: afterStart })
  second.append([dataBatch({ baseOffset: 0, salt: 1 })])
  await second.flush()
  assert.deepEqual(fileSystem.contentOf(LOG_FILE), dataBatch({ baseOffset: 0, salt: 1 }))
  await second.close()
})
