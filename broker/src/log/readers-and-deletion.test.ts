/** Readers in the middle of a log of which the beginning goes: on real files, with everything under way at once. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Offset, toOffset } from '@stratalog/proto'
import { baseOffsetOf, sizeOf } from '@stratalog/proto/records'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { dataBatch } from '../testing/batches.ts'
import { seededRandom } from '../testing/fake-disk.ts'
import {
  DEFAULT_LOG_CONFIG,
  FlushScheduler,
  LogOffsetOutOfRangeError,
  type LogSegmentCorruptError,
  OpenFileCache,
  PartitionLog,
} from './index.ts'
import { TailBudget } from './tail-cache.ts'

const BATCH_COUNT = 2_000
const BATCHES: readonly Buffer[] = Array.from({ length: BATCH_COUNT }, (_, baseOffset) =>
  dataBatch({ baseOffset, valueBytes: 500 }),
)

/** Reads from an offset to the log's end, in pieces. @returns where it was overtaken, or the end. */
async function readOn(log: PartitionLog, from: number, maxBytes: number): Promise<number> {
  let next = toOffset(from)
  for (;;) {
    try {
      const { chunks, nextOffset } = await log.read(next, log.logEndOffset, maxBytes)
      if (chunks.length === 0) return next
      assertWanted(chunks, next)
      next = nextOffset
    } catch (error) {
      assert.ok(error instanceof LogOffsetOutOfRangeError, String(error))
      assert.ok(log.logStartOffset > next, 'it is refused only for what is gone')
      return next
    }
  }
}

/** The very batches of these offsets, one after another. */
function assertWanted(chunks: readonly Buffer[], from: Offset): void {
  let expected: number = from
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += sizeOf(chunk, at)) {
      assert.equal(baseOffsetOf(chunk, at), expected)
      const wanted = BATCHES[expected]!
      assert.ok(chunk.subarray(at, at + wanted.length).equals(wanted), `the batch at ${expected} is another`)
      expected++
    }
  }
}

test('a reader gets the bytes of its offsets or is told that they are gone, whatever is deleted meanwhile', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'stratalog-log-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const damages: LogSegmentCorruptError[] = []
  const fileSystem = new NodeFileSystem()
  const log = await PartitionLog.open({
    directory: join(folder, 't-0'),
    fileSystem,
    config: { ...DEFAULT_LOG_CONFIG, segmentBytesMax: 50_000 },
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem, openFilesMax: 4 }),
    // Nothing is served from memory.
    tails: new TailBudget(0),
    clock: { nowMs: () => 1_000 },
    listener: { onDamage: (error) => damages.push(error) },
  })
  for (let offset = 0; offset < BATCH_COUNT; offset += 100) {
    log.append(BATCHES.slice(offset, offset + 100))
    await log.flush()
  }
  await log.flush()
  const random = seededRandom(3)
  const readers: Promise<number>[] = []
  for (let start = 0; start < BATCH_COUNT; start += 1 + Math.floor(random() * 80)) {
    for (let i = 0; i < 3; i++) {
      const from = start + Math.floor(random() * Math.min(200, BATCH_COUNT - start))
      readers.push(readOn(log, from, 1 + Math.floor(random() * 20_000)))
    }
    for (let turns = Math.floor(random() * 4); turns > 0; turns--) await nextTurn()
    await log.deleteTo(toOffset(start))
  }
  await Promise.all(readers)
  // One that stands still between two reads.
  const { nextOffset } = await log.read(log.logStartOffset, log.logEndOffset, 1)
  await log.deleteTo(toOffset(BATCH_COUNT))
  assert.ok(nextOffset < BATCH_COUNT)
  assert.equal(await readOn(log, nextOffset, 1), nextOffset)
  assert.deepEqual(damages, [], 'a file that is gone by right is no damage')
  await log.close()
})
