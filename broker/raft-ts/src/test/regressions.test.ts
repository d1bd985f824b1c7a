/** Bugs that simulation found in this core, each boiled down to what it takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { confStateOf } from '../core/conf-change.ts'
import type { Entry } from '../core/entry.ts'
import type { Position, Term } from '../core/ids.ts'
import type { Snapshot } from '../core/storage.ts'
import { MemoryStorage } from '../memory-storage.ts'
import { RawNode } from '../raw-node.ts'
import { logOf, MemoryGroup, type MemoryMember } from '../testing/memory-group.ts'

test('what a Ready hands out is not what the next one is filled from', () => {
  const group = new MemoryGroup({ voters: [1, 2] })
  const { node } = group.at(1)
  node.campaign()
  const { persist, messages } = node.ready()
  const before = [persist?.responses.length ?? 0, messages.length]
  node.step({ type: 'heartbeat', group: 0, from: 2, to: 1, term: 5, commit: 0, readRound: 0 })
  node.tick()
  assert.deepEqual([persist?.responses.length ?? 0, messages.length], before)
})

test('a hand-over that is lost is sent again', () => {
  const group = new MemoryGroup({ voters: [1, 2], spares: [3], raft: { catchUp: 'start-position' } })
  group.elect(1)
  group.propose(1, 'a')
  group.settle()
  group.at(1).node.proposeConfChange({ transition: 'auto', steps: [{ kind: 'add-voter', id: 3 }] })
  for (let i = 0; i < 10; i++) {
    for (const id of [1, 2, 3]) group.pump(id)
    group.drop((message) => message.type === 'snapshot')
    group.deliver()
  }
  assert.equal(group.at(3).node.status().endPosition, 0)
  group.tickAll(15)
  assert.equal(group.at(3).node.commit, group.at(1).node.commit)
})

test('a new member is caught up by a snapshot that was taken before it was one', () => {
  const group = new MemoryGroup({ voters: [1, 2], spares: [3] })
  group.elect(1)
  for (const data of ['a', 'b']) group.propose(1, data)
  group.settle()
  group.at(1).storage.saveSnapshot(3, 'ab')
  group.at(1).storage.compactTo(3)
  group.at(1).node.proposeConfChange({ transition: 'auto', steps: [{ kind: 'add-voter', id: 3 }] })
  group.settle()
  group.tickAll(3)
  assert.deepEqual(group.at(3).node.status().confState.voters, [1, 2, 3])
})

/** A snapshot made when asked for, as an application does that keeps none ready; the position moves entry by entry. */
function snapshotOnDemand(member: MemoryMember): () => Snapshot {
  return () => {
    const { confState, confPosition = 0 } = member.storage.initialState()
    const { end, term } = member.applied[member.applied.length - 1]!
    return { position: end, term, confState, confPosition, data: 'state' }
  }
}

test('a snapshot for a new member is asked for once its configuration is known', () => {
  const group = new MemoryGroup({ voters: [1, 2], spares: [3] })
  group.elect(1)
  for (const data of ['a', 'b']) group.propose(1, data)
  group.settle()
  const member = group.at(1)
  member.storage.compactTo(3)
  member.storage.snapshot = snapshotOnDemand(member)
  const { node } = member
  const result = node.proposeConfChange({ transition: 'explicit', steps: [{ kind: 'add-learner', id: 3 }] })
  assert.equal(result.kind, 'accepted')
  group.settle()
  group.tickAll(3)
  assert.deepEqual(group.at(3).node.status().confState, node.status().confState)
})

test('a snapshot that misses a change which this node has in force is never sent', () => {
  const group = new MemoryGroup({ voters: [1, 2], spares: [3] })
  group.elect(1)
  group.propose(1, 'a')
  group.settle()
  const { storage, node } = group.at(1)
  storage.compactTo(2)
  const confState = confStateOf([1, 2])
  storage.snapshot = () => ({ position: storage.endPosition(), term: 1, confState, confPosition: 0, data: 'state' })
  node.proposeConfChange({ transition: 'auto', steps: [{ kind: 'add-learner', id: 3 }] })
  assert.throws(() => group.settle(), /misses the change at 3/)
})

/** A storage that knows where its log begins and ends, and no other boundary. */
function forgetBoundaries(storage: MemoryStorage<string>): void {
  const ends = (position: Position): Position =>
    position >= storage.endPosition() ? storage.endPosition() : storage.startPosition()
  Object.defineProperty(storage, 'boundaries', { value: 'some' })
  storage.boundaryAtOrBelow = ends
}

test('a leader brings up a follower though storage has forgotten where entries end', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { maxBytesPerMessage: 0, maxInflightMessages: 2 } })
  group.elect(1)
  group.isolate(3)
  for (const data of ['a', 'b', 'c', 'd', 'e', 'f']) group.propose(1, data, 5)
  group.settle()
  group.heal()
  forgetBoundaries(group.at(1).storage)
  group.tickAll(5)
  assert.equal(group.at(3).node.commit, 31)
})

test('a follower that has forgotten where entries end still replaces its tail', () => {
  // Node 3 led term 1 and wrote two entries that nobody else has; the others went on in term 2.
  const logs = { 1: [1, 2], 2: [1, 2], 3: [1, 1, 1] }
  const state = (term: Term) => ({ term, vote: null, commit: 0 })
  const group = new MemoryGroup({ voters: [1, 2, 3], logs, hardStates: { 1: state(2), 2: state(2), 3: state(1) } })
  const { storage } = group.at(3)
  Object.defineProperty(storage, 'boundaries', { value: 'some' })
  const exact = storage.boundaryAtOrBelow.bind(storage)
  storage.boundaryAtOrBelow = (position) => (position >= storage.endPosition() ? exact(position) : 0)
  storage.truncateTo = ((truncate) => (position: Position) => {
    storage.boundaryAtOrBelow = exact
    truncate.call(storage, position)
  })(storage.truncateTo)
  group.elect(1)
  group.tickAll(5)
  assert.equal(group.at(3).node.commit, group.at(1).node.commit)
})

test('a snapshot of what a log has, forgotten boundaries or not, takes nothing away from it', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], logs: { 2: [1, 1, 1, 1] } })
  const { node, storage } = group.at(2)
  forgetBoundaries(storage)
  const snapshot = { position: 2, term: 1, confState: confStateOf([1, 2, 3]), confPosition: 0, data: 'state' }
  node.step({ type: 'snapshot', group: 0, from: 1, to: 2, term: 1, snapshot })
  group.pump(2)
  assert.deepEqual([storage.startPosition(), storage.endPosition(), node.commit], [0, 4, 2])
})

test('a node of a later term gets the attention of a leader that only ever says that all is quiet', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { preVote: false, quiesceAfterTicks: 1 } })
  group.elect(1)
  group.tickAll(5)
  group.isolate(3)
  group.at(3).node.peerLost(1)
  group.tick(3, 25)
  group.drop()
  group.heal()
  group.tickAll(100)
  const states = [1, 2, 3].map((id) => group.at(id).node.status())
  assert.equal(new Set(states.map(({ term }) => term)).size, 1)
  assert.ok(states.every(({ quiescent }) => quiescent))
})

test('a snapshot that arrives when the log already begins after it is followed by a newer one', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.isolate(3)
  for (const data of ['a', 'b', 'c', 'd']) group.propose(1, data)
  group.settle()
  const { storage } = group.at(1)
  storage.saveSnapshot(3, 'ab')
  storage.compactTo(3)
  group.heal()
  group.tick(1)
  group.deliver()
  group.pump(3)
  group.deliver()
  group.pump(1)
  storage.saveSnapshot(5, 'abcd')
  storage.compactTo(5)
  group.settle()
  group.tickAll(2)
  assert.equal(group.at(3).node.commit, 5)
})

test('without pre-vote, candidates that cannot win do not keep back the one that can', () => {
  const term = { term: 1, vote: null, commit: 0 }
  const logs = { 1: [1], 2: [1, 1], 3: [1] }
  const raft = { preVote: false, checkQuorum: false }
  const group = new MemoryGroup({ voters: [1, 2, 3], logs, hardStates: { 1: term, 2: term, 3: term }, raft })
  // Nodes 1 and 3 cannot win together without node 2, which campaigns last of all.
  group.at(2).node.setPriority(1)
  group.isolate(3)
  group.tickAll(200)
  assert.equal(group.leader(), 2)
})

test('a node learns from votes that a change in its log is committed, and campaigns among the right voters', () => {
  // Node 2 has left the group and is gone; 4 knows that this is committed, 3 has it in its log but does not know.
  const change = { transition: 'auto', steps: [{ kind: 'remove', id: 2 }] } as const
  const removal: Entry<string> = { base: 2, end: 3, term: 1, kind: 'config', bytes: 0, data: null, change }
  const group = new MemoryGroup({ voters: [2, 3, 4], raft: { preVote: false, checkQuorum: false } })
  for (const [id, commit, tail] of [
    [3, 2, 2],
    [4, 3, 0],
  ] as const) {
    const { storage } = group.at(id)
    storage.append([...logOf([1, 1]), removal])
    for (let i = 0; i < tail; i++) storage.append([{ ...logOf([1])[0]!, base: 3 + i, end: 4 + i }])
    storage.hardState = { term: 1, vote: null, commit }
    group.restart(id)
  }
  group.isolate(2)
  group.settle()
  assert.deepEqual(group.at(4).node.status().confState.voters, [3, 4])
  group.at(4).node.campaign()
  group.settle()
  assert.deepEqual(group.at(3).node.status().confState.voters, [3, 4])
  group.elect(3)
})

test('a configuration in force is committed, whatever the stored commit position says', () => {
  const storage = new MemoryStorage<string>({ confState: confStateOf([1, 2]) })
  storage.append(logOf([1, 1, 1]))
  storage.hardState = { term: 1, vote: null, commit: 1 }
  storage.saveConfState(confStateOf([1]), 2)
  const node = new RawNode<string>({ id: 1, storage, electionTicks: 10, heartbeatTicks: 1, random: () => 0 })
  assert.equal(node.commit, 2)
})

test('a start-position hand-over may bring a configuration that is newer than the log is long', () => {
  const storage = new MemoryStorage<string>()
  storage.restore({ position: 5, term: 1, confState: confStateOf([1]), confPosition: 50, data: null })
  const node = new RawNode<string>({ id: 1, storage, electionTicks: 10, heartbeatTicks: 1, random: () => 0 })
  assert.equal(node.commit, 5)
})

test('rejections from before the last match do not repeat the window', () => {
  const group = new MemoryGroup({ voters: [1, 2] })
  group.elect(1)
  for (let i = 0; i < 5; i++) group.propose(1, 'x')
  group.settle()
  const { node } = group.at(1)
  group.propose(1, 'y')
  node.ready()
  const late = { type: 'append-rejected', group: 0, from: 2, to: 1, term: 1, prev: 7, hint: 2, hintTerm: 1 } as const
  node.step({ ...late, unconfigured: false })
  assert.equal(node.status().progress.find((peer) => peer.id === 2)?.state, 'replicate')
})

test('a complaint from before the hand-over does not undo what came after it', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.propose(1, 'a')
  group.settle()
  const complaint = {
    type: 'append-rejected',
    group: 0,
    from: 3,
    to: 1,
    term: 1,
    prev: 0,
    hint: 0,
    hintTerm: 0,
  } as const
  group.at(1).node.step({ ...complaint, unconfigured: true })
  const { match, next, state } = group
    .at(1)
    .node.status()
    .progress.find((peer) => peer.id === 3)!
  assert.deepEqual({ match, next, state }, { match: 2, next: 2, state: 'replicate' })
})
