import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GroupChecker, type GroupVerdict } from './group-checker.ts'
import type { GroupEvent } from './group-event.ts'

const SESSION_TIMEOUT_MS = 1000
const STUCK_MS = 5000

type Line = readonly [source: string, event: GroupEvent]

function verdictOf(...lines: readonly Line[]): GroupVerdict {
  const checker = new GroupChecker({ sessionTimeoutMs: SESSION_TIMEOUT_MS, stuckMs: STUCK_MS })
  for (const [source, event] of lines) checker.add(source, event)
  return checker.finish()
}

function kindsOf(...lines: readonly Line[]): string[] {
  return verdictOf(...lines).violations.map(({ kind }) => kind)
}

const assigned = (source: string, at: number, memberEpoch: number): Line => {
  return [source, { kind: 'assigned', at, partitions: [0], memberEpoch }]
}
const revoked = (source: string, at: number): Line => [source, { kind: 'revoked', at, partitions: [0] }]
const lost = (source: string, at: number): Line => [
  source,
  { kind: 'lost', at, partitions: [0], code: 'UNKNOWN_MEMBER_ID' },
]
const processed = (source: string, at: number, ...offsets: number[]): Line[] => {
  return offsets.map((offset) => [source, { kind: 'processed', at, partition: 0, offset }])
}
const committed = (source: string, at: number, offset: number): Line => {
  return [source, { kind: 'committed', at, offsets: [[0, offset]] }]
}
const written = (count: number, at = 0): Line => ['feed', { kind: 'written', at, partition: 0, first: 0, count }]
const done = (source: string, at: number, what: 'killed' | 'paused' | 'resumed' | 'stopped'): Line => {
  return ['run', { kind: 'process', at, source, what }]
}
const seen = (at: number, owned: [string, number[]][], offsets: [number, number][]): Line => {
  return ['run', { kind: 'seen', at, state: 'stable', groupEpoch: at, owned, offsets }]
}

describe('what is allowed', () => {
  it('a partition that is given up and goes on elsewhere', () => {
    const verdict = verdictOf(
      written(4),
      assigned('a.1', 10, 1),
      ...processed('a.1', 11, 0, 1),
      committed('a.1', 12, 2),
      revoked('a.1', 13),
      assigned('b.1', 33, 2),
      ...processed('b.1', 34, 2, 3),
      committed('b.1', 35, 4),
    )
    assert.deepEqual(verdict.violations, [])
    assert.equal(verdict.duplicateCount, 0)
    assert.deepEqual(verdict.handOvers, [{ kind: 'given-up', tookMs: 20 }])
  })

  it('what was not committed comes again after a kill', () => {
    const verdict = verdictOf(
      written(3),
      assigned('a.1', 10, 1),
      ...processed('a.1', 11, 0, 1, 2),
      committed('a.1', 12, 1),
      done('a.1', 13, 'killed'),
      assigned('b.1', 1100, 2),
      ...processed('b.1', 1101, 1, 2),
    )
    assert.deepEqual(verdict.violations, [])
    assert.equal(verdict.duplicateCount, 2)
    assert.deepEqual(verdict.handOvers, [{ kind: 'taken-over', tookMs: 1089 }])
  })

  it('a paused member wakes up, reads on, and learns that the partition is gone', () => {
    const verdict = verdictOf(
      written(4),
      assigned('a.1', 10, 1),
      ...processed('a.1', 11, 0),
      committed('a.1', 12, 1),
      done('a.1', 20, 'paused'),
      assigned('b.1', 1100, 2),
      ...processed('b.1', 1101, 1, 2, 3),
      committed('b.1', 1102, 4),
      done('a.1', 1500, 'resumed'),
      ...processed('a.1', 1501, 1, 2),
      lost('a.1', 1502),
    )
    assert.deepEqual(verdict.violations, [])
    assert.equal(verdict.wokenCount, 1)
    assert.deepEqual(verdict.handOvers, [{ kind: 'taken-over', tookMs: 1080 }])
  })

  it('it tells of the partition only after others had it', () => {
    const lines = [
      written(2),
      assigned('b.1', 1100, 2),
      ...processed('b.1', 1101, 0, 1),
      committed('b.1', 1102, 2),
      revoked('b.1', 1103),
      assigned('a.1', 1500, 1),
      ...processed('a.1', 1501, 0),
      lost('a.1', 1502),
    ]
    assert.deepEqual(kindsOf(...lines), [])
  })

  it('a member that was paused for so long gives up in order what others have', () => {
    const lines = [
      assigned('a.1', 10, 1),
      done('a.1', 20, 'paused'),
      assigned('b.1', 1100, 2),
      done('a.1', 1500, 'resumed'),
      revoked('a.1', 1502),
    ]
    assert.deepEqual(kindsOf(...lines), [])
  })

  it('records that were written while nobody could have processed them for long', () => {
    const lines = [assigned('a.1', 10, 1), written(1, 9000), done('a.1', 100, 'paused'), done('a.1', 8000, 'resumed')]
    assert.deepEqual(kindsOf(...lines, ...processed('a.1', 9001, 0)), [])
  })
})

describe('what is found', () => {
  it('a record that nobody processed', () => {
    const verdict = verdictOf(written(5), assigned('a.1', 10, 1), ...processed('a.1', 11, 0, 1, 4))
    assert.deepEqual(verdict.violations, [
      { kind: 'not-processed', count: 2, examples: ['partition 0: 2 from offset 2 on'] },
    ])
  })

  it('a record that is processed again though its commit was acknowledged, by whomever before', () => {
    const lines = [
      assigned('a.1', 10, 1),
      ...processed('a.1', 11, 0, 1),
      committed('a.1', 12, 2),
      revoked('a.1', 13),
      assigned('b.1', 14, 2),
      revoked('b.1', 15),
      assigned('c.1', 16, 3),
      ...processed('c.1', 17, 1),
    ]
    assert.deepEqual(kindsOf(...lines), ['committed-again'])
  })

  it('two owners at a time', () => {
    assert.deepEqual(kindsOf(assigned('a.1', 10, 1), assigned('b.1', 20, 2), revoked('a.1', 21)), ['two-owners'])
    assert.deepEqual(kindsOf(assigned('a.1', 10, 1), assigned('b.1', 20, 2), revoked('b.1', 30)), ['two-owners'])
    const short = [done('a.1', 15, 'paused'), assigned('b.1', 20, 2), done('a.1', 900, 'resumed'), revoked('a.1', 901)]
    assert.deepEqual(kindsOf(assigned('a.1', 10, 1), ...short), ['two-owners'])
  })

  it('two owners by the word of the coordinator', () => {
    const owned: [string, number[]][] = [
      ['x', [0, 1]],
      ['y', [1]],
    ]
    assert.deepEqual(kindsOf(seen(1, owned, [])), ['two-owners'])
  })

  it('a committed offset that goes back, or away', () => {
    assert.deepEqual(kindsOf(seen(1, [], [[0, 5]]), seen(2, [], [[0, 4]])), ['commit-went-back'])
    assert.deepEqual(kindsOf(seen(1, [], [[0, 5]]), seen(2, [], [])), ['commit-went-back'])
    const own = [assigned('a.1', 10, 1), committed('a.1', 11, 5), committed('a.1', 12, 4)]
    assert.deepEqual(kindsOf(...own), ['commit-went-back'])
    const next = [assigned('a.1', 10, 1), committed('a.1', 11, 5), revoked('a.1', 12), assigned('b.1', 13, 2)]
    assert.deepEqual(kindsOf(...next, committed('b.1', 14, 4)), ['commit-went-back'])
  })

  it('a record of a partition that the member has given up, or never had', () => {
    assert.deepEqual(kindsOf(...processed('a.1', 11, 0)), ['not-owned'])
    assert.deepEqual(kindsOf(assigned('a.1', 10, 1), revoked('a.1', 11), ...processed('a.1', 12, 0)), ['not-owned'])
  })

  it('a record processed twice, or out of order, by one owner', () => {
    assert.deepEqual(kindsOf(assigned('a.1', 10, 1), ...processed('a.1', 11, 0, 1, 1)), ['not-in-order'])
    assert.deepEqual(kindsOf(assigned('a.1', 10, 1), ...processed('a.1', 11, 3, 2)), ['not-in-order'])
  })

  it('a partition given to who has it', () => {
    assert.deepEqual(kindsOf(assigned('a.1', 10, 1), assigned('a.1', 11, 1), revoked('a.1', 12)).slice(0, 1), [
      'assigned-twice',
    ])
  })

  it('an owner that does not get on while records are written', () => {
    const lines = [assigned('a.1', 10, 1), ...processed('a.1', 11, 0), written(2, 9000), ...processed('a.1', 9001, 1)]
    assert.deepEqual(kindsOf(...lines), ['stuck'])
    assert.deepEqual(kindsOf(assigned('a.1', 10, 1), written(1, 9000)), ['stuck', 'not-processed'])
  })
})
