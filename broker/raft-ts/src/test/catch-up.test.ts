/** What the paper does not have: spans, snapshots and start-position hand-over, priority, quiescence, empty-log leaders. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryGroup } from '../testing/memory-group.ts'

function spansOf(group: MemoryGroup, id: number): string {
  const { storage } = group.at(id)
  const entries = storage.entries(storage.startPosition(), storage.endPosition(), Number.POSITIVE_INFINITY)
  return typeof entries === 'string' ? entries : entries.map((e) => `[${e.base},${e.end})@${e.term}`).join(' ')
}

test('entries cover several offsets, and positions are their ends', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { leaderEntry: 'unless-empty' } })
  group.elect(1)
  assert.deepEqual(group.propose(1, 'a', 5), { kind: 'accepted', base: 0, end: 5, term: 1 })
  assert.deepEqual(group.propose(1, 'b', 1), { kind: 'accepted', base: 5, end: 6, term: 1 })
  group.settle()
  for (const id of [1, 2, 3]) assert.equal(spansOf(group, id), '[0,5)@1 [5,6)@1')
  assert.equal(group.at(1).node.commit, 6)
})

test('a leader over an empty log appends nothing and is ready at once', () => {
  const raft = { leaderEntry: 'unless-empty', checkQuorum: false } as const
  const group = new MemoryGroup({ voters: [1, 2, 3], raft })
  group.elect(1)
  assert.equal(group.at(3).node.leaderId, 1)
  group.at(1).node.transferLeadership(2)
  group.settle()
  assert.equal(group.at(2).node.status().endPosition, 0)
  assert.deepEqual(group.at(2).leaderReady, [0])
  group.at(2).node.readIndex('r')
  group.settle()
  assert.deepEqual(group.at(2).readStates, [{ context: 'r', position: 0 }])
})

test('diverging spans are cut at a boundary and replaced', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { preVote: false, checkQuorum: false } })
  group.elect(1)
  group.propose(1, 'kept', 4)
  group.settle()
  group.isolate(1)
  group.propose(1, 'lost', 10)
  group.pump(1)
  group.settle()
  group.elect(2)
  group.propose(2, 'new', 3)
  group.settle()
  group.heal()
  group.tickAll(5)
  assert.equal(spansOf(group, 1), spansOf(group, 2))
  assert.equal(spansOf(group, 1), '[0,1)@1 [1,5)@1 [5,6)@2 [6,9)@2')
})

for (const catchUp of ['snapshot', 'start-position'] as const) {
  test(`a follower below the start of the log is served by ${catchUp}`, () => {
    const group = new MemoryGroup({ voters: [1, 2, 3], raft: { catchUp } })
    group.elect(1)
    group.isolate(3)
    for (const data of ['a', 'b', 'c']) group.propose(1, data, 10)
    group.settle()
    const { storage } = group.at(1)
    storage.saveSnapshot(21, 'state')
    storage.compactTo(21)
    group.heal()
    group.tickAll(15)
    assert.equal(group.at(3).storage.startPosition(), 21)
    assert.equal(spansOf(group, 3), '[21,31)@1')
    assert.equal(group.at(3).node.commit, 31)
    assert.equal(
      group
        .at(1)
        .node.status()
        .progress.find((peer) => peer.id === 3)?.state,
      'replicate',
    )
    const snapshot = group.at(3).storage.snapshot()
    assert.equal(snapshot === 'unavailable' ? null : snapshot.data, catchUp === 'snapshot' ? 'state' : null)
  })
}

test('a start-position hand-over brings the present configuration, and replays of older changes are ignored', () => {
  const group = new MemoryGroup({ voters: [1, 2], spares: [3, 4], raft: { catchUp: 'start-position' } })
  group.elect(1)
  group.propose(1, 'a')
  group.settle()
  group.at(1).storage.compactTo(2)
  group.at(1).node.proposeConfChange({ transition: 'explicit', steps: [{ kind: 'add-voter', id: 3 }] })
  group.settle()
  group.tickAll(3)
  assert.deepEqual(group.at(3).node.status().confState, group.at(1).node.status().confState)
  assert.equal(group.at(3).storage.startPosition(), 2)
})

test('a node of priority 0 votes but does not campaign until told to', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { priority: 0 } })
  group.tickAll(100)
  assert.equal(group.leader(), null)
  group.at(2).node.setPriority(10)
  group.tickAll(40)
  assert.equal(group.leader(), 2)
  group.at(2).node.transferLeadership(1)
  group.settle()
  assert.equal(group.leader(), 1)
})

test('among equals the node of higher priority is elected first', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  for (const [id, priority] of [
    [1, 2],
    [2, 9],
    [3, 5],
  ] as const)
    group.at(id).node.setPriority(priority)
  group.tickAll(40)
  assert.equal(group.leader(), 2)
})

test('an idle group goes silent, and a proposal wakes it', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { quiesceAfterTicks: 20 } })
  group.elect(1)
  group.propose(1, 'a')
  group.settle()
  group.tickAll(40)
  for (const { node } of group.members.values()) assert.ok(node.status().quiescent)
  for (const id of [1, 2, 3]) {
    group.tick(id, 1000)
    assert.equal(group.at(id).node.hasReady(), false)
  }
  assert.equal(group.queue.length, 0)
  assert.equal(group.leader(), 1)
  group.propose(1, 'b')
  group.settle()
  assert.equal(group.at(3).applied.length, 3)
})

test('when the shell loses the leader of a silent group, another is elected', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { quiesceAfterTicks: 20 } })
  group.elect(1)
  group.tickAll(60)
  assert.ok(group.at(2).node.status().quiescent)
  group.isolate(1)
  for (const id of [2, 3]) group.at(id).node.peerLost(1)
  for (let i = 0; i < 40; i++) {
    for (const id of [2, 3]) group.tick(id)
    group.settle()
  }
  assert.ok([2, 3].includes(group.leader()!))
})

test('proposals between two Readys travel in one message', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  for (let i = 0; i < 10; i++) group.propose(1, `${i}`)
  const appends = group
    .at(1)
    .node.ready()
    .messages.filter((m) => m.type === 'append')
  assert.deepEqual(
    appends.map((m) => m.type === 'append' && m.entries.length),
    [10, 10],
  )
})

test('the uncommitted part of the log is bounded, and drains', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { maxUncommittedBytes: 100, maxProposalBytes: 80 } })
  group.elect(1)
  assert.deepEqual(group.propose(1, 'x'.repeat(81)), { kind: 'too-large', limitBytes: 80 })
  assert.equal(group.propose(1, 'x'.repeat(60)).kind, 'accepted')
  const refused = group.propose(1, 'x'.repeat(60))
  assert.deepEqual(refused, { kind: 'overloaded', limitBytes: 100, uncommittedBytes: 60 })
  group.settle()
  assert.equal(group.at(1).node.status().uncommittedBytes, 0)
  assert.equal(group.propose(1, 'x'.repeat(60)).kind, 'accepted')
})

test('entries that storage must load first are sent when they are there', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.isolate(3)
  for (let i = 0; i < 5; i++) group.propose(1, `${i}`)
  group.settle()
  const { storage, node } = group.at(1)
  const read = storage.entries.bind(storage)
  storage.entries = () => 'pending'
  group.heal()
  group.tickAll(3)
  assert.equal(group.at(3).node.status().endPosition, 1)
  storage.entries = read
  node.storageReady()
  group.settle()
  assert.equal(group.at(3).node.status().endPosition, 6)
})
