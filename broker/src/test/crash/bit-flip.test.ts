/**
 * Flips bits of every file of a partition below its flushed end: whatever the flip hits, no read serves other bytes
 * than were appended. It is found at open, found by the read, or does not matter.
 *
 * Prints its figures. FLIP_STRIDE=n flips every n-th byte of what is not a header (default 9; another bit each time).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { iterateBatches, RECORD_BATCH_OVERHEAD_BYTES } from '@stratalog/proto/records'
import { LogError, LogSegmentCorruptError, type PartitionLog, verifySegment } from '../../log/index.ts'
import { dataBatch, leaderChangeBatch } from '../../testing/batches.ts'
import { FakeFileSystem } from '../../testing/fake-file-system.ts'
import { type LogModel, readAll } from '../../testing/log-model.ts'
import { DIRECTORY, LogWorkload, openLog } from './log-workload.ts'

const STRIDE = Number(process.env['FLIP_STRIDE'] ?? 9)

/** Positions of the bytes of all batch headers. */
function headerBytes(content: Buffer): Set<number> {
  const positions = new Set<number>()
  for (const { position } of iterateBatches(content)) {
    for (let byte = 0; byte < RECORD_BATCH_OVERHEAD_BYTES; byte++) positions.add(position + byte)
  }
  return positions
}

type Outcome = 'found at open' | 'found by a read' | 'no effect'

/** A disk on which the log was closed cleanly, or stopped right after its last flush. */
async function prepare(clean: boolean): Promise<{ disk: FakeFileSystem; model: LogModel }> {
  const fileSystem = new FakeFileSystem()
  const workload = new LogWorkload(fileSystem, 3)
  await workload.run()
  const { log } = await openLog(fileSystem)
  await log.roll()
  for (let epoch = 20; epoch < 26; epoch++) {
    const batch = leaderChangeBatch(workload.model.endOffset, epoch)
    log.append([batch])
    workload.model.append(batch)
    await log.flush()
  }
  for (let index = 0; index < 4; index++) {
    const batch = dataBatch({ baseOffset: workload.model.endOffset, epoch: 25, recordCount: 2 })
    log.append([batch])
    workload.model.append(batch)
    await log.flush()
  }
  if (clean) await log.close()
  return { disk: fileSystem.crash({ keep: 'all' }), model: workload.model }
}

async function flipOutcome(disk: FakeFileSystem, model: LogModel): Promise<Outcome> {
  let log: PartitionLog
  try {
    ;({ log } = await openLog(disk))
  } catch (error) {
    assert.ok(error instanceof LogSegmentCorruptError, `open failed with ${error}`)
    return 'found at open'
  }
  assert.equal(log.logEndOffset, model.endOffset, 'bytes below the flushed end were cut')
  let found = false
  try {
    assert.ok(
      (await readAll(log)).equals(model.bytesBetween(log.logStartOffset, log.logEndOffset)),
      'wrong bytes served',
    )
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    assert.ok(error instanceof LogSegmentCorruptError, `a read failed with ${error.code}`)
    found = true
  }
  // Every offset by itself, through the indexes; each is right or an error.
  for (const batch of model.batches) {
    if (batch.baseOffset < log.logStartOffset) continue
    try {
      const { bytes } = await log.read(toOffset(batch.baseOffset), log.logEndOffset, 1)
      assert.ok(bytes.equals(batch.bytes), `wrong bytes at offset ${batch.baseOffset}`)
      const timestamp = 1_000 + batch.baseOffset
      const hit = batch.control ? null : await log.offsetForTimestamp(timestamp, log.logEndOffset)
      if (hit !== null) assert.equal(hit.offset, batch.baseOffset, `wrong offset for timestamp ${timestamp}`)
    } catch (error) {
      if (!(error instanceof LogSegmentCorruptError)) throw error
      found = true
    }
  }
  return found ? 'found by a read' : 'no effect'
}

for (const clean of [true, false]) {
  test(`no flipped bit is served (${clean ? 'after a clean close' : 'after a stop'})`, async (context) => {
    const { disk, model } = await prepare(clean)
    const outcomes = new Map<string, number>()
    for (const path of disk.paths) {
      const kind = path.slice(path.lastIndexOf('/') + 1).replace(/^\d+/, '')
      const { length } = disk.contentOf(path)
      const headers = kind === '.log' ? headerBytes(disk.contentOf(path)) : null
      for (let position = 0; position < length; position++) {
        if (headers !== null && position % STRIDE !== 0 && !headers.has(position)) continue
        const damaged = disk.crash({ keep: 'all' })
        damaged.flipBit(path, position, position % 8)
        const outcome = await flipOutcome(damaged, model).catch((cause: unknown) => {
          throw new Error(`bit ${position % 8} of byte ${position} of ${path}: ${cause}`, { cause })
        })
        if (kind === '.log') assert.notEqual(outcome, 'no effect', `byte ${position} of ${path} went unnoticed`)
        const key = `${kind}: ${outcome}`
        outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
      }
    }
    for (const [key, count] of [...outcomes].sort()) context.diagnostic(`${key} ${count}`)
  })
}

test('segment verify names the damage', async () => {
  const { disk } = await prepare(true)
  const logs = disk.paths.filter((path) => path.endsWith('.log'))
  for (const path of logs) {
    if (disk.contentOf(path).length === 0) continue
    const damaged = disk.crash({ keep: 'all' })
    damaged.flipBit(path, 30)
    const { sound, problems } = await verifySegment(DIRECTORY, { fileSystem: damaged })
    assert.equal(sound, false)
    assert.equal(problems[0]?.path, path)
    assert.equal(problems[0]?.position, 0)
  }
  assert.equal((await verifySegment(DIRECTORY, { fileSystem: disk })).sound, true)
})

test('missing and cut segments are damage with a name', async () => {
  const { disk } = await prepare(true)
  for (const path of disk.paths.filter((name) => name.endsWith('.log'))) {
    const { length } = disk.contentOf(path)
    if (length === 0) continue
    const missing = disk.crash({ keep: 'all' })
    await missing.remove(path)
    await assert.rejects(openLog(missing), { code: 'LOG_SEGMENT_CORRUPT', path, reason: 'the file is missing' })
    const cut = disk.crash({ keep: 'all' })
    const file = await cut.open(path)
    await file.truncate(length - 1)
    await assert.rejects(openLog(cut), { code: 'LOG_SEGMENT_CORRUPT', path })
  }
})

test('missing indexes are rebuilt or done without', async () => {
  const { disk, model } = await prepare(true)
  for (const path of disk.paths.filter((name) => name.endsWith('index'))) await disk.remove(path)
  const { log } = await openLog(disk)
  assert.ok((await readAll(log)).equals(model.bytesBetween(log.logStartOffset, log.logEndOffset)))
})

test('a folder with nothing but segment files, as copied from Kafka, is opened whole', async () => {
  const { disk, model } = await prepare(true)
  for (const path of disk.paths.filter((name) => !name.endsWith('.log'))) await disk.remove(path)
  const { log } = await openLog(disk)
  assert.equal(log.logEndOffset, model.endOffset)
  assert.ok((await readAll(log)).equals(model.bytesBetween(log.logStartOffset, log.logEndOffset)))
  assert.equal((await verifySegment(DIRECTORY, { fileSystem: disk })).sound, true)
})
