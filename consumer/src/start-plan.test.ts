import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { OffsetAnswer, OffsetQuery } from '@stratalog/client'
import { StratalogError } from '@stratalog/proto'
import { endOf, resolvePosition, startOf } from './positions.ts'
import { type ListOffsets, planStart } from './start-plan.ts'

const PLACE = { topic: 't', partition: 0 }

/** Answers as a partition with records 10..99 would, one a second from 1970 on; the log ends at 101 with a control batch. */
function leaderOf(error: StratalogError | null = null): ListOffsets {
  const answer = ({ position, ...place }: OffsetQuery): OffsetAnswer => {
    const time = typeof position === 'object' ? Math.max(10, Math.ceil(position.timestamp / 1_000)) : null
    const offset = time === null ? 100 : time < 100 ? time : null
    const timestamp = time === null ? null : time * 1_000
    return {
      ...place,
      error,
      offset,
      timestamp,
      leaderEpoch: 1,
      logStartOffset: 10,
      visibleEnd: 100,
      highWatermark: 101,
    }
  }
  return async (queries) => queries.map(answer)
}

async function plan(
  from: Parameters<typeof startOf>[1],
  until?: Parameters<typeof endOf>[1],
  policy: 'fail' | 'earliest' | 'latest' = 'fail',
) {
  const request = { ...PLACE, start: startOf(PLACE, from), end: endOf(PLACE, until) }
  const [planned] = await planStart(leaderOf(), [request], policy, undefined)
  return [planned?.offset, planned?.endOffset, planned?.reset?.from ?? null]
}

describe('the start of a partition', () => {
  it('is found from every kind of place', async () => {
    assert.deepEqual(await plan('earliest'), [10, null, null])
    assert.deepEqual(await plan('latest', 'end'), [100, 100, null])
    assert.deepEqual(await plan({ offset: 42 }, { offset: 50 }), [42, 50, null])
    assert.deepEqual(await plan({ timestamp: 20_500 }, { timestamp: new Date(30_000) }), [21, 30, null])
    assert.deepEqual(await plan({ timestamp: 500_000 }, { timestamp: 600_000 }), [100, 100, null])
    assert.deepEqual(await plan({ offsets: { t: { 0: 12 } } }, { offsets: { t: { 0: 13 } } }), [12, 13, null])
    assert.deepEqual(await plan({ offset: 101 }), [101, null, null])
  })

  it('out of range is an error that says what was asked, what exists and why', async () => {
    await assert.rejects(plan({ offset: 3 }), {
      code: 'OFFSET_OUT_OF_RANGE',
      message: 'offset 3 of t-0 was asked for; 10..100 can be: retention has removed what was there',
      metadata: { asked: '3', logStartOffset: '10', visibleEnd: '100' },
    })
    await assert.rejects(plan({ offset: 102 }), /nothing has been written there yet/)
  })

  it('out of range moves under a policy', async () => {
    assert.deepEqual(await plan({ offset: 3 }, undefined, 'earliest'), [10, null, 3])
    assert.deepEqual(await plan({ offset: 300 }, 'end', 'latest'), [100, 100, 300])
  })

  it('is an error when the broker has one for the partition', async () => {
    const error = new StratalogError('UNKNOWN_TOPIC_OR_PARTITION')
    const request = { ...PLACE, start: startOf(PLACE, 'earliest'), end: null }
    await assert.rejects(planStart(leaderOf(error), [request], 'fail', undefined), error)
  })
})

describe('places', () => {
  it('that make no sense are refused, naming the field', () => {
    const cases: [() => unknown, RegExp][] = [
      [() => startOf(PLACE, undefined), /from is missing/],
      [() => startOf({ ...PLACE, offset: -1 }, 'earliest'), /offset of t-0 is -1/],
      [() => startOf(PLACE, { offset: 1.5 }), /from.offset is 1.5/],
      [() => startOf(PLACE, { offsets: { t: { 1: 5 } } }), /from.offsets has no offset for partition 0 of t/],
      [() => startOf(PLACE, 'beginning' as never), /from is "beginning"/],
      [() => endOf(PLACE, 'latest' as never), /until is "latest"/],
      [() => endOf(PLACE, { timestamp: new Date('never') }), /until.timestamp is Invalid Date/],
      [() => resolvePosition(5 as never, 'position'), /position is 5/],
    ]
    for (const [act, message] of cases) assert.throws(act, { code: 'INVALID_REQUEST', message })
  })
})
