/** The dissertation's chapter 4 on changes of membership, one test per claim. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConfChange, ConfChangeStep } from '../core/conf-change.ts'
import { MemoryGroup } from '../testing/memory-group.ts'

function change(transition: ConfChange['transition'], ...steps: [ConfChangeStep['kind'], number][]): ConfChange {
  return { transition, steps: steps.map(([kind, id]) => ({ kind, id })) }
}

function votersOf(group: MemoryGroup, id: number): string {
  const { voters, votersOutgoing } = group.at(id).node.status().confState
  return votersOutgoing.length === 0 ? voters.join() : `${voters.join()}&&${votersOutgoing.join()}`
}

test('4.1 a single server is added, and counts from then on', () => {
  const group = new MemoryGroup({ voters: [1, 2], spares: [3] })
  group.elect(1)
  assert.equal(group.at(1).node.proposeConfChange(change('auto', ['add-voter', 3])).kind, 'accepted')
  group.settle()
  group.tickAll(2)
  for (const id of [1, 2, 3]) assert.equal(votersOf(group, id), '1,2,3')
  group.isolate(2)
  group.propose(1, 'a')
  group.settle()
  assert.equal(group.at(1).node.commit, 3)
})

test('4.1 a second change is refused until the first is applied', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], spares: [4] })
  group.elect(1)
  group.at(1).node.proposeConfChange(change('auto', ['add-voter', 4]))
  const second = group.at(1).node.proposeConfChange(change('auto', ['remove', 2]))
  assert.equal(second.kind, 'conf-change-refused')
  group.settle()
  assert.equal(group.at(1).node.proposeConfChange(change('auto', ['add-learner', 5])).kind, 'accepted')
})

test('4.1 a new leader proposes no change before it has committed in its own term', () => {
  const term = { term: 1, vote: null, commit: 0 }
  const group = new MemoryGroup({ voters: [1, 2], logs: { 1: [1], 2: [1] }, hardStates: { 1: term, 2: term } })
  group.at(1).node.campaign()
  for (let i = 0; i < 5 && !group.at(1).node.isLeader; i++) {
    for (const id of [1, 2]) group.pump(id)
    group.deliver()
  }
  assert.ok(group.at(1).node.isLeader)
  assert.equal(group.at(1).node.proposeConfChange(change('auto', ['add-voter', 3])).kind, 'conf-change-refused')
})

test('4.2.1 a learner receives the log, but neither votes for a commit nor campaigns', () => {
  const group = new MemoryGroup({ voters: [1, 2], learners: [3] })
  group.elect(1)
  group.isolate(2)
  group.propose(1, 'a')
  group.settle()
  assert.equal(group.at(3).node.status().endPosition, 2)
  assert.equal(group.at(1).node.commit, 1)
  group.tick(3, 100)
  assert.equal(group.at(3).node.status().role, 'follower')
})

test('4.2.1 a learner that has caught up is promoted', () => {
  const group = new MemoryGroup({ voters: [1, 2], learners: [3] })
  group.elect(1)
  group.at(1).node.proposeConfChange(change('auto', ['add-voter', 3]))
  group.settle()
  assert.equal(votersOf(group, 3), '1,2,3')
})

test('4.2.2 a leader that is removed leads until that is committed, then steps down', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.at(1).node.proposeConfChange(change('auto', ['remove', 1]))
  group.settle()
  assert.equal(group.at(1).node.status().role, 'follower')
  assert.equal(votersOf(group, 2), '2,3')
  group.tickAll(40)
  assert.ok([2, 3].includes(group.leader()!))
})

test('4.2.3 a removed server does not disrupt the others', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.isolate(3)
  group.at(1).node.proposeConfChange(change('auto', ['remove', 3]))
  group.settle()
  group.heal()
  group.tickAll(60)
  assert.equal(group.leader(), 1)
  assert.equal(group.at(1).node.status().term, 1)
})

test('4.3 a joint configuration needs both majorities', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], spares: [4, 5, 6] })
  group.elect(1)
  const explicit = change('explicit', ['add-voter', 4], ['add-voter', 5], ['remove', 2], ['remove', 3])
  assert.equal(group.at(1).node.proposeConfChange(explicit).kind, 'accepted')
  group.settle()
  group.tickAll(2)
  assert.equal(votersOf(group, 1), '1,4,5&&1,2,3')
  const before = group.at(1).node.commit
  group.isolate(2, 3)
  group.propose(1, 'a')
  group.settle()
  assert.equal(group.at(1).node.commit, before)
  group.heal()
  group.tickAll(3)
  assert.equal(group.at(1).node.commit, before + 1)
})

test('4.3 a joint configuration is left by proposing so, and by nothing else', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], spares: [4] })
  group.elect(1)
  group.at(1).node.proposeConfChange(change('explicit', ['add-voter', 4]))
  group.settle()
  assert.equal(group.at(1).node.proposeConfChange(change('auto', ['remove', 4])).kind, 'conf-change-refused')
  assert.equal(group.at(1).node.proposeConfChange(change('auto')).kind, 'accepted')
  group.settle()
  assert.equal(votersOf(group, 2), '1,2,3,4')
})

for (const transition of ['auto', 'implicit'] as const) {
  test(`4.3 with ${transition} the leader leaves a joint configuration by itself`, () => {
    const group = new MemoryGroup({ voters: [1, 2, 3], spares: [4, 5] })
    group.elect(1)
    group.at(1).node.proposeConfChange(change(transition, ['add-voter', 4], ['add-voter', 5]))
    group.settle()
    group.tickAll(3)
    for (const id of [1, 2, 3, 4, 5]) assert.equal(votersOf(group, id), '1,2,3,4,5')
  })
}

test('4.3 a voter that is demoted becomes a learner when the joint configuration is left', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.at(1).node.proposeConfChange(change('explicit', ['add-learner', 3]))
  group.settle()
  assert.deepEqual(group.at(1).node.status().confState.learnersNext, [3])
  group.at(1).node.proposeConfChange(change('auto'))
  group.settle()
  const { voters, learners } = group.at(3).node.status().confState
  assert.deepEqual([voters, learners], [[1, 2], [3]])
})

test('a configuration without voters is refused', () => {
  const group = new MemoryGroup({ voters: [1] })
  group.elect(1)
  const result = group.at(1).node.proposeConfChange(change('auto', ['remove', 1]))
  assert.deepEqual(result, { kind: 'conf-change-refused', detail: 'all-voters-removed' })
})

test('removing live voters while too many are down is refused', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3, 4, 5] })
  group.elect(1)
  group.isolate(4, 5)
  group.tickAll(30)
  const unsafe = group.at(1).node.proposeConfChange(change('auto', ['remove', 2]))
  assert.equal(unsafe.kind, 'conf-change-refused')
  assert.equal(group.at(1).node.proposeConfChange(change('auto', ['remove', 5])).kind, 'accepted')
})

test('two voters cannot be changed at once without a joint configuration', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { validateConfChanges: false } })
  group.elect(1)
  group.at(1).node.proposeConfChange(change('auto', ['remove', 2], ['remove', 3]))
  group.settle()
  // Several steps enter a joint configuration by themselves; it was left again, safely.
  group.tickAll(2)
  assert.equal(votersOf(group, 1), '1')
})

test('a node with a committed change yet to apply does not campaign', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], spares: [4] })
  group.elect(1)
  group.at(1).node.proposeConfChange(change('auto', ['add-voter', 4]))
  group.settle()
  const { storage } = group.at(2)
  storage.saveConfState({ voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false }, 0)
  group.restart(2)
  group.at(2).node.campaign()
  assert.equal(group.at(2).node.status().role, 'follower')
  group.settle()
  assert.equal(votersOf(group, 2), '1,2,3,4')
})

test('changes are applied once, whatever is replayed', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], spares: [4] })
  group.elect(1)
  group.at(1).node.proposeConfChange(change('explicit', ['add-voter', 4]))
  group.settle()
  group.restart(1)
  group.settle()
  assert.equal(votersOf(group, 1), '1,2,3,4&&1,2,3')
})
