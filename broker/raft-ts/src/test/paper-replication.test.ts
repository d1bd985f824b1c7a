/** The Raft paper on replication and safety, one test per claim: §5.3, §5.4.2, §5.5, figures 7 and 8; the dissertation on reads. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../core/messages.ts'
import { logOf, MemoryGroup } from '../testing/memory-group.ts'

const PLAIN = { preVote: false, checkQuorum: false }

function dataOf(group: MemoryGroup, id: number): (string | null)[] {
  return group
    .at(id)
    .applied.filter((entry) => entry.kind === 'data')
    .map((entry) => entry.data)
}

function termsOf(group: MemoryGroup, id: number): number[] {
  const { storage } = group.at(id)
  const entries = storage.entries(0, storage.endPosition(), Number.POSITIVE_INFINITY)
  return typeof entries === 'string' ? [] : entries.map((entry) => entry.term)
}

test('§5.3 an entry is committed once a majority stores it, then applied everywhere in order', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  for (const data of ['a', 'b', 'c']) group.propose(1, data)
  group.settle()
  for (const id of [1, 2, 3]) assert.deepEqual(dataOf(group, id), ['a', 'b', 'c'])
})

test('§5.3 a minority commits nothing', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3, 4, 5] })
  group.elect(1)
  group.isolate(3, 4, 5)
  group.propose(1, 'a')
  group.settle()
  assert.equal(group.at(1).node.commit, 1)
})

test('§5.3 the leader itself counts only once its own write is durable', () => {
  const group = new MemoryGroup({ voters: [1] })
  group.elect(1)
  const { node, storage } = group.at(1)
  group.propose(1, 'a')
  const { persist } = node.ready()
  assert.equal(node.commit, 1)
  storage.write(persist!)
  node.persisted(persist!)
  assert.equal(node.commit, 2)
})

test('§5.3 a leader may commit by two others while its own write is under way', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.propose(1, 'a')
  const { persist, messages } = group.at(1).node.ready()
  assert.ok(persist !== null)
  group.queue.push(...messages)
  group.deliver()
  group.pump(2)
  group.pump(3)
  group.deliver()
  assert.equal(group.at(1).node.commit, 2)
})

test('§5.3 an append that does not match is rejected with a hint', () => {
  const group = new MemoryGroup({
    voters: [1, 2],
    logs: { 1: [1, 1] },
    hardStates: { 1: { term: 1, vote: null, commit: 0 } },
  })
  const append: Message<string> = {
    type: 'append',
    group: 0,
    from: 2,
    to: 1,
    term: 2,
    prev: 5,
    prevTerm: 2,
    entries: [],
    commit: 0,
  }
  group.at(1).node.step(append)
  group.pump(1)
  const answer = group.queue[0]!
  assert.ok(answer.type === 'append-rejected')
  assert.deepEqual([answer.prev, answer.hint, answer.hintTerm], [5, 2, 1])
})

test('§5.3 entries that differ from the leader are replaced, those that agree are kept', () => {
  const group = new MemoryGroup({
    voters: [1, 2],
    logs: { 1: [1, 1, 2] },
    hardStates: { 1: { term: 2, vote: null, commit: 0 } },
  })
  const entries = logOf([1, 1, 3, 3]).slice(1)
  group.at(1).node.step({ type: 'append', group: 0, from: 2, to: 1, term: 3, prev: 1, prevTerm: 1, entries, commit: 0 })
  group.pump(1)
  assert.deepEqual(termsOf(group, 1), [1, 1, 3, 3])
})

test('§5.3 a delayed append never cuts what came after it', () => {
  const group = new MemoryGroup({ voters: [1, 2], hardStates: { 1: { term: 1, vote: null, commit: 0 } } })
  const all = logOf([1, 1, 1])
  const append = (count: number): Message<string> => ({
    type: 'append',
    group: 0,
    from: 2,
    to: 1,
    term: 1,
    prev: 0,
    prevTerm: 0,
    entries: all.slice(0, count),
    commit: 0,
  })
  group.at(1).node.step(append(3))
  group.pump(1)
  group.at(1).node.step(append(1))
  group.pump(1)
  assert.deepEqual(termsOf(group, 1), [1, 1, 1])
})

/** Figure 7: logs that a new leader of term 8 may meet. */
const FIGURE_7 = {
  leader: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
  a: [1, 1, 1, 4, 4, 5, 5, 6, 6],
  b: [1, 1, 1, 4],
  c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
  d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
  e: [1, 1, 1, 4, 4, 4, 4],
  f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
}
for (const name of ['a', 'b', 'c', 'd', 'e', 'f'] as const) {
  test(`figure 7: a leader brings log (${name}) to its own`, () => {
    const logs = { 1: FIGURE_7.leader, 2: FIGURE_7[name], 3: [] }
    const term = { term: 7, vote: null, commit: 0 }
    const group = new MemoryGroup({ voters: [1, 2, 3], logs, hardStates: { 1: term, 2: term, 3: term }, raft: PLAIN })
    group.elect(1)
    assert.deepEqual(termsOf(group, 2), [...FIGURE_7.leader, 8])
    assert.deepEqual(termsOf(group, 3), [...FIGURE_7.leader, 8])
  })
}

test('§5.3 backtracking takes a round per term, not per entry', () => {
  const own = new Array(200).fill(1).concat(new Array(200).fill(5))
  const other = new Array(200).fill(1).concat(new Array(300).fill(2))
  const term = { term: 5, vote: null, commit: 0 }
  const group = new MemoryGroup({
    voters: [1, 2, 3],
    logs: { 1: own, 2: other, 3: own },
    hardStates: { 1: term, 2: term, 3: term },
    raft: PLAIN,
  })
  group.elect(1)
  const rejections = group.at(1).trace.filter((event) => event.kind === 'rejection-received' && event.from === 2)
  assert.ok(rejections.length <= 2, `${rejections.length} rejections`)
  assert.equal(termsOf(group, 2).length, 401)
})

test('figure 8, §5.4.2: an entry of an older term is not committed by counting', () => {
  const term = { term: 3, vote: null, commit: 0 }
  const logs = { 1: [1, 2], 2: [1, 2], 3: [1], 4: [1], 5: [1, 3] }
  const hardStates = { 1: term, 2: term, 3: term, 4: term, 5: term }
  const group = new MemoryGroup({ voters: [1, 2, 3, 4, 5], logs, hardStates, raft: PLAIN })
  group.isolate(4, 5)
  group.at(1).node.campaign()
  group.pump(1)
  group.deliver()
  for (const id of [2, 3]) group.pump(id)
  group.deliver()
  assert.equal(group.leader(), 1)
  // Let node 3 accept the entry of term 2 but not the leader's own: a majority has it, and it may still be replaced.
  const { messages, persist } = group.at(1).node.ready()
  group.at(1).storage.write(persist!)
  group.at(1).node.persisted(persist!)
  const toThree = messages.find((m) => m.to === 3)!
  group.at(3).node.step(toThree)
  group.pump(3)
  group.deliver((m) => m.type === 'append-rejected')
  const retry = group
    .at(1)
    .node.ready()
    .messages.find((m) => m.to === 3)!
  assert.ok(retry.type === 'append')
  group.at(3).node.step({ ...retry, entries: retry.entries.slice(0, 1) })
  group.pump(3)
  group.deliver()
  assert.deepEqual(termsOf(group, 3), [1, 2])
  assert.equal(group.at(1).node.commit, 0)
  group.settle()
  group.tickAll(2)
  assert.equal(group.at(1).node.commit, 3)
})

test('§5.4 a leader has everything committed before it', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: PLAIN })
  group.elect(1)
  group.isolate(3)
  group.propose(1, 'a')
  group.settle()
  group.heal()
  group.at(3).node.campaign()
  group.settle()
  assert.equal(group.at(3).node.isLeader, false)
  group.elect(2)
  assert.deepEqual(dataOf(group, 2), ['a'])
})

test('§5.5 requests may be repeated and lost: the log stays the same', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.propose(1, 'a')
  group.pump(1)
  group.queue.push(...group.queue, ...group.queue)
  group.settle()
  group.propose(1, 'b')
  group.pump(1)
  group.drop()
  group.tickAll(3)
  assert.deepEqual(dataOf(group, 2), ['a', 'b'])
})

test('§8 a new leader commits what came before with an entry of its own', () => {
  const term = { term: 1, vote: null, commit: 0 }
  const group = new MemoryGroup({
    voters: [1, 2, 3],
    logs: { 1: [1, 1], 2: [1, 1], 3: [] },
    hardStates: { 1: term, 2: term, 3: term },
  })
  group.elect(1)
  assert.equal(group.at(1).node.commit, 3)
  assert.deepEqual(group.at(1).leaderReady, [3])
})

test('6.4 a read waits for a majority to confirm the leader', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  assert.deepEqual(group.at(1).node.readIndex('r'), { kind: 'pending' })
  group.pump(1)
  assert.deepEqual(group.at(1).readStates, [])
  group.settle()
  assert.deepEqual(group.at(1).readStates, [{ context: 'r', position: 1 }])
})

test('6.4 a deposed leader never answers a read', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: PLAIN })
  group.elect(1)
  group.isolate(1)
  group.at(1).node.readIndex('r')
  group.settle()
  group.elect(2)
  group.propose(2, 'new')
  group.settle()
  group.heal()
  group.tickAll(5)
  assert.deepEqual(group.at(1).readStates, [])
})

test('6.4 a leader answers no read before it has committed in its own term', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.at(1).node.campaign()
  group.pump(1)
  for (let i = 0; i < 4 && !group.at(1).node.isLeader; i++) {
    group.deliver()
    for (const id of [1, 2, 3]) group.pump(id)
  }
  assert.ok(group.at(1).node.isLeader)
  group.at(1).node.readIndex('early')
  group.settle()
  assert.deepEqual(group.at(1).readStates, [{ context: 'early', position: 1 }])
})

test('6.4 followers ask the leader, and answer once they have applied as far', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.at(3).node.readIndex(7)
  group.settle()
  assert.deepEqual(group.at(3).readStates, [{ context: 7, position: 1 }])
})
