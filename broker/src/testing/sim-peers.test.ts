import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError } from '@stratalog/proto'
import fc from 'fast-check'
import type { Message } from 'raft-ts'
import { seededRandom } from './fake-disk.ts'
import { ManualClock, settled } from './manual-clock.ts'
import { type PeersSubject, peersConformance } from './peers-conformance.ts'
import { anyMessage, groupOf, heartbeat } from './raft-messages.ts'
import { RecordingPeerListener } from './recording-peer-listener.ts'
import { GOOD_NETWORK, SimPeerNetwork } from './sim-peer-network.ts'
import type { SimPeers } from './sim-peers.ts'

const STEP_MS = 5
const WAIT_MS = 10_000

/** What was just sent leaves before the time passes. */
async function pass(clock: ManualClock, byMs: number): Promise<void> {
  await settled()
  await clock.advance(byMs)
  await settled()
}

async function until(clock: ManualClock, what: string, holds: () => boolean): Promise<void> {
  for (let passedMs = 0; !holds(); passedMs += STEP_MS) {
    assert.ok(passedMs < WAIT_MS, `${what} did not happen within ${WAIT_MS} simulated ms`)
    await pass(clock, STEP_MS)
  }
}

async function passing<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  promise.then(settle, settle)
  await settled()
  await until(clock, 'the promise', () => isSettled)
  return promise
}

peersConformance('sim', async (): Promise<PeersSubject> => {
  const clock = new ManualClock()
  const network = new SimPeerNetwork({ clock, random: seededRandom(1) })
  return {
    create: async (identity) => network.create(identity),
    until: (what, holds) => until(clock, what, holds),
    passing: (promise) => passing(clock, promise),
    nowhere: { host: 'sim', port: 999 },
    cleanUp: async () => {
      // What is still under way comes to nothing.
      await pass(clock, 100)
      assert.equal(clock.alarmCount, 0, 'timers are left')
    },
  }
})

interface Pair {
  readonly clock: ManualClock
  readonly network: SimPeerNetwork
  readonly ends: readonly [SimPeers, SimPeers]
  readonly listeners: readonly [RecordingPeerListener, RecordingPeerListener]
}

async function pair(seed = 1): Promise<Pair> {
  const clock = new ManualClock()
  const network = new SimPeerNetwork({ clock, random: seededRandom(seed) })
  const create = (brokerId: number) =>
    network.create(() => ({
      clusterId: 'c',
      brokerId,
      directoryId: `d${brokerId}`,
      runs: ['first'],
      registeredAt: null,
      version: '0.1.0',
    }))
  const ends = [create(1), create(2)] as const
  const listeners = [new RecordingPeerListener(), new RecordingPeerListener()] as const
  const addresses = new Map(ends.map(({ brokerId, address }) => [brokerId, address]))
  for (const [index, end] of ends.entries()) {
    end.begin(listeners[index as 0 | 1])
    end.setPeers(addresses)
  }
  await until(clock, 'both are up', () => ends[0].isUp(2) && ends[1].isUp(1))
  return { clock, network, ends, listeners }
}

const ROUTE = { from: 1, to: 2 }
const numbered = (term: number): Message<Buffer> => heartbeat(groupOf(1, 0), ROUTE, term)
const termsOf = (listener: RecordingPeerListener) => listener.messages.map(({ term }) => term)

test('a cut loses what is under way, is noticed by silence on both sides, and heals', async () => {
  const { clock, network, ends, listeners } = await pair()
  ends[0].send(numbered(1))
  await settled()
  network.cut(1, 2)
  await pass(clock, 100)
  assert.deepEqual(termsOf(listeners[1]), [])
  // The other way is open: what is sent before anybody has noticed gets through.
  ends[1].send(heartbeat(groupOf(1, 0), { from: 2, to: 1 }, 2))
  await pass(clock, 100)
  assert.deepEqual(termsOf(listeners[0]), [2])
  await pass(clock, 1_500)
  assert.deepEqual([ends[0].isUp(2), ends[1].isUp(1)], [false, false])
  ends[0].send(numbered(3))
  await settled()
  assert.deepEqual(
    listeners[0].unsent.map(({ term }) => term),
    [3],
  )
  network.mendAll()
  await until(clock, 'both are up again', () => ends[0].isUp(2) && ends[1].isUp(1))
  ends[0].send(numbered(4))
  await pass(clock, 10)
  assert.deepEqual(termsOf(listeners[1]), [4])
  assert.deepEqual(listeners[0].events, ['up 2', 'down 2', 'up 2'])
})

test('a short cut is not noticed', async () => {
  const { clock, network, ends } = await pair()
  network.cutBoth(1, 2)
  await pass(clock, 700)
  network.mendAll()
  await pass(clock, 2_000)
  assert.deepEqual([ends[0].isUp(2), ends[1].isUp(1)], [true, true])
})

test('messages are lost, doubled and reordered as often as was asked for; news is not', async () => {
  const { clock, network, ends, listeners } = await pair(7)
  network.faults = { ...GOOD_NETWORK, lossRate: 0.2, duplicationRate: 0.1, reorderRate: 0.3 }
  for (let term = 1; term <= 1_000; term++) {
    ends[0].send(numbered(term))
    ends[0].news('n', Buffer.from(String(term)))
    if (term % 10 === 0) await pass(clock, 0.1)
  }
  await pass(clock, 100)
  const terms = termsOf(listeners[1])
  const distinct = new Set(terms)
  assert.ok(distinct.size > 750 && distinct.size < 850, `${distinct.size} arrived`)
  assert.ok(terms.length - distinct.size > 50, `${terms.length - distinct.size} came twice`)
  assert.notDeepEqual(
    terms,
    [...terms].sort((a, b) => a - b),
  )
  assert.deepEqual(
    listeners[1].news.map(([, text]) => Number(text)),
    Array.from({ length: 1_000 }, (_, index) => index + 1),
  )
})

test('the same seed gives the same course, another seed another', async () => {
  const course = async (seed: number) => {
    const { clock, network, ends, listeners } = await pair(seed)
    network.faults = { ...GOOD_NETWORK, lossRate: 0.2, duplicationRate: 0.2, reorderRate: 0.2, refusalRate: 0.1 }
    for (let term = 1; term <= 100; term++) {
      ends[0].send(numbered(term))
      if (term % 7 === 0) await pass(clock, 0.3)
    }
    await pass(clock, 100)
    return [termsOf(listeners[1]), listeners[0].unsent.map(({ term }) => term)]
  }
  assert.deepEqual(await course(3), await course(3))
  assert.notDeepEqual(await course(3), await course(4))
})

test('requests time out when they or their answers are lost', async () => {
  const { clock, network, ends } = await pair()
  network.faults = { ...GOOD_NETWORK, requestLossRate: 1 }
  const asked = ends[0].request(2, 'echo', Buffer.from('x'), 500)
  await assert.rejects(passing(clock, asked), (error) => isStratalogError(error, 'REQUEST_TIMED_OUT'))
})

test('a broker that crashes is silent itself; the others are told at once', async () => {
  const { clock, network, ends, listeners } = await pair()
  let settledCount = 0
  const count = () => {
    settledCount++
  }
  ends[0].request(2, 'echo', Buffer.from('x'), 500).then(count, count)
  ends[0].crash()
  await pass(clock, 10)
  assert.deepEqual(listeners[1].events, ['up 1', 'down 1'])
  const again = network.create(ends[0].identity, ends[0].address.port)
  again.begin(new RecordingPeerListener())
  again.setPeers(new Map([[2, ends[1].address]]))
  await until(clock, 'it is up again', () => again.isUp(2) && ends[1].isUp(1))
  assert.equal(settledCount, 0)
})

test('every message type gets through, as a copy', async () => {
  const { clock, ends, listeners } = await pair()
  const sample = fc.sample(anyMessage(ROUTE), { numRuns: 300, seed: 5 })
  for (const message of sample) ends[0].send(message)
  await pass(clock, 10)
  assert.equal(listeners[1].messages.length, sample.length)
  const types = (messages: readonly Message<Buffer>[]) => messages.map(({ type }) => type).sort()
  assert.deepEqual(types(listeners[1].messages), types(sample))
})
