import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { decodeBatchSync, iterateBatches } from '@stratalog/proto/records'
import fc from 'fast-check'
import { keyedBatch } from '../testing/batches.ts'
import { COMPACTED_DIRECTORY, CompactedLog } from '../testing/compacted-log.ts'
import { CompactedModel } from '../testing/compacted-model.ts'
import { seededRandom } from '../testing/fake-disk.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { readAll } from '../testing/log-model.ts'
import type { LogError } from './log-errors.ts'
import type { ScrubCursor } from './log-scrub.ts'
import { verifySegment } from './segment-verify.ts'

const FIRST = `${COMPACTED_DIRECTORY}/00000000000000000000.log`

/** Batches of three records over a few keys. */
async function fill(subject: CompactedLog, batchCount: number, keyCount = 5, epoch = 1): Promise<void> {
  for (let index = 0; index < batchCount; index++) {
    const base = subject.log.logEndOffset
    subject.push(
      [0, 1, 2].map((add) => ({
        key: `key-${(base + add) % keyCount}`,
        value: `value ${base + add} ${'.'.repeat(30)}`,
      })),
      epoch,
    )
  }
  await subject.log.flush()
}

test('of each key the last record stays, at its offset, and every batch at its place', async () => {
  const subject = await CompactedLog.open(new FakeFileSystem())
  await fill(subject, 20)
  subject.pushLeader(2)
  await fill(subject, 20, 5, 2)
  const before = subject.log.sizeBytes
  const report = await subject.compact()
  const content = await subject.check()
  const dirtyEnd = subject.log.segments.at(-1)!.baseOffset
  assert.equal(report.cleanedEnd, dirtyEnd)
  assert.equal(report.hasMore, false)
  assert.equal(report.replacedCount, subject.log.segments.length - 1)
  assert.equal(before - subject.log.sizeBytes, report.bytesBefore - report.bytesAfter)
  // Below the active segment a key is there once; what the active one replaces has to wait.
  assert.equal(content.recordCount, 5 + (subject.log.logEndOffset - dirtyEnd))
  assert.ok(content.emptyBatchCount > 20)
  // Nothing is left to do.
  const again = await subject.compact()
  assert.deepEqual([again.replacedCount, again.removedCount], [0, 0])
  await subject.log.close()
})

test('it is found again after a restart, and what it reached is known', async () => {
  const disk = new FakeFileSystem()
  const subject = await CompactedLog.open(disk)
  await fill(subject, 30)
  const { cleanedEnd } = await subject.compact()
  await subject.log.close()
  const reopened = await CompactedLog.open(disk.crash({ keep: 'none' }), subject.model)
  await reopened.check()
  const plan = reopened.log.compactionPlan(
    { minCompactionLagMs: 0, deleteRetentionMs: 0, minCleanableDirtyRatio: 0 },
    reopened.log.logEndOffset,
  )
  assert.deepEqual([plan.cleanedEnd, plan.end], [cleanedEnd, cleanedEnd])
  await fill(reopened, 20)
  await reopened.compact()
  await reopened.check()
})

test('compressed batches, records without a key, and batches that are no records', async () => {
  const subject = await CompactedLog.open(new FakeFileSystem())
  const text = 'compressible '.repeat(20)
  for (let index = 0; index < 12; index++) {
    subject.push(
      [
        { key: 'a', value: `${text}${index}` },
        { key: null, value: `no key ${index}` },
        { key: `only-${index}`, value: text },
      ],
      1,
      'gzip',
    )
  }
  await subject.log.flush()
  await subject.log.roll()
  await subject.compact()
  const content = await subject.check()
  assert.equal(content.replacedCount, 0)
  assert.equal(content.recordCount, 12 * 2 + 1)
})

test('a batch whose records cannot be read stays as it is', async () => {
  const disk = new FakeFileSystem()
  const subject = await CompactedLog.open(disk)
  subject.push([{ key: 'a', value: '1' }])
  const broken = keyedBatch({ baseOffset: 1, records: [{ key: 'a', value: '2' }], codec: 'gzip' })
  broken.fill(0xee, 61)
  // Sealed by its producer as it is: the log checks batches, not records.
  const { crc32c } = await import('@stratalog/proto/records')
  broken.writeUInt32BE(crc32c(broken, 21, broken.length), 17)
  subject.log.append([broken])
  subject.log.append([keyedBatch({ baseOffset: 2, records: [{ key: 'a', value: '3' }] })])
  await subject.log.flush()
  await subject.log.roll()
  assert.equal((await subject.compact()).removedCount, 1)
  const bytes = await readAll(subject.log)
  const batches = [...iterateBatches(bytes)]
  assert.deepEqual(
    batches.map(({ header }) => header.recordCount),
    [0, 1, 1],
  )
  const { position, header } = batches[1]!
  assert.ok(bytes.subarray(position, position + header.sizeBytes).equals(broken))
})

test('tombstones stay for their time, and for every copy to have them; then all of the key is gone', async () => {
  const subject = await CompactedLog.open(new FakeFileSystem())
  subject.push([
    { key: 'a', value: '1' },
    { key: 'b', value: '1' },
  ])
  subject.push([{ key: 'a', value: null }])
  await subject.log.flush()
  await subject.log.roll()
  await fill(subject, 1)
  await subject.compact()
  assert.deepEqual((await subject.check()).tombstoneCount, 1)
  // Not yet.
  subject.advance(99)
  await subject.compact()
  assert.equal((await subject.check()).tombstoneCount, 1)
  subject.advance(1)
  // A copy does not have it.
  await subject.compact({ heldByAllEnd: 2 })
  assert.equal((await subject.check()).tombstoneCount, 1)
  const report = await subject.compact({ heldByAllEnd: 3 })
  assert.deepEqual([report.removedCount, report.replacedCount], [1, 1])
  const content = await subject.check()
  assert.equal(content.tombstoneCount, 0)
  // What was never replaced is still there.
  assert.equal(content.recordCount, 1 + 3)
})

test('a tombstone that another record replaces need not wait', async () => {
  const subject = await CompactedLog.open(new FakeFileSystem())
  subject.push([{ key: 'a', value: null }])
  subject.push([{ key: 'a', value: 'back' }])
  await subject.log.flush()
  await subject.log.roll()
  await subject.compact({ heldByAllEnd: 0 })
  assert.deepEqual((await subject.check()).tombstoneCount, 0)
})

test('with little memory it takes several rounds, each of which gets on', async () => {
  const subject = await CompactedLog.open(new FakeFileSystem())
  await fill(subject, 60, 40)
  let roundCount = 0
  for (let hasMore = true; hasMore; roundCount++) {
    assert.ok(roundCount < 50)
    hasMore = (await subject.compact({ mapBytesMax: 32 * 10 })).hasMore
    await subject.check()
  }
  assert.ok(roundCount > 3)
  const dirtyEnd = subject.log.segments.at(-1)!.baseOffset
  assert.equal((await subject.check()).recordCount, 40 + (subject.log.logEndOffset - dirtyEnd))
})

test('a batch with more keys than the map is compacted nevertheless', async () => {
  const subject = await CompactedLog.open(new FakeFileSystem(), undefined, { segmentBytesMax: 100_000 })
  const many = Array.from({ length: 500 }, (_, index) => ({ key: `key ${index}`, value: 'v' }))
  subject.push(many)
  subject.push(many)
  await subject.log.flush()
  await subject.log.roll()
  while ((await subject.compact({ mapBytesMax: 64 })).hasMore);
  assert.equal((await subject.check()).recordCount, 500)
})

test('nothing at or above what is committed is touched', async () => {
  const subject = await CompactedLog.open(new FakeFileSystem())
  await fill(subject, 30)
  const { segments } = subject.log
  const committedEnd = segments[3]!.endOffset - 1
  const before = (await readAll(subject.log)).subarray(0)
  const report = await subject.compact({ committedEnd })
  assert.equal(report.cleanedEnd, segments[2]!.endOffset)
  const after = await readAll(subject.log)
  const tail = segments.slice(3).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  assert.ok(after.subarray(-tail).equals(before.subarray(-tail)))
  await subject.check()
})

test('readers, searches by time and the check of the disk go on across replacements', async () => {
  const disk = new FakeFileSystem()
  const subject = await CompactedLog.open(disk, undefined, { segmentBytesMax: 3_000 })
  await fill(subject, 100, 7)
  await subject.log.close()
  // Nothing is in memory: all of it comes from files.
  const reopened = await CompactedLog.open(disk.kill(), subject.model, { segmentBytesMax: 3_000 })
  const { log, model } = reopened
  const random = seededRandom(4)
  let isDone = false
  const reader = async (): Promise<number> => {
    let count = 0
    for (; !isDone; count++) {
      const from = toOffset(Math.floor(random() * log.logEndOffset))
      const { bytes, nextOffset } = await log.read(from, log.logEndOffset, 500)
      assert.ok(nextOffset > from)
      for (const { position } of iterateBatches(bytes)) for (const _ of decodeBatchSync(bytes, position));
    }
    return count
  }
  const scrubber = async (): Promise<number> => {
    let count = 0
    for (let cursor: ScrubCursor | null = null; !isDone; count++) {
      cursor = (await log.scrub(cursor, Buffer.alloc(300))).next
    }
    return count
  }
  const searcher = async (): Promise<number> => {
    let count = 0
    for (; !isDone; count++) await log.offsetForTimestamp(1_000 + Math.floor(random() * 300), log.logEndOffset)
    return count
  }
  const running = [reader(), reader(), scrubber(), searcher()]
  for (let round = 0; round < 4; round++) {
    await reopened.compact()
    await fill(reopened, 30, 7)
  }
  isDone = true
  for (const count of await Promise.all(running)) assert.ok(count > 20, `only ${count} calls`)
  assert.deepEqual(reopened.damages, [])
  await reopened.check()
  for (let at = 1_000; at < 1_000 + log.logEndOffset; at += 17) {
    const hit = await log.offsetForTimestamp(at, log.logEndOffset)
    assert.equal(hit?.offset ?? null, CompactedModel.firstAt(await readAll(log), at), `at ${at}`)
  }
  assert.equal(model.endOffset, log.logEndOffset)
})

test('damage is told of and not written anew; a passing fault of a read is neither', async () => {
  const disk = new FakeFileSystem()
  const subject = await CompactedLog.open(disk)
  await fill(subject, 30)
  await subject.log.close()
  disk.flipBit(FIRST, 100)
  const reopened = await CompactedLog.open(disk, subject.model)
  await assert.rejects(reopened.compact(), { code: 'LOG_SEGMENT_CORRUPT' })
  assert.equal(reopened.damages.length, 1)
  disk.flipBit(FIRST, 100)
  await reopened.compact()
  await reopened.check()
})

test('a full disk fails the round and nothing else', async () => {
  const disk = new FakeFileSystem()
  const subject = await CompactedLog.open(disk)
  await fill(subject, 30)
  for (let free = 0; free < 4_000; free += 97) {
    disk.diskFullAfterBytes(free)
    // Once a file is being replaced the log waits for room, and gets it.
    const relief = setTimeout(() => disk.diskFullAfterBytes(Number.POSITIVE_INFINITY), 20)
    try {
      await subject.compact()
    } catch (error) {
      assert.equal((error as LogError).code, 'LOG_DISK_FULL')
    }
    clearTimeout(relief)
    disk.diskFullAfterBytes(Number.POSITIVE_INFINITY)
    assert.equal(subject.log.state.kind, 'open')
    await subject.check()
    assert.deepEqual(
      disk.paths.filter((path) => path.endsWith('.log.tmp')),
      [],
    )
  }
  await subject.compact()
  await fill(subject, 3)
  await subject.check()
})

test('retention, a reset and a close end a round well', async () => {
  const disk = new FakeFileSystem()
  const subject = await CompactedLog.open(disk)
  await fill(subject, 40)
  const { log } = subject
  let spent = 0
  const report = await subject.compact({
    spend: async () => {
      // Deletes what was read and is about to be replaced.
      if (++spent === 12) await log.deleteTo(log.segments[3]!.baseOffset)
    },
  })
  assert.equal(report.hasMore, false)
  await subject.check()

  await fill(subject, 40)
  const resetTo = toOffset(log.logEndOffset + 100)
  let resetting: Promise<void> | null = null
  await subject.compact({
    spend: async () => {
      resetting ??= log.resetTo(resetTo, null)
      await resetting
    },
  })
  assert.deepEqual([log.logStartOffset, log.logEndOffset], [resetTo, resetTo])
  assert.equal(
    log.compactionPlan({ minCompactionLagMs: 0, deleteRetentionMs: 0, minCleanableDirtyRatio: 0 }, resetTo).cleanedEnd,
    resetTo,
  )

  const other = await CompactedLog.open(new FakeFileSystem())
  await fill(other, 40)
  let closing: Promise<void> | null = null
  const round = other.compact({
    spend: () => {
      closing ??= other.log.close()
      return new Promise(() => undefined)
    },
  })
  await assert.rejects(round, { code: 'LOG_CLOSED' })
  await closing!
})

test('logs of any content, compacted at any time, hold what they must', async () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  const record = fc.record({ key, value: fc.option(fc.string({ maxLength: 40 }), { freq: 3 }) })
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('append' as const),
        records: fc.array(record, { minLength: 1, maxLength: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('compact' as const),
        held: fc.nat(100),
        map: fc.constantFrom(64, 1 << 20),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        { do: 'leader' as const },
        { do: 'roll' as const },
        { do: 'restart' as const },
        { do: 'wait' as const },
      ),
    },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async (steps) => {
      const disk = new FakeFileSystem()
      const clock = { nowMs: 10_000 }
      let subject = await CompactedLog.open(disk, undefined, { segmentBytesMax: 400 }, clock)
      let epoch = 1
      for (const each of steps) {
        if (each.do === 'append') subject.push(each.records, epoch)
        else if (each.do === 'leader') subject.pushLeader(++epoch)
        else if (each.do === 'roll') await subject.log.roll()
        else if (each.do === 'wait') subject.advance(100)
        else if (each.do === 'restart') {
          await subject.log.close()
          subject = await CompactedLog.open(disk, subject.model, { segmentBytesMax: 400 }, clock)
        } else {
          const end = await subject.log.flush()
          await subject.compact({ heldByAllEnd: Math.floor((each.held / 100) * end), mapBytesMax: each.map })
        }
      }
      await subject.log.flush()
      await subject.check()
      await subject.log.roll()
      while ((await subject.compact()).hasMore);
      const content = await subject.check()
      assert.equal(content.replacedCount, 0)
      await subject.log.close()
      const { problems } = await verifySegment(COMPACTED_DIRECTORY, { fileSystem: disk })
      assert.deepEqual(problems, [])
    }),
    { numRuns: 60 },
  )
})
