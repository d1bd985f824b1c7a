/** Unit tests of quorum.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jointVoteResult, majorityOf, reachedByMajority, voteResult } from './quorum.ts'

const positions = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 9 })

test('what a majority has reached is the greatest value that enough have', () => {
  fc.assert(
    fc.property(positions, (values) => {
      const reached = reachedByMajority(values.slice())
      const have = (least: number): number => values.filter((value) => value >= least).length
      assert.ok(have(reached) >= majorityOf(values.length))
      assert.ok(have(reached + 1) < majorityOf(values.length))
    }),
  )
})

test('nobody to ask agrees with everything', () => {
  assert.equal(reachedByMajority([]), Number.POSITIVE_INFINITY)
  assert.equal(voteResult([], new Map()), 'won')
})

test('a vote is pending exactly while both outcomes are possible', () => {
  const vote = fc.constantFrom(true, false, null)
  fc.assert(
    fc.property(fc.array(vote, { minLength: 1, maxLength: 7 }), (votes) => {
      const ids = votes.map((_vote, id) => id)
      const known = new Map<number, boolean>()
      votes.forEach((value, id) => {
        if (value !== null) known.set(id, value)
      })
      const complete = (rest: boolean): Map<number, boolean> => new Map(ids.map((id) => [id, known.get(id) ?? rest]))
      const outcomes = new Set([voteResult(ids, complete(true)), voteResult(ids, complete(false))])
      const result = voteResult(ids, known)
      assert.equal(result === 'pending', outcomes.size === 2)
    }),
  )
})

test('a joint vote needs both halves', () => {
  const votes = new Map([
    [1, true],
    [2, true],
    [3, false],
    [4, false],
  ] as const)
  assert.equal(jointVoteResult([1, 2], [1, 2], votes), 'won')
  assert.equal(jointVoteResult([1, 2], [3, 4], votes), 'lost')
  assert.equal(jointVoteResult([1, 2], [1, 5], votes), 'pending')
})
