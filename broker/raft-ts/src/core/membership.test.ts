/** Unit tests of membership.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ConfState, confStateOf } from './conf-change.ts'
import { changeMembership, confStateDefect, isVoter } from './membership.ts'
import { majorityOf } from './quorum.ts'

const step = fc.record({
  kind: fc.constantFrom('add-voter', 'add-learner', 'remove', 'update'),
  id: fc.integer({ min: 1, max: 6 }),
})
const change = fc.record({
  transition: fc.constantFrom('auto', 'implicit', 'explicit'),
  steps: fc.array(step, { maxLength: 4 }),
})

/** Whether some decision of one configuration could be taken without any voter of a decision of the other. */
function couldDisagree(a: ConfState, b: ConfState): boolean {
  const halves = (c: ConfState): number[][] =>
    [c.voters, c.votersOutgoing].filter((h) => h.length > 0).map((h) => [...h])
  const ids = [1, 2, 3, 4, 5, 6]
  const decides = (c: ConfState, set: Set<number>): boolean =>
    halves(c).every((half) => half.filter((id) => set.has(id)).length >= majorityOf(half.length))
  for (let bits = 0; bits < 64; bits++) {
    const set = new Set(ids.filter((_id, i) => (bits >> i) & 1))
    const rest = new Set(ids.filter((id) => !set.has(id)))
    if (decides(a, set) && decides(b, rest)) return true
  }
  return false
}

test('no change ever leads to two majorities that could decide apart', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
      let confState = confStateOf([1, 2, 3])
      for (const item of changes) {
        const result = changeMembership(confState, item)
        if (result.kind === 'refused') continue
        assert.equal(confStateDefect(result.confState), null)
        assert.equal(couldDisagree(confState, result.confState), false)
        confState = result.confState
      }
    }),
  )
})

test('a member that is removed and added back starts afresh', () => {
  const steps = [
    { kind: 'remove', id: 3 },
    { kind: 'add-voter', id: 3 },
  ] as const
  const result = changeMembership(confStateOf([1, 2]), { transition: 'auto', steps })
  assert.ok(result.kind === 'changed' && result.fresh.has(3) && isVoter(result.confState, 3))
})

test('defects of configurations from outside are named', () => {
  const good = confStateOf([1, 2], [3])
  assert.equal(confStateDefect(good), null)
  assert.match(confStateDefect({ ...good, voters: [2, 1] })!, /sorted/)
  assert.match(confStateDefect({ ...good, learners: [2] })!, /both voter and learner/)
  assert.match(confStateDefect({ ...good, learnersNext: [1] })!, /outgoing/)
  assert.match(confStateDefect({ ...good, autoLeave: true })!, /leave/)
  assert.match(confStateDefect({ ...good, voters: [] })!, /no voters/)
})
