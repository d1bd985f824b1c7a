import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addOffset, type Offset, toOffset } from '@stratalog/proto'
import { baseOffsetOf, iterateBatches, lastOffsetOf } from '@stratalog/proto/records'
import fc from 'fast-check'
import { FlushScheduler } from '../log/flush-scheduler.ts'
import { DEFAULT_LOG_CONFIG } from '../log/log-config.ts'
import { OpenFileCache } from '../log/open-file-cache.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { readData } from './read-path.ts'

/** A log of data (`d`) and control (`c`) batches; each control batch begins an epoch. */
async function logOf(plan: readonly ('d' | 'c')[]): Promise<PartitionLog> {
  const fileSystem = new FakeFileSystem()
  const log = await PartitionLog.open({
    directory: '/t-0',
    fileSystem,
    config: DEFAULT_LOG_CONFIG,
    flusher: new FlushScheduler(),
    openFiles: new OpenFileCache({ fileSystem }),
    clock: new ManualClock(),
  })
  let epoch = 1
  let next = 0
  for (const kind of plan) {
    if (kind === 'c') epoch++
    const batch = kind === 'c' ? leaderChangeBatch(next, epoch) : dataBatch({ baseOffset: next, epoch, recordCount: 2 })
    log.append([batch])
    next = lastOffsetOf(batch, 0) + 1
  }
  await log.flush()
  return log
}

test('property: a reader sees all data batches once, in order, no control batch, and arrives at the end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('d' as const, 'd' as const, 'c' as const), { maxLength: 20 }),
      fc.integer({ min: 1, max: 600 }),
      async (plan, maxBytes) => {
        const log = await logOf(plan)
        const expected: number[] = []
        let offset = 0
        for (const kind of plan) {
          if (kind === 'd') expected.push(offset)
          offset += kind === 'd' ? 2 : 1
        }
        const seen: number[] = []
        let next: Offset = toOffset(0)
        for (;;) {
          const read = await readData(log, next, log.logEndOffset, maxBytes)
          assert.ok(read.sizeBytes <= maxBytes || [...iterateBatches(read.bytes!)].length === 1)
          for (const chunk of read.chunks) {
            for (const { position, header } of iterateBatches(chunk)) {
              assert.equal(header.control, false)
              seen.push(baseOffsetOf(chunk, position))
            }
          }
          if (read.bytes === null) {
            assert.equal(read.nextOffset, log.logEndOffset)
            break
          }
          assert.ok(read.nextOffset > next)
          next = toOffset(read.nextOffset)
        }
        assert.deepEqual(seen, expected)
        await log.close()
      },
    ),
    { numRuns: 60 },
  )
})

test('nothing at or beyond the end is returned', async () => {
  const log = await logOf(['d', 'd', 'd'])
  const read = await readData(log, toOffset(0), addOffset(toOffset(0), 4), 10_000)
  assert.equal(read.nextOffset, 4)
  await log.close()
})
