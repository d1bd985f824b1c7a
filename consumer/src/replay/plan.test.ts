/** Bounds and their bad input, over a source that answers from memory. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TopicPartition } from '@stratalog/proto'
import { planReplay } from './plan.ts'
import { durationMs } from './plan-bounds.ts'
import type { PlanReplayOptions } from './plan-options.ts'
import type { ReplaySource, SourceBounds } from './source.ts'

interface MemoryPartition extends SourceBounds {
  /** A record each second from here on, ms. */
  readonly firstTimestampMs: number
  readonly committed: number | null
}

/** Partitions of topic `t`: a record a second, 100 bytes each, a split point at every tenth offset. */
function memorySource(partitions: readonly MemoryPartition[]): ReplaySource {
  const at = ({ partition }: TopicPartition): MemoryPartition => partitions[partition]!
  return {
    kind: 'cluster',
    spec: { kind: 'folder', dir: '/memory', unsafeToLogEnd: false },
    clusterId: async () => 'memory',
    topic: async (topic) => ({ topic, topicId: 'a'.repeat(32), partitions: partitions.map((_, index) => index) }),
    bounds: async (places) => places.map(at),
    offsetsForTime: async (questions) =>
      questions.map((question) => {
        const { firstTimestampMs, logStartOffset, visibleEnd } = at(question)
        const offset = logStartOffset + Math.max(0, Math.ceil((question.timestampMs - firstTimestampMs) / 1_000))
        return offset < visibleEnd ? offset : null
      }),
    committedOffsets: async (_, places) => places.map((place) => at(place).committed),
    range: async ({ startOffset, endOffset }) => {
      const points = []
      for (let offset = startOffset; offset < endOffset; offset = (Math.floor(offset / 10) + 1) * 10) {
        const next = Math.min(endOffset, (Math.floor(offset / 10) + 1) * 10)
        points.push({ offset, bytes: (next - offset) * 100, leaderEpoch: 1 })
      }
      return { points, hosts: [{ brokerId: 1, host: 'localhost', port: 9400 }] }
    },
    read: () => {
      throw new Error('not to be read')
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

const SOURCE = memorySource([
  { logStartOffset: 100, visibleEnd: 300, firstTimestampMs: 1_000_000, committed: 150 },
  { logStartOffset: 0, visibleEnd: 50, firstTimestampMs: 1_050_000, committed: null },
])

async function ranges(options: Partial<PlanReplayOptions>): Promise<(readonly [number, number])[]> {
  const manifest = await planReplay(SOURCE, { topics: ['t'], ...options })
  return manifest.topics[0]!.partitions.map(({ startOffset, endOffset }) => [startOffset, endOffset] as const)
}

describe('the bounds of a replay', () => {
  it('are every kind of place', async () => {
    assert.deepEqual(await ranges({}), [
      [100, 300],
      [0, 50],
    ])
    assert.deepEqual(await ranges({ from: 'latest' }), [
      [300, 300],
      [50, 50],
    ])
    assert.deepEqual(await ranges({ partitions: [0], from: { offset: 120 }, to: { offset: 130 } }), [[120, 130]])
    const offsets = { t: { 0: 200, 1: 7 } }
    assert.deepEqual(await ranges({ from: { offsets } }), [
      [200, 300],
      [7, 50],
    ])
    const time = { from: { timestamp: 1_060_000 }, to: { timestamp: new Date(1_080_500) } }
    assert.deepEqual(await ranges(time), [
      [160, 181],
      [10, 31],
    ])
    assert.deepEqual(await ranges({ from: { group: 'g' } }), [
      [150, 300],
      [0, 50],
    ])
    assert.deepEqual(await ranges({ partitions: [0], to: { group: 'g' } }), [[100, 150]])
  })

  it('may be times before the first record and after the last one', async () => {
    assert.deepEqual(await ranges({ from: { timestamp: 5 } }), [
      [100, 300],
      [0, 50],
    ])
    assert.deepEqual(await ranges({ to: { timestamp: 5 } }), [
      [100, 100],
      [0, 0],
    ])
    assert.deepEqual(await ranges({ from: { timestamp: 9e12 } }), [
      [300, 300],
      [50, 50],
    ])
    assert.deepEqual(await ranges({ to: { timestamp: 9e12 } }), [
      [100, 300],
      [0, 50],
    ])
    assert.deepEqual(await ranges({ from: { ago: '7d' } }), [
      [300, 300],
      [50, 50],
    ])
    assert.deepEqual(await ranges({ from: { ago: '5000w' } }), [
      [100, 300],
      [0, 50],
    ])
  })

  it('make an empty plan when nothing lies between them', async () => {
    const manifest = await planReplay(SOURCE, { topics: ['t'], from: { offset: 300 }, to: 'latest', partitions: [0] })
    assert.deepEqual(manifest.splits, [])
    assert.deepEqual(manifest.topics[0]!.partitions, [
      { partition: 0, startOffset: 300, endOffset: 300, leaderEpochs: [], bytes: 0 },
    ])
  })

  it('are refused when they are no places or in the wrong order, by name', async () => {
    const refused = async (options: Partial<PlanReplayOptions>, message: RegExp): Promise<void> => {
      await assert.rejects(planReplay(SOURCE, { topics: ['t'], ...options }), { code: 'INVALID_REQUEST', message })
    }
    await refused({ from: { timestamp: 2_000 }, to: { timestamp: 1_000 } }, /from \(1970.*02.000Z\) is after to/)
    await refused({ from: { ago: '1d' }, to: { ago: '2d' } }, /is after to/)
    await refused({ from: { offset: 20 }, to: { offset: 10 } }, /from \(20\) is after to \(10\) in t-0/)
    await refused({ from: 'latest', to: 'earliest' }, /from \(latest\) is after to \(earliest\) in every partition/)
    await refused({ from: { offset: -1 } }, /from.offset is -1/)
    await refused({ from: { offset: 1.5 } }, /from.offset is 1.5/)
    await refused({ from: { offsets: { t: { 0: 1 } } } }, /no offset for t-1/)
    await refused({ to: { timestamp: Number.NaN } }, /to.timestamp is NaN/)
    await refused({ from: { ago: 'a week' } }, /from is "a week"; it must be a number and/)
    await refused({ from: { group: '' } }, /must name a group/)
    await refused({ to: { group: 'g' } }, /it has committed nothing in t-1/)
    await refused({ from: 'somewhere' as 'latest' }, /from is "somewhere"/)
    await refused({ topics: [] }, /topics is empty/)
    await refused({ topics: ['t', 't'] }, /names t twice/)
    await refused({ splits: 0 }, /splits is 0/)
    await refused({ splits: 2, splitBytes: 10 }, /choose one/)
    await refused({ splitBytes: 0.5 }, /splitBytes is 0.5/)
    await refused({ partitions: [9] }, /there is no partition 9 of t here; there are 0,1/)
    await refused({ partitions: [] }, /partitions is \[\]/)
  })

  it('outside of the log are an error that says what there is, or the nearest place on demand', async () => {
    const below = { partitions: [0], from: { offset: 5 } }
    await assert.rejects(ranges(below), {
      code: 'OFFSET_OUT_OF_RANGE',
      message: /from is offset 5 of t-0, which has 100 to 300: retention has removed/,
      metadata: { field: 'from', asked: '5', logStartOffset: '100', visibleEnd: '300' },
    })
    await assert.rejects(ranges({ partitions: [0], to: { offset: 301 } }), {
      message: /to is offset 301.*ends before it/,
    })
    assert.deepEqual(await ranges({ ...below, onOutOfRange: 'clamp' }), [[100, 300]])
    assert.deepEqual(await ranges({ partitions: [0], to: { offset: 20 }, onOutOfRange: 'clamp' }), [[100, 100]])
  })
})

describe('the splits of a plan', () => {
  it('are as many or as large as asked for, over all partitions', async () => {
    const bySize = await planReplay(SOURCE, { topics: ['t'], splitBytes: 5_000 })
    assert.deepEqual(
      bySize.splits.map(({ id }) => id.replaceAll(/0{5,}/g, '')),
      ['t/0/100-150', 't/0/150-200', 't/0/200-250', 't/0/250-300', 't/1/-50'],
    )
    assert.deepEqual(bySize.splits[0]!.hosts, [{ brokerId: 1, host: 'localhost', port: 9400 }])
    assert.equal((await planReplay(SOURCE, { topics: ['t'], splits: 5 })).splits.length, 5)
    assert.equal((await planReplay(SOURCE, { topics: ['t'] })).splits.length, 2)
  })
})

describe('a span of time', () => {
  it('has a unit', () => {
    assert.equal(durationMs('7d', 'from'), 7 * 86_400_000)
    assert.equal(durationMs('1.5h', 'from'), 5_400_000)
    assert.equal(durationMs(' 250 ms ', 'from'), 250)
    assert.throws(() => durationMs('7', 'from'), { code: 'INVALID_REQUEST' })
    assert.throws(() => durationMs('-7d', 'from'), { code: 'INVALID_REQUEST' })
  })
})
