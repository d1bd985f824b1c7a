/** The small parts of the engine that are functions of what they are given. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { splitOf } from '../test/memory-source.ts'
import { OrderedChunks } from './ordered-chunks.ts'
import { ProgressMeter } from './progress.ts'
import { createRateLimit, RateLimiter } from './rate-limiter.ts'
import { orderSplits } from './split-order.ts'
import { fromPlainError, NO_COUNTS, type SplitResult, toPlainError } from './thread-messages.ts'

test('partitions take turns, each in order of offset, whatever the order given', () => {
  const splits = [
    splitOf('t', 0, 0, 5),
    splitOf('t', 0, 5, 9),
    splitOf('t', 1, 0, 4),
    splitOf('u', 0, 0, 1),
    splitOf('t', 0, 9, 12),
  ]
  const ids = ['t/0 0', 't/1 0', 'u/0 0', 't/0 5', 't/0 9']
  const named = (order: typeof splits): string[] =>
    order.map((split) => `${split.topic}/${split.partition} ${split.startOffset}`)
  assert.deepEqual(named(orderSplits(splits)), ids)
  assert.deepEqual(named(orderSplits([splits[4]!, ...splits.slice(0, 4)])), ids)
  assert.deepEqual(orderSplits([]), [])
})

test('a rate is shared, and no more than a tenth of a second is saved up', () => {
  let nowNs = 1_000_000_000n
  const limit = createRateLimit(1_000_000)
  const [one, other] = [new RateLimiter(limit, () => nowNs), new RateLimiter(limit, () => nowNs)]
  assert.equal(one.take(100_000), 0, 'what was saved up')
  assert.equal(other.take(50_000), 50)
  assert.equal(one.take(50_000), 100)
  nowNs += 10_000_000_000n
  assert.equal(one.take(100_000), 0)
  assert.equal(one.take(1_000_000), 1_000)
})

test('progress counts what is done and under way, with rates of late and the time left', () => {
  const splits = [splitOf('t', 0, 0, 100), splitOf('t', 1, 0, 300), splitOf('t', 2, 50, 150)]
  const counts = (recordCount: number) => ({ ...NO_COUNTS, recordCount, readBytes: recordCount * 10 })
  const meter = new ProgressMeter(splits, 1_000)
  meter.resumed(splits[0]!.id, counts(100))
  assert.deepEqual(meter.at(1_000).share, 0.2)
  assert.equal(meter.at(1_000).timeLeftMs, null)
  meter.progress(splits[1]!.id, counts(100), 100)
  meter.progress(splits[2]!.id, counts(50), 100)
  const now = meter.at(2_000)
  assert.deepEqual(
    [
      now.doneOffsetCount,
      now.recordCount,
      now.recordsPerSecond,
      now.bytesPerSecond,
      now.timeLeftMs,
      now.doneSplitCount,
    ],
    [250, 250, 150, 1_500, (250 / 150) * 1_000, 1],
  )
  assert.equal(now.active.length, 2)
  meter.done(splits[1]!.id, counts(300))
  meter.done(splits[2]!.id, counts(100))
  const end = meter.at(3_000)
  assert.deepEqual([end.share, end.timeLeftMs, end.recordCount, end.doneSplitCount], [1, 0, 500, 3])
  assert.equal(new ProgressMeter([], 0).at(0).share, 1)
})

test('chunks come out in the order of the splits, each giving its credit back when it is done with', async () => {
  const splits = [splitOf('t', 0, 0, 1), splitOf('t', 1, 0, 1), splitOf('t', 0, 1, 2)]
  const chunks = new OrderedChunks(splits)
  const log: string[] = []
  const result = (index: number) => ({ splitId: splits[index]!.id }) as SplitResult
  const send = (index: number, text: string): void =>
    chunks.chunk(splits[index]!.id, Buffer.from(text), () => log.push(`taken ${text}`))
  send(2, 'e')
  send(1, 'c')
  chunks.end(result(1))
  const delivered = chunks.deliver({
    take: async (_, bytes) => {
      await Promise.resolve()
      log.push(bytes.toString())
    },
    finish: (split) => void log.push(`end ${split.partition}`),
  })
  chunks.end(result(2))
  assert.deepEqual(log, [])
  send(0, 'a')
  send(0, 'b')
  chunks.end(result(0))
  await delivered
  assert.deepEqual(log, ['a', 'taken a', 'b', 'taken b', 'end 0', 'c', 'taken c', 'end 1', 'e', 'taken e', 'end 0'])
})

test('errors cross between threads with all that they say', () => {
  const error = new StratalogError('OUTPUT_FAILED', 'full', {
    topic: 't',
    partition: 3,
    metadata: { path: 'p' },
    hint: 'h',
  })
  const copy = fromPlainError(structuredClone(toPlainError(error)))
  assert.ok(copy instanceof StratalogError)
  const { code, message, topic, partition, metadata, hint, stack } = copy
  assert.deepEqual(
    { code, message, topic, partition, metadata, hint, stack },
    {
      code: 'OUTPUT_FAILED',
      message: 'full',
      topic: 't',
      partition: 3,
      metadata: { path: 'p' },
      hint: 'h',
      stack: error.stack,
    },
  )
  assert.equal(fromPlainError(toPlainError(new RangeError('x'))).message, 'x')
})
