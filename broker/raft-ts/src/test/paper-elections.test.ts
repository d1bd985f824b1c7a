/** The Raft paper on elections, one test per claim: §5.1, §5.2, §5.4.1; the dissertation on pre-votes and transfers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../core/messages.ts'
import { MemoryGroup } from '../testing/memory-group.ts'

const NO_PRE_VOTE = { preVote: false, checkQuorum: false }

function request(from: number, to: number, term: number, lastEnd = 0, lastTerm = 0): Message<string> {
  return {
    type: 'vote-request',
    group: 0,
    from,
    to,
    term,
    lastEnd,
    lastTerm,
    transfer: false,
    commit: 0,
    commitTerm: 0,
  }
}

test('§5.1 a server that sees a larger term enters it as a follower, whatever it was', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: NO_PRE_VOTE })
  group.elect(1)
  group.at(1).node.step({ type: 'heartbeat', group: 0, from: 2, to: 1, term: 7, commit: 0, readRound: 0 })
  const { role, term, leaderId } = group.at(1).node.status()
  assert.deepEqual({ role, term, leaderId }, { role: 'follower', term: 7, leaderId: 2 })
})

test('§5.1 a request with an older term is rejected', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], hardStates: { 1: { term: 5, vote: null, commit: 0 } } })
  group
    .at(1)
    .node.step({ type: 'append', group: 0, from: 2, to: 1, term: 4, prev: 0, prevTerm: 0, entries: [], commit: 0 })
  group.pump(1)
  assert.deepEqual(
    group.queue.map((m) => [m.type, m.term]),
    [['stale-term', 5]],
  )
  assert.equal(group.at(1).node.leaderId, null)
})

test('§5.2 servers start as followers', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  for (const { node } of group.members.values()) assert.equal(node.status().role, 'follower')
})

test('§5.2 a follower that hears nothing for an election timeout starts an election with its own vote', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { ...NO_PRE_VOTE, random: () => 0.5 } })
  group.tick(1, 14)
  assert.equal(group.at(1).node.status().role, 'follower')
  group.tick(1)
  const { role, term, vote } = group.at(1).node.status()
  assert.deepEqual({ role, term, vote }, { role: 'candidate', term: 1, vote: 1 })
  assert.deepEqual(
    group.queue.map((m) => [m.type, m.to]),
    [
      ['vote-request', 2],
      ['vote-request', 3],
    ],
  )
})

test('§5.2 election timeouts are drawn from [n, 2n) anew for each election', () => {
  const draws = [0, 0.999_999, 0.5]
  let next = 0
  const random = (): number => draws[next++ % draws.length]!
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { ...NO_PRE_VOTE, random } })
  const waits: number[] = []
  for (let i = 0; i < 3; i++) {
    const before = group.at(2).node.status().term
    let ticks = 0
    while (group.at(2).node.status().term === before) {
      group.tick(2)
      ticks++
    }
    waits.push(ticks)
  }
  assert.ok(new Set(waits).size > 1)
  for (const wait of waits) assert.ok(wait >= 10 && wait < 20, `waited ${wait}`)
})

test('§5.2 a candidate with votes of a majority leads, and says so to all', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3, 4, 5], raft: NO_PRE_VOTE })
  group.isolate(4, 5)
  group.elect(1)
  assert.equal(group.at(2).node.leaderId, 1)
})

test('§5.2 without a majority there is no leader', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3, 4, 5], raft: NO_PRE_VOTE })
  group.isolate(3, 4, 5)
  group.at(1).node.campaign()
  group.settle()
  assert.equal(group.leader(), null)
  assert.equal(group.at(1).node.status().role, 'candidate')
})

test('§5.2 a server votes for at most one candidate in a term, first come first served', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: NO_PRE_VOTE })
  group.at(1).node.step(request(2, 1, 1))
  group.at(1).node.step(request(3, 1, 1))
  group.at(1).node.step(request(2, 1, 1))
  group.pump(1)
  const answers = group.queue.map((m) => (m.type === 'vote-response' ? [m.to, m.granted] : m.type))
  assert.deepEqual(answers, [
    [2, true],
    [3, false],
    [2, true],
  ])
})

test('§5.2 a vote survives a restart', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: NO_PRE_VOTE })
  group.at(1).node.step(request(2, 1, 1))
  group.pump(1)
  group.restart(1)
  group.drop()
  group.at(1).node.step(request(3, 1, 1))
  group.pump(1)
  const answer = group.queue[0]!
  assert.ok(answer.type === 'vote-response' && !answer.granted)
})

test('§5.2 no vote leaves before it is durable', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: NO_PRE_VOTE })
  const { node } = group.at(1)
  node.step(request(2, 1, 1))
  const ready = node.ready()
  assert.equal(ready.messages.length, 0)
  assert.ok(ready.persist!.mustSync)
  assert.equal(node.hasReady(), false)
  node.persisted(ready.persist!)
  assert.equal(node.ready().messages[0]!.type, 'vote-response')
})

test('§5.2 a candidate that hears of a leader of its own term follows it', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: NO_PRE_VOTE })
  group.at(1).node.campaign()
  group
    .at(1)
    .node.step({ type: 'append', group: 0, from: 2, to: 1, term: 1, prev: 0, prevTerm: 0, entries: [], commit: 0 })
  assert.deepEqual([group.at(1).node.status().role, group.at(1).node.leaderId], ['follower', 2])
})

test('§5.2 split votes: nobody wins, and a later election at a higher term settles it', () => {
  const group = new MemoryGroup({ voters: [1, 2], raft: NO_PRE_VOTE })
  group.at(1).node.campaign()
  group.at(2).node.campaign()
  group.settle()
  assert.equal(group.leader(), null)
  group.elect(1)
  assert.equal(group.at(1).node.status().term, 2)
})

const UP_TO_DATE: [string, number[], number[], boolean][] = [
  ['same last term, same length', [1], [1], true],
  ['same last term, longer candidate', [1], [1, 1], true],
  ['same last term, shorter candidate', [1, 1], [1], false],
  ['later last term, shorter candidate', [1, 1], [2], true],
  ['earlier last term, longer candidate', [2], [1, 1], false],
]
for (const [name, own, theirs, granted] of UP_TO_DATE) {
  test(`§5.4.1 votes go to logs at least as complete: ${name}`, () => {
    const hardStates = { 1: { term: 2, vote: null, commit: 0 } }
    const group = new MemoryGroup({ voters: [1, 2], logs: { 1: own }, hardStates })
    group.at(1).node.step(request(2, 1, 3, theirs.length, theirs[theirs.length - 1]))
    group.pump(1)
    const answer = group.queue[0]!
    assert.ok(answer.type === 'vote-response' && answer.granted === granted)
  })
}

test('9.6 a pre-vote raises no term anywhere when it cannot be won', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.isolate(3)
  group.tick(3, 100)
  group.drop()
  assert.equal(group.at(3).node.status().term, 1)
  group.heal()
  group.tickAll(3)
  assert.equal(group.leader(), 1)
  assert.equal(group.at(1).node.status().term, 1)
})

test('4.2.3 a node that hears its leader ignores requests for votes', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { preVote: false } })
  group.elect(1)
  group.at(2).node.step(request(3, 2, 9, 50, 8))
  group.pump(2)
  assert.equal(group.queue.length, 0)
  assert.equal(group.at(2).node.status().term, 1)
})

test('3.10 a transfer brings the target up to date, then it campaigns at once', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.isolate(2)
  group.propose(1, 'a')
  group.settle()
  group.heal()
  assert.deepEqual(group.at(1).node.transferLeadership(2), { kind: 'started' })
  assert.deepEqual(group.propose(1, 'b'), { kind: 'transferring', to: 2 })
  group.tickAll(2)
  assert.equal(group.leader(), 2)
  assert.equal(group.at(2).node.status().endPosition, 3)
})

test('3.10 a transfer that does not succeed within an election timeout is given up', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.isolate(2)
  group.at(1).node.transferLeadership(2)
  group.tickAll(10)
  assert.equal(group.at(1).node.status().transferTarget, null)
  assert.equal(group.propose(1, 'b').kind, 'accepted')
})

test('3.10 learners, strangers and the leader itself are no targets', () => {
  const group = new MemoryGroup({ voters: [1, 2], learners: [3] })
  group.elect(1)
  const reason = (to: number): unknown => group.at(1).node.transferLeadership(to)
  assert.deepEqual(reason(3), { kind: 'refused', reason: 'learner' })
  assert.deepEqual(reason(9), { kind: 'refused', reason: 'unknown-peer' })
  assert.deepEqual(reason(1), { kind: 'refused', reason: 'already-leader' })
})

test('6.2 a leader that hears no majority for an election timeout steps down', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.isolate(1)
  group.tick(1, 20)
  assert.equal(group.at(1).node.status().role, 'follower')
})
