/** Planning and reading from a folder of segment files, without a broker. */
import assert from 'node:assert/strict'
import { appendFile, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type CompressionName, crc32c } from '@stratalog/proto/records'
import fc from 'fast-check'
import { folderSource, openReplaySource, planReplay, type ReplaySplit, readSplit } from '../../index.ts'
import { LogFolder, noteOf } from './log-folder.ts'
import { read, readAll } from './replay-reading.ts'

const CODECS: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const TOPICS = { topics: ['t'] }

/** `count` batches of ten in three segments, and a control batch at each beginning. */
async function simpleFolder(batchCount = 30): Promise<LogFolder> {
  const folder = await LogFolder.create()
  for (let index = 0; index < batchCount; index++) {
    if (index % 10 === 0) {
      folder.roll()
      folder.appendControl()
    }
    folder.appendNumbers(10, CODECS[index % CODECS.length])
  }
  await folder.finish()
  return folder
}

describe('a folder', () => {
  it('is planned and read whatever is in its log: each record once, everything else told with its cause', async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant('full' as const), count: fc.integer({ min: 1, max: 30 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('thin' as const),
          kept: fc.array(fc.boolean(), { minLength: 1, maxLength: 70 }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('control' as const) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('roll' as const) }) },
    )
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.constantFrom(...CODECS),
      fc.integer({ min: 1, max: 3_000 }),
      fc.nat(),
      fc.nat(),
      async (steps, codec, splitBytes, fromSeed, toSeed) => {
        await using folder = await LogFolder.create({ indexBytes: 300, startOffset: 1_000 })
        for (const each of steps) {
          if (each.kind === 'full') folder.appendNumbers(each.count, codec)
          else if (each.kind === 'control') folder.appendControl()
          else if (each.kind === 'roll') folder.roll()
          else {
            const base = folder.endOffset
            const records = each.kept.flatMap((isKept, delta) =>
              isKept ? [{ delta, timestamp: (base + delta) * 1_000, value: 'v', key: `k${delta}` }] : [],
            )
            folder.append({ records, spanCount: each.kept.length, codec })
          }
        }
        await folder.finish()
        const source = folderSource(folder.dataDir)
        const [bounds] = await source.bounds([{ topic: 't', partition: 0 }])
        const span = bounds!.visibleEnd - bounds!.logStartOffset
        const first = bounds!.logStartOffset + (span === 0 ? 0 : fromSeed % (span + 1))
        const end = first + (bounds!.visibleEnd === first ? 0 : toSeed % (bounds!.visibleEnd - first + 1))
        const from = { offset: first }
        const manifest = await planReplay(source, { ...TOPICS, from, to: { offset: end }, splitBytes })
        const { records, gaps } = await readAll(source, manifest)
        const expected = folder.records.filter(({ offset }) => offset >= first && offset < end)
        assert.deepEqual(records, expected)
        assert.ok(gaps.every(({ cause }) => cause === 'control' || cause === 'compacted'))
      },
    )
    await fc.assert(property, { numRuns: 60 })
  })

  it('is cut into pieces of about equal bytes on batch boundaries, which do not change', async () => {
    await using folder = await simpleFolder(60)
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, { ...TOPICS, splits: 6 })
    assert.ok(Math.abs(manifest.splits.length - 6) <= 1, `${manifest.splits.length} splits`)
    const starts = new Set(folder.batches.map(({ baseOffset }) => baseOffset))
    for (const { startOffset } of manifest.splits) assert.ok(starts.has(startOffset), `${startOffset}`)
    const sizes = manifest.splits.map(({ bytes }) => bytes)
    assert.ok(Math.max(...sizes) < 2.5 * Math.min(...sizes), `sizes ${sizes}`)
    const [topic] = manifest.topics
    const total = folder.batches.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    assert.equal(topic!.partitions[0]!.bytes, total)
    assert.deepEqual([manifest.clusterId, topic!.topicId], ['test-cluster', folder.topicId])
    const again = await planReplay(source, { ...TOPICS, splits: 6 })
    assert.equal(again.id, manifest.id)
    const { records } = await readAll(openReplaySource(source.spec), manifest)
    assert.deepEqual(records, folder.records)
  })

  it('finds records by time, with indexes and without', async () => {
    await using folder = await simpleFolder()
    const source = folderSource(folder.dataDir)
    const place = { topic: 't', partition: 0 }
    const asked = [0, 1_000, 5_500, 99_000, 150_250, 301_000, 302_000, 1e12]
    const expected = asked.map((ms) => folder.records.find(({ timestamp }) => timestamp >= ms)?.offset ?? null)
    const questions = asked.map((timestampMs) => ({ ...place, timestampMs }))
    assert.deepEqual(await source.offsetsForTime(questions), expected)
    for (const name of await readdir(folder.directory)) {
      // Entries that point anywhere are hints that are found wrong.
      const path = join(folder.directory, name)
      if (name.endsWith('index')) await writeFile(path, Buffer.alloc((await stat(path)).size, 1))
    }
    assert.deepEqual(await source.offsetsForTime(questions), expected)
    for (const name of await readdir(folder.directory)) {
      if (name.endsWith('index')) await unlink(join(folder.directory, name))
    }
    assert.deepEqual(await source.offsetsForTime(questions), expected)
    const manifest = await planReplay(source, { ...TOPICS, splitBytes: 500 })
    assert.ok(manifest.splits.length > 3)
    assert.deepEqual((await readAll(source, manifest)).records, folder.records)
  })

  it('reads a range again from where it was left, with a filter', async () => {
    await using folder = await simpleFolder()
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, { ...TOPICS, splits: 1 })
    const [split] = manifest.splits
    const { records } = await read(source, split!, { fromOffset: 137 })
    assert.deepEqual(
      records,
      folder.records.filter(({ offset }) => offset >= 137),
    )
    const filter = {
      fromTimestampMs: 50_000,
      toTimestampMs: 260_000,
      where: ({ offset }: { offset: number }) => offset % 2 === 0,
    }
    const filtered = await readAll(source, manifest, { filter })
    const wanted = folder.records.filter(({ offset }) => offset >= 50 && offset < 260 && offset % 2 === 0)
    assert.deepEqual(filtered.records, wanted)
    assert.throws(() => readSplit(source, split!, { fromOffset: split!.endOffset + 1 }), { code: 'INVALID_REQUEST' })
    assert.throws(() => readSplit(source, split!, { prefetchBytes: 1 }), { code: 'INVALID_REQUEST' })
  })
})

describe('a filter by time', () => {
  it('leaves out batches that cannot hold any wanted record, without looking into them', async () => {
    await using folder = await LogFolder.create()
    const records = [{ delta: 0, timestamp: 5, value: 'a' }]
    folder.append({ records, spanCount: 1, appendTime: 1_000 })
    folder.append({ records, spanCount: 1, appendTime: 2_000 })
    folder.append({ records, spanCount: 1, appendTime: 3_000 })
    // Timestamps of producers may go back within a batch: what it begins with says nothing.
    const mixed = [
      { delta: 0, timestamp: 9_000, value: 'late' },
      { delta: 1, timestamp: 2_500, value: 'early' },
    ]
    folder.append({ records: mixed, spanCount: 2 })
    await folder.finish()
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, TOPICS)
    const filter = { fromTimestampMs: 2_000, toTimestampMs: 3_000 }
    const { records: found } = await readAll(source, manifest, { filter })
    assert.deepEqual(
      found.map(({ offset }) => offset),
      [1, 4],
    )
    const touched: number[] = []
    const reader = readSplit(source, manifest.splits[0]!, { filter })
    for await (const batch of reader) touched.push(batch.baseOffset)
    assert.deepEqual(touched, [1, 3])
    assert.throws(() => reader[Symbol.asyncIterator](), { code: 'INVALID_REQUEST' })
  })
})

describe('what a folder does not vouch for', () => {
  it('is not read: nothing behind the committed end, half-written or whole', async () => {
    await using folder = await simpleFolder()
    const committedEnd = folder.endOffset
    folder.appendNumbers(5)
    folder.appendGarbage(Buffer.alloc(40, 7))
    await folder.finish(committedEnd)
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, TOPICS)
    assert.equal(manifest.topics[0]!.partitions[0]!.endOffset, committedEnd)
    const { records } = await readAll(source, manifest)
    assert.deepEqual(
      records,
      folder.records.filter(({ offset }) => offset < committedEnd),
    )
  })

  it('is refused without a note of what is committed, and read up to the sound end only on demand', async () => {
    await using folder = await simpleFolder()
    const half = Buffer.alloc(61)
    half.writeInt32BE(500, 8)
    half.writeInt8(2, 16)
    folder.appendGarbage(half)
    await folder.finish(null)
    await assert.rejects(planReplay(folderSource(folder.dataDir), TOPICS), {
      code: 'OFFSET_NOT_AVAILABLE',
      message: /does not say how far t-0 is committed/,
      hint: /unsafeToLogEnd/,
    })
    const source = folderSource(folder.dataDir, { unsafeToLogEnd: true })
    const { records } = await readAll(source, await planReplay(source, TOPICS))
    assert.deepEqual(records, folder.records)
  })

  it('is an error where the plan wants more than the copy has', async () => {
    await using folder = await simpleFolder()
    const manifest = await planReplay(folderSource(folder.dataDir), TOPICS)
    const { topic, topicId } = folder
    const mark = { topic, topicId, partition: 0, logStartOffset: 0, committedEnd: 100 }
    await writeFile(join(folder.dataDir, 'committed-offset-checkpoint'), noteOf(mark))
    await assert.rejects(readAll(folderSource(folder.dataDir), manifest), {
      code: 'OFFSET_OUT_OF_RANGE',
      message: /wanted up to 303, but what is known to be committed ends at 100/,
    })
    await writeFile(join(folder.dataDir, 'committed-offset-checkpoint'), '0\n1\nt x 0')
    await assert.rejects(readAll(folderSource(folder.dataDir), manifest), { code: 'STORAGE_ERROR' })
  })
})

describe('a copy that is younger than the note of another one before it', () => {
  it('ends where it ends, cleanly, unless it is known to have been longer', async () => {
    await using folder = await simpleFolder()
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, TOPICS)
    const last = folder.batches.at(-1)!
    const bytes = await readFile(last.path)
    await writeFile(last.path, bytes.subarray(0, last.position))
    const shorter = await planReplay(source, TOPICS)
    assert.equal(shorter.topics[0]!.partitions[0]!.endOffset, last.baseOffset)
    assert.equal((await readAll(source, shorter)).records.length, 290)
    await assert.rejects(readAll(source, manifest), {
      code: 'OFFSET_OUT_OF_RANGE',
      message: /is known to be committed ends at 293/,
    })
    await writeFile(join(folder.directory, 'log-checkpoint'), checkpoint({ flushedEndOffset: folder.endOffset }))
    await assert.rejects(readAll(source, manifest), { code: 'CORRUPT_MESSAGE', message: /the file ends before it/ })
  })

  it('is known by its checkpoint: epochs, log start, largest timestamps', async () => {
    await using folder = await simpleFolder()
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, TOPICS)
    const facts = {
      logStartOffset: 0,
      epochs: [[2, 0]],
      scan: { offset: 303 },
      sealed: [{ baseOffset: 0, maxTimestamp: 1 }],
    }
    await writeFile(join(folder.directory, 'log-checkpoint'), checkpoint(facts))
    // It is said that all of it is of epoch 2; from the second segment on the batches say otherwise.
    await assert.rejects(readAll(source, manifest), {
      code: 'CORRUPT_MESSAGE',
      message: /offset 101.*its leader epoch is 3, not 2/,
    })
    const question = { topic: 't', partition: 0, timestampMs: 50_000 }
    assert.deepEqual(await source.offsetsForTime([question]), [102], 'the first segment is said to be older')
    await writeFile(join(folder.directory, 'log-checkpoint'), checkpoint({ logStartOffset: 55 }))
    assert.deepEqual(await source.bounds([question]), [{ logStartOffset: 55, visibleEnd: 303 }])
    const damaged = checkpoint({ logStartOffset: 55 })
    damaged[20]! ^= 1
    await writeFile(join(folder.directory, 'log-checkpoint'), damaged)
    assert.deepEqual(await source.bounds([question]), [{ logStartOffset: 0, visibleEnd: 303 }])
  })
})

/** The split, as of a plan that knows no epochs. */
function anyEpoch(split: ReplaySplit): ReplaySplit {
  return { ...split, leaderEpoch: null }
}

/** A recovery checkpoint as brokers write it. */
function checkpoint(facts: object): Buffer {
  const whole = {
    version: 1,
    logStartOffset: 0,
    flushedEndOffset: 0,
    sealed: [],
    scan: { offset: 0 },
    epochs: [],
    ...facts,
  }
  const body = Buffer.from(`\n${JSON.stringify(whole)}\n`)
  return Buffer.concat([Buffer.from(crc32c(body).toString(16).padStart(8, '0')), body])
}

describe('a topic that is not the one planned', () => {
  it('is an error: created again, gone, or written by other leaders', async () => {
    await using folder = await simpleFolder()
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, TOPICS)
    const [split] = manifest.splits
    const other = { ...split!, topicId: 'f'.repeat(32) }
    await assert.rejects(read(source, other), {
      code: 'UNKNOWN_TOPIC_ID',
      message: /deleted and created again/,
      metadata: { plannedTopicId: other.topicId, foundTopicId: folder.topicId },
    })
    await assert.rejects(read(source, { ...split!, leaderEpoch: 7 }), {
      code: 'OFFSET_OUT_OF_RANGE',
      message: /written by the leader of epoch 2; the plan knows it as of epoch 7/,
    })
    await rm(folder.directory, { recursive: true })
    await assert.rejects(read(source, split!), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await assert.rejects(planReplay(source, TOPICS), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await assert.rejects(planReplay(folderSource('/nowhere'), TOPICS), {
      code: 'STORAGE_ERROR',
      message: /no data folder/,
    })
  })
})

describe('retention that overtakes a reader', () => {
  it('is an error with what is left, or a gap on demand', async () => {
    await using folder = await simpleFolder()
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, { ...TOPICS, splits: 1 })
    const [split] = manifest.splits
    await folder.finish(folder.endOffset, 200)
    await assert.rejects(read(source, split!), (error: Error & { metadata: Record<string, string> }) => {
      assert.match(error.message, /offsets 0 to 200 of t-0 were deleted .* 200 to 303 are left/)
      assert.deepEqual(error.metadata, {
        reason: 'deleted',
        deletedFrom: '0',
        deletedEnd: '200',
        logStartOffset: '200',
      })
      return true
    })
    const { records, gaps } = await readAll(source, manifest, { onDeleted: 'skip' })
    assert.deepEqual(
      records,
      folder.records.filter(({ offset }) => offset >= 200),
    )
    assert.deepEqual([gaps[0]!.cause, gaps[0]!.startOffset, gaps[0]!.endOffset], ['deleted', 0, 200])
    await folder.finish(folder.endOffset, folder.endOffset)
    const none = await readAll(source, manifest, { onDeleted: 'skip' })
    assert.deepEqual([none.records, none.gaps.map(({ missingCount }) => missingCount)], [[], [303]])
  })

  it('does not touch a file that is open, and is met at the next one', async () => {
    await using folder = await simpleFolder()
    const source = folderSource(folder.dataDir)
    const [split] = (await planReplay(source, { ...TOPICS, splits: 1 })).splits
    const offsets: number[] = []
    const run = async (): Promise<void> => {
      for await (const batch of readSplit(source, split!)) {
        for (const { offset } of batch) offsets.push(offset)
        if (offsets.length > 10) continue
        for (const name of (await readdir(folder.directory)).sort().slice(0, 6))
          await unlink(join(folder.directory, name))
      }
    }
    await assert.rejects(run, { code: 'OFFSET_OUT_OF_RANGE', message: /the log begins at 202/ })
    assert.deepEqual(
      offsets,
      folder.records.flatMap(({ offset }) => (offset < 101 ? [offset] : [])),
    )
  })
})

describe('damage in a folder', () => {
  it('stops with place, file and position, or is passed over and told; what is sound is all read', async () => {
    const property = fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (seed, mask) => {
      await using folder = await simpleFolder()
      const batch = folder.batches[seed % folder.batches.length]!
      const bytes = await readFile(batch.path)
      const at = batch.position + (seed % batch.sizeBytes)
      bytes[at] = bytes[at]! ^ mask
      await writeFile(batch.path, bytes)
      const source = folderSource(folder.dataDir)
      const manifest = await planReplay(source, { ...TOPICS, to: { offset: 303 }, splits: 1 })
      const told = await readAll(source, manifest).then(
        () => null,
        (error: Error & { code: string; metadata: Record<string, string>; partition: number }) => error,
      )
      // An epoch lies outside of the CRC: what shows it is the batches around it. It costs no records.
      const place = at - batch.position
      const isEpoch = place >= 12 && place < 16 && bytes[batch.position + 12]! < 128
      if (told === null) {
        assert.ok(isEpoch && batch === folder.batches.at(-1), `byte ${place} of ${batch.baseOffset}`)
        return
      }
      if (isEpoch) {
        const { records } = await readAll(
          source,
          { ...manifest, splits: manifest.splits.map(anyEpoch) },
          { skipCorrupt: true },
        )
        assert.deepEqual(records, folder.records)
        return
      }
      assert.deepEqual([told.code, told.partition], ['CORRUPT_MESSAGE', 0], told.message)
      const { offset, file, position } = told.metadata
      assert.deepEqual([offset, file, position], [String(batch.baseOffset), batch.path, String(batch.position)])
      const { records, gaps } = await readAll(source, manifest, { skipCorrupt: true })
      const sound = folder.records.filter(
        (record) => record.offset < batch.baseOffset || record.offset >= batch.endOffset,
      )
      assert.deepEqual(records, sound)
      const corrupt = gaps.filter(({ cause }) => cause === 'corrupt')
      assert.deepEqual(
        corrupt.map(({ startOffset, endOffset }) => [startOffset, endOffset]),
        [[batch.baseOffset, batch.endOffset]],
      )
      assert.ok(corrupt[0]!.detail.includes(batch.path))
    })
    await fc.assert(property, { numRuns: 80 })
  })

  it('is a file that is missing or cut short', async () => {
    await using folder = await simpleFolder()
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, { ...TOPICS, splits: 1 })
    const [, second, third] = [...new Set(folder.batches.map(({ path }) => path))]
    const bytes = await readFile(third!)
    await writeFile(third!, bytes.subarray(0, bytes.length - 20))
    await assert.rejects(readAll(source, manifest), { code: 'CORRUPT_MESSAGE', message: /the file ends after/ })
    await unlink(second!)
    await assert.rejects(readAll(source, manifest), {
      code: 'CORRUPT_MESSAGE',
      message: /at offset 101 of t-0 is damaged: the file ends/,
    })
    const { records, gaps } = await readAll(source, manifest, { skipCorrupt: true })
    assert.deepEqual(records.length, 200 - 10)
    assert.deepEqual(
      gaps.filter(({ cause }) => cause === 'corrupt').map(({ startOffset, endOffset }) => [startOffset, endOffset]),
      [
        [101, 202],
        [293, 303],
      ],
    )
  })

  it('is records that do not decode although their CRC is right', async () => {
    await using folder = await LogFolder.create()
    folder.appendNumbers(10)
    folder.append({ records: [{ delta: 0, timestamp: 1, value: 'a'.repeat(50) }], spanCount: 5 })
    await folder.finish()
    const { path, position } = folder.batches[1]!
    const bytes = await readFile(path)
    bytes.writeInt32BE(2, position + 57)
    bytes.writeUInt32BE(crc32c(bytes, position + 21), position + 17)
    await writeFile(path, bytes)
    const source = folderSource(folder.dataDir)
    const manifest = await planReplay(source, TOPICS)
    await assert.rejects(readAll(source, manifest), { code: 'CORRUPT_MESSAGE' })
    const { records, gaps } = await readAll(source, manifest, { skipCorrupt: true })
    assert.equal(records.length, 11)
    assert.deepEqual(
      gaps.map(({ cause, startOffset, endOffset, missingCount }) => [cause, startOffset, endOffset, missingCount]),
      [
        ['compacted', 10, 15, 3],
        ['corrupt', 11, 15, 1],
      ],
    )
  })

  it('is not taken for it when it lies outside of what is read', async () => {
    await using folder = await simpleFolder()
    await appendFile(folder.batches.at(-1)!.path, Buffer.alloc(1_000, 9))
    const first = folder.batches[1]!
    const bytes = await readFile(first.path)
    bytes[first.position + 70] = bytes[first.position + 70]! ^ 1
    await writeFile(first.path, bytes)
    const source = folderSource(folder.dataDir)
    const { records } = await readAll(source, await planReplay(source, { ...TOPICS, from: { offset: 40 } }))
    assert.deepEqual(
      records,
      folder.records.filter(({ offset }) => offset >= 40),
    )
  })
})
