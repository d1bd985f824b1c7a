import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ConfState, changeMembership, confStateOf, type NodeId } from 'raft-ts'
import { type MembershipPlan, planMembership } from './membership-plan.ts'

function plan(
  confState: ConfState,
  voters: NodeId[],
  options: { learners?: NodeId[]; caughtUp?: NodeId[] } = {},
): MembershipPlan {
  const { learners = [], caughtUp = [] } = options
  return planMembership(confState, { self: 1, voters, learners, isCaughtUp: (id) => caughtUp.includes(id) })
}

function stepsOf(planned: MembershipPlan): string {
  if (planned.kind !== 'change') return planned.kind
  return planned.change.steps.map(({ kind, id }) => `${kind} ${id}`).join(', ')
}

test('new members join as learners first', () => {
  assert.equal(stepsOf(plan(confStateOf([1, 2, 3]), [1, 4, 5])), 'add-learner 4, add-learner 5')
})

test('voters change in one step, once all new ones have caught up', () => {
  const joined = confStateOf([1, 2, 3], [4, 5])
  assert.equal(stepsOf(plan(joined, [1, 4, 5], { caughtUp: [4] })), 'wait')
  assert.equal(stepsOf(plan(joined, [1, 4, 5], { caughtUp: [4, 5] })), 'add-voter 4, add-voter 5, remove 2, remove 3')
})

test('learners that nobody wants go at once; those that are wanted stay, voters become them', () => {
  assert.equal(stepsOf(plan(confStateOf([1, 2, 3], [4]), [1, 2, 3])), 'remove 4')
  assert.equal(stepsOf(plan(confStateOf([1, 2, 3], [4]), [1, 2, 3], { learners: [4] })), 'done')
  assert.equal(stepsOf(plan(confStateOf([1, 2, 3]), [1, 2], { learners: [3] })), 'add-learner 3')
})

test('a leader that is to go hands over to somebody who stays, and goes itself when nobody does', () => {
  const joined = confStateOf([1, 2, 3], [4])
  assert.deepEqual(plan(joined, [2, 3, 4], { caughtUp: [3, 4] }), { kind: 'transfer', to: 3 })
  assert.equal(stepsOf(plan(confStateOf([1], [2]), [2], { caughtUp: [2] })), 'add-voter 2, remove 1')
})

test('nothing is begun while a joint configuration is in force', () => {
  const joint: ConfState = { ...confStateOf([1, 2]), votersOutgoing: [1, 3], autoLeave: true }
  assert.equal(plan(joint, [1, 3]).kind, 'wait')
})

test('property: from any members the goal is reached in a few changes, each of them one that Raft takes', () => {
  const ids = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(ids, ids, ids, ids, (before, following, voters, learners) => {
      let confState = confStateOf(
        before,
        following.filter((id) => !before.includes(id)),
      )
      const goal = {
        self: before[0]!,
        voters,
        learners: learners.filter((id) => !voters.includes(id)),
        isCaughtUp: () => true,
      }
      for (let rounds = 0; rounds < 4; rounds++) {
        const next = planMembership(confState, goal)
        if (next.kind === 'transfer') goal.self = next.to
        if (next.kind !== 'change') continue
        for (const change of [next.change, { transition: 'auto', steps: [] } as const]) {
          const result = changeMembership(confState, change)
          if (result.kind === 'changed') confState = result.confState
          else assert.equal(result.reason, 'not-joint')
        }
      }
      assert.equal(planMembership(confState, goal).kind, 'done')
      assert.deepEqual(confState, confStateOf(goal.voters, goal.learners))
    }),
  )
})
