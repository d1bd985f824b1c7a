/** Hostile and mistaken input: a typed refusal, never a throw, and never a broken invariant. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { confStateOf } from '../core/conf-change.ts'
import { RaftInvariantError } from '../core/invariant.ts'
import type { Message } from '../core/messages.ts'
import { RaftOptionsError } from '../core/options.ts'
import type { StepResult } from '../core/results.ts'
import { MemoryStorage } from '../memory-storage.ts'
import { RawNode } from '../raw-node.ts'
import { logOf, MemoryGroup } from '../testing/memory-group.ts'

function leaderGroup(): MemoryGroup {
  const group = new MemoryGroup({ voters: [1, 2, 3] })
  group.elect(1)
  group.propose(1, 'a', 4)
  group.settle()
  return group
}

function refusal(result: StepResult): string {
  return result.kind === 'refused' ? result.reason : 'accepted'
}

const FROM_2 = { group: 0, from: 2, to: 1, term: 1 } as const

const REFUSED: [string, unknown, string][] = [
  ['nothing', null, 'malformed'],
  ['another group', { ...FROM_2, group: 7, type: 'heartbeat', commit: 0, readRound: 0 }, 'wrong-group'],
  ['another node', { ...FROM_2, to: 3, type: 'heartbeat', commit: 0, readRound: 0 }, 'wrong-recipient'],
  ['an answer from a stranger', { ...FROM_2, from: 9, type: 'append-accepted', end: 1 }, 'unknown-peer'],
  ['itself', { ...FROM_2, from: 1, type: 'append-accepted', end: 1 }, 'malformed'],
  ['no type', { ...FROM_2 }, 'malformed'],
  ['an unknown type', { ...FROM_2, type: 'toString' }, 'malformed'],
  ['term 0', { ...FROM_2, term: 0, type: 'timeout-now' }, 'term-out-of-range'],
  ['a term past int32', { ...FROM_2, term: 2 ** 31, type: 'timeout-now' }, 'term-out-of-range'],
  ['a negative position', { ...FROM_2, type: 'append-accepted', end: -1 }, 'malformed'],
  ['a position of NaN', { ...FROM_2, type: 'append-accepted', end: Number.NaN }, 'malformed'],
  ['an acknowledgement past the end', { ...FROM_2, type: 'append-accepted', end: 99 }, 'impossible'],
  ['a second leader of the term', { ...FROM_2, type: 'heartbeat', commit: 0, readRound: 0 }, 'impossible'],
]
for (const [name, message, reason] of REFUSED) {
  test(`step refuses ${name}`, () => {
    const group = leaderGroup()
    const before = group.at(1).node.status()
    assert.equal(refusal(group.at(1).node.step(message as Message<string>)), reason)
    assert.deepEqual(group.at(1).node.status(), before)
  })
}

const FROM_1 = { group: 0, from: 1, to: 2, term: 1, type: 'append', prev: 0, prevTerm: 0, commit: 0 } as const
const gap = logOf([1, 1, 1]).slice(2)
const falling = [...logOf([2])].concat(logOf([2, 1]).slice(1))
const replaced = logOf([1, 2])

const BAD_APPENDS: [string, unknown, string][] = [
  ['entries with a gap', { ...FROM_1, entries: gap }, 'malformed'],
  ['entries of falling terms', { ...FROM_1, term: 2, entries: falling }, 'malformed'],
  ['entries of a later term than the sender', { ...FROM_1, entries: logOf([3]) }, 'malformed'],
  ['entries that are no list', { ...FROM_1, entries: 'x' }, 'malformed'],
  ['a config entry without a change', { ...FROM_1, entries: [{ ...logOf([1])[0], kind: 'config' }] }, 'malformed'],
  ['a heartbeat past the end of the log', { ...FROM_1, type: 'heartbeat', commit: 50, readRound: 0 }, 'impossible'],
  [
    'a snapshot without voters',
    {
      ...FROM_1,
      type: 'snapshot',
      snapshot: { position: 9, term: 1, confPosition: 9, confState: confStateOf([]), data: null },
    },
    'malformed',
  ],
  [
    'a snapshot of a later term',
    {
      ...FROM_1,
      type: 'snapshot',
      snapshot: { position: 9, term: 8, confPosition: 9, confState: confStateOf([1]), data: null },
    },
    'malformed',
  ],
]
for (const [name, message, reason] of BAD_APPENDS) {
  test(`a follower refuses ${name}`, () => {
    const group = leaderGroup()
    const before = group.at(2).node.status().endPosition
    assert.equal(refusal(group.at(2).node.step(message as Message<string>)), reason)
    assert.equal(group.at(2).node.status().endPosition, before)
  })
}

test('entries that contradict what is committed are refused', () => {
  const hardStates = { 2: { term: 1, vote: null, commit: 2 } }
  const group = new MemoryGroup({ voters: [1, 2], logs: { 2: [1, 1] }, hardStates })
  const { node } = group.at(2)
  assert.equal(refusal(node.step({ ...FROM_1, term: 2, entries: replaced })), 'accepted')
  group.pump(2)
  assert.equal(node.status().endPosition, 2)
  const past = { base: 2, end: 3, term: 1, kind: 'data', bytes: 1, data: 'x', change: null } as const
  node.step({ ...FROM_1, term: 2, prev: 2, prevTerm: 1, entries: [past], commit: 3 })
  group.pump(2)
  const other = { ...past, term: 2 }
  assert.equal(refusal(node.step({ ...FROM_1, term: 2, prev: 2, prevTerm: 1, entries: [other] })), 'accepted')
  assert.equal(node.commit, 3)
})

test('an append that begins within an entry is refused', () => {
  const group = new MemoryGroup({ voters: [1, 2, 3], raft: { leaderEntry: 'unless-empty' } })
  group.elect(1)
  group.isolate(3)
  group.propose(1, 'long', 10)
  group.settle()
  const { node } = group.at(1)
  node.step({ group: 0, from: 3, to: 1, term: 1, type: 'append-accepted', end: 5 })
  assert.equal(node.status().progress.find((peer) => peer.id === 3)!.match, 0)
})

test('an old snapshot is answered with how far this log is', () => {
  const group = leaderGroup()
  const snapshot = { position: 1, term: 1, confState: confStateOf([1, 2, 3]), confPosition: 1, data: 'old' }
  assert.equal(
    refusal(group.at(2).node.step({ group: 0, from: 1, to: 2, term: 1, type: 'snapshot', snapshot })),
    'accepted',
  )
  group.pump(2)
  const answer = group.queue[0]!
  assert.ok(answer.type === 'append-accepted' && answer.end === 5)
  assert.equal(group.at(2).storage.startPosition(), 0)
})

test('a storage that reports what it was not asked to write is refused', () => {
  const group = leaderGroup()
  const { node, storage } = group.at(1)
  node.propose({ length: 1, bytes: 1, data: 'x' })
  const first = node.ready().persist!
  node.propose({ length: 1, bytes: 1, data: 'y' })
  const second = node.ready().persist!
  assert.equal(node.persisted({ ...first }).kind, 'refused')
  assert.equal(node.persisted(second).kind, 'refused')
  storage.write(first)
  assert.equal(node.persisted(first).kind, 'accepted')
  assert.equal(node.persisted(first).kind, 'refused')
  assert.equal(node.applied(1000).kind, 'refused')
})

test('a follower refuses proposals and names the leader', () => {
  const group = leaderGroup()
  assert.deepEqual(group.propose(2, 'x'), { kind: 'not-leader', leaderId: 1 })
})

test('malformed proposals and changes are refused', () => {
  const group = leaderGroup()
  const { node } = group.at(1)
  for (const length of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
    assert.equal(node.propose({ length, bytes: 0, data: '' }).kind, 'malformed')
  }
  const change = { transition: 'sideways', steps: [] } as never
  assert.equal(node.proposeConfChange(change).kind, 'malformed')
  assert.equal(node.proposeConfChange({ transition: 'auto', steps: [{ kind: 'remove', id: -4 }] }).kind, 'malformed')
})

test('options out of range name themselves', () => {
  const storage = new MemoryStorage<string>({ confState: confStateOf([1]) })
  const good = { id: 1, storage, electionTicks: 10, heartbeatTicks: 1, random: () => 0 }
  const bad: [string, object][] = [
    ['id', { id: -1 }],
    ['electionTicks', { electionTicks: 1 }],
    ['heartbeatTicks', { heartbeatTicks: 10 }],
    ['priority', { priority: 11 }],
    ['maxInflightBytes', { maxInflightBytes: 5 }],
    ['readOnly', { readOnly: 'lease', checkQuorum: false }],
  ]
  for (const [option, change] of bad) {
    assert.throws(
      () => new RawNode({ ...good, ...change }),
      (error) => error instanceof RaftOptionsError && error.option === option,
    )
  }
})

test('a stored state that contradicts itself fails loudly', () => {
  const storage = new MemoryStorage<string>({ confState: confStateOf([1]) })
  storage.hardState = { term: 1, vote: null, commit: 5 }
  const options = { id: 1, storage, electionTicks: 10, heartbeatTicks: 1, random: () => 0 }
  assert.throws(() => new RawNode(options), RaftInvariantError)
})

const TYPES = [
  'append',
  'append-accepted',
  'append-rejected',
  'stale-term',
  'heartbeat',
  'heartbeat-response',
  'quiesce',
  'vote-request',
  'pre-vote-request',
  'vote-response',
  'pre-vote-response',
  'timeout-now',
  'transfer-request',
  'read-request',
  'read-response',
]
const small = fc.integer({ min: 0, max: 9 })
const entry = fc.record({
  base: small,
  end: small,
  term: small,
  bytes: small,
  kind: fc.constantFrom('data', 'leader', 'config'),
  data: fc.constant('x'),
  change: fc.constant(null),
})
const anyMessage = fc.record({
  type: fc.constantFrom(...TYPES),
  group: fc.constant(0),
  from: fc.integer({ min: 1, max: 4 }),
  to: fc.constant(1),
  term: small,
  prev: small,
  prevTerm: small,
  entries: fc.array(entry, { maxLength: 3 }),
  commit: small,
  end: small,
  endTerm: small,
  hint: small,
  hintTerm: small,
  readRound: small,
  lastEnd: small,
  lastTerm: small,
  transfer: fc.boolean(),
  granted: fc.boolean(),
  commitTerm: small,
  target: small,
  context: small,
  position: small,
})

test('no sequence of messages makes a node throw or take back a commit', () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 40 }), fc.boolean(), (messages, lead) => {
      const group = new MemoryGroup({
        voters: [1, 2, 3],
        logs: { 1: [1, 1] },
        hardStates: { 1: { term: 1, vote: null, commit: 0 } },
      })
      if (lead) group.elect(1)
      let { commit } = group.at(1).node
      for (const message of messages) {
        group.at(1).node.step(message as unknown as Message<string>)
        group.pump(1)
        assert.ok(group.at(1).node.commit >= commit)
        commit = group.at(1).node.commit
      }
    }),
    { numRuns: 500 },
  )
})
