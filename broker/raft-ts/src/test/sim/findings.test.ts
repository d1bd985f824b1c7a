/**
 * What the simulator has found in raft-ts, each as the shortest story that shows it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  confStateOf,
  type Entry,
  MemoryStorage,
  type Message,
  type Position,
  type RaftOptions,
  RawNode,
  type Ready,
} from '../../index.ts'

function start(storage: MemoryStorage<string>, options: Partial<RaftOptions<string>> = {}): RawNode<string> {
  return new RawNode<string>({
    id: 1,
    storage,
    electionTicks: 10,
    heartbeatTicks: 1,
    random: () => 0,
    preVote: false,
    ...options,
  })
}

function entry(base: Position, term: number): Entry<string> {
  return { base, end: base + 1, term, kind: 'data', bytes: 1, data: `${base}`, change: null }
}

function grant(from: number, term: number): Message<string> {
  return { type: 'vote-response', group: 0, from, to: 1, term, granted: true, commit: 0, commitTerm: 0 }
}

function voteRequest(term: number): Message<string> {
  const log = { lastEnd: 0, lastTerm: 0, commit: 0, commitTerm: 0 }
  return { type: 'vote-request', group: 0, from: 2, to: 1, term, transfer: false, ...log }
}

function append(prev: Position, prevTerm: number, entries: readonly Entry<string>[]): Message<string> {
  return { type: 'append', group: 0, from: 2, to: 1, term: 1, prev, prevTerm, entries, commit: 0 }
}

function write(storage: MemoryStorage<string>, node: RawNode<string>, ready: Ready<string>): void {
  if (ready.persist === null) return
  storage.write(ready.persist)
  node.persisted(ready.persist)
}

test('with the votes of all others, a candidate still waits for its own to be durable', () => {
  const storage = new MemoryStorage<string>({ confState: confStateOf([1, 2, 3]) })
  const node = start(storage)
  node.campaign()
  const ready = node.ready()
  node.step(grant(2, 1))
  node.step(grant(3, 1))
  assert.equal(node.isLeader, false, 'a crash now would make it forget that it has led this term')
  write(storage, node, ready)
  assert.equal(node.isLeader, true)
})

test('votes are asked for only with a log that a crash cannot take back', () => {
  const storage = new MemoryStorage<string>({ confState: confStateOf([1, 2, 3]) })
  const node = start(storage)
  node.step(append(0, 0, [entry(0, 1)]))
  const appended = node.ready()
  node.campaign()
  const campaigned = node.ready()
  const requests = (ready: Ready<string>): number => ready.messages.filter(({ type }) => type === 'vote-request').length
  assert.equal(requests(campaigned), 0, 'entry 0 may still be lost')
  write(storage, node, appended)
  write(storage, node, campaigned)
  assert.equal(requests(node.ready()), 2)
})

test('a node that waits for entries to be loaded has nothing to do', () => {
  const storage = new MemoryStorage<string>({ confState: confStateOf([1]) })
  storage.append([entry(0, 1)])
  storage.hardState = { term: 1, vote: 1, commit: 1 }
  let loaded = true
  const cold = new Proxy(storage, {
    get(target, name) {
      if (name === 'entries' && !loaded) return () => 'pending'
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const node = start(cold)
  loaded = false
  assert.equal(node.ready().committed, null)
  assert.equal(node.hasReady(), false, 'the loop of the shell would spin')
  loaded = true
  node.storageReady()
  assert.deepEqual(node.ready().committed?.entries, [entry(0, 1)])
})

test('an unwilling node with the only complete log does not let others go first for ever', () => {
  const storage = new MemoryStorage<string>({ confState: confStateOf([1, 2, 3]) })
  storage.append([entry(0, 1)])
  storage.hardState = { term: 1, vote: null, commit: 0 }
  const node = start(storage, { priority: 1 })
  for (let tick = 1; tick < 100 && node.status().role === 'follower'; tick++) {
    node.tick()
    // Every ten ticks another, sooner to come forward, asks in vain.
    if (tick % 10 === 0) node.step(voteRequest(node.status().term + 1))
  }
  assert.equal(node.status().role, 'candidate')
})
