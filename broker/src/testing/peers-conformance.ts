/** What every peer network does, as tests: run on TCP and on the simulated one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError, StratalogError } from '@stratalog/proto'
import type { PeerAddress, PeerIdentity, PeerNetwork } from '../peer/peer-port.ts'
import { dataBatch } from './batches.ts'
import { appendMessage, groupOf, heartbeat } from './raft-messages.ts'
import { RecordingPeerListener } from './recording-peer-listener.ts'

/** A network to try, and its time. */
export interface PeersSubject {
  /** A broker's end of the network, not begun. */
  create(identity: () => PeerIdentity): Promise<PeerNetwork>
  /** Lets time pass until it holds; fails after 10 s. */
  until(what: string, holds: () => boolean): Promise<void>
  /** Lets time pass until the promise is settled. */
  passing<T>(promise: Promise<T>): Promise<T>
  /** An address where nobody listens. */
  readonly nowhere: PeerAddress
  cleanUp(): Promise<void>
}

/** Registers the suite's tests. */
export function peersConformance(name: string, create: () => Promise<PeersSubject>): void {
  for (const [title, run] of Object.entries(CASES)) {
    test(`${name}: ${title}`, async () => {
      const subject = await create()
      const cluster = new Cluster(subject)
      try {
        await run(cluster)
      } finally {
        await Promise.all(cluster.members.map(({ peers }) => peers.close()))
        await subject.cleanUp()
      }
    })
  }
}

interface Member {
  readonly brokerId: number
  identity: PeerIdentity
  readonly peers: PeerNetwork
  readonly listener: RecordingPeerListener
}

class Cluster {
  readonly subject: PeersSubject
  readonly members: Member[] = []

  constructor(subject: PeersSubject) {
    this.subject = subject
  }

  async add(brokerId: number, identity: Partial<PeerIdentity> = {}): Promise<Member> {
    const known = { identity: identityOf(brokerId, identity) }
    const peers = await this.subject.create(() => known.identity)
    const member: Member = Object.assign(known, { brokerId, peers, listener: new RecordingPeerListener() })
    member.peers.begin(member.listener)
    this.members.push(member)
    return member
  }

  /** Makes the members each other's peers, and waits until all are up. */
  async connect(...members: Member[]): Promise<void> {
    const addresses = new Map(members.map(({ brokerId, peers }) => [brokerId, peers.address]))
    for (const { peers } of members) peers.setPeers(addresses)
    await this.subject.until('all are up', () =>
      members.every(({ peers, brokerId }) =>
        members.every((other) => other.brokerId === brokerId || peers.isUp(other.brokerId)),
      ),
    )
  }

  async pair(): Promise<[Member, Member]> {
    const pair: [Member, Member] = [await this.add(1), await this.add(2)]
    await this.connect(...pair)
    return pair
  }
}

function identityOf(brokerId: number, parts: Partial<PeerIdentity> = {}): PeerIdentity {
  return {
    clusterId: 'c',
    brokerId,
    directoryId: `directory-${brokerId}`,
    runs: ['first'],
    registeredAt: null,
    version: '0.1.0',
    ...parts,
  }
}

const ROUTE = { from: 1, to: 2 }
const GROUP = groupOf(1, 0)
const body = (text: string) => Buffer.from(text)

async function rejectsWith(promise: Promise<unknown>, code: string, message: RegExp): Promise<StratalogError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.ok(isStratalogError(error), `rejected with ${String(error)}`)
  assert.equal(error.code, code)
  assert.match(error.message, message)
  return error
}

const CASES: Record<string, (cluster: Cluster) => Promise<void>> = {
  'messages of both kinds of traffic arrive, equal and not shared': async (cluster) => {
    const [one, two] = await cluster.pair()
    const batch = dataBatch({ baseOffset: 3, valueBytes: 100_000 })
    const append = appendMessage(GROUP, ROUTE, [batch], { prev: 3, term: 1 })
    one.peers.send(append)
    one.peers.send(heartbeat(GROUP, ROUTE))
    await cluster.subject.until('both have come', () => two.listener.messages.length === 2)
    const byType = new Map(two.listener.messages.map((message) => [message.type, message]))
    assert.deepEqual(byType.get('append'), append)
    assert.deepEqual(byType.get('heartbeat'), heartbeat(GROUP, ROUTE))
    const received = byType.get('append')
    assert.ok(received?.type === 'append')
    assert.notEqual(received.entries[0]?.data?.buffer, batch.buffer)
    assert.equal(two.peers.stats.messagesReceived, 2)
  },

  'heartbeats of a thousand groups are one frame, and so are their answers': async (cluster) => {
    const [one, two] = await cluster.pair()
    two.listener.also = (message) => {
      const { group, term } = message
      two.peers.send({ type: 'heartbeat-response', group, from: 2, to: 1, term, readRound: 0 })
    }
    const before = { sent: frames(one), answered: frames(two) }
    for (let partition = 0; partition < 1_000; partition++) one.peers.send(heartbeat(groupOf(1, partition), ROUTE))
    await cluster.subject.until('all are answered', () => one.listener.messages.length === 1_000)
    assert.equal(two.listener.messages.length, 1_000)
    assert.deepEqual({ sent: frames(one) - before.sent, answered: frames(two) - before.answered }, ONE_FRAME_EACH)
  },

  'what cannot be sent is told, after the turn': async (cluster) => {
    const [one] = await cluster.pair()
    const lost = heartbeat(GROUP, { from: 1, to: 9 })
    one.peers.send(lost)
    assert.deepEqual(one.listener.unsent, [])
    await cluster.subject.until('it is told', () => one.listener.unsent.length === 1)
    assert.equal(one.listener.unsent[0], lost)
    const toItself = heartbeat(GROUP, { from: 1, to: 1 })
    one.peers.send(toItself)
    await cluster.subject.until('it is told', () => one.listener.unsent.length === 2)
    assert.equal(one.peers.stats.messagesUnsent, 2)
  },

  'messages of a peer that must not replicate are dropped; its requests are answered': async (cluster) => {
    const [one, two] = await cluster.pair()
    two.listener.mayReplicateNow = false
    one.peers.send(heartbeat(GROUP, ROUTE))
    await cluster.subject.until('it is refused', () => two.peers.stats.messagesRefused === 1)
    assert.deepEqual(two.listener.messages, [])
    assert.deepEqual(two.listener.askedBy.at(-1), one.identity)
    const answer = await cluster.subject.passing(one.peers.request(2, 'echo', body('hello'), 5_000))
    assert.equal(answer.toString(), 'hello')
  },

  'a hundred requests at once, small and large, are each answered with their own answer': async (cluster) => {
    const [one, two] = await cluster.pair()
    two.listener.handlers.set('double', async (asked, from) =>
      Buffer.concat([asked, asked, body(String(from.brokerId))]),
    )
    const bodies = Array.from({ length: 100 }, (_, index) => Buffer.alloc(index === 50 ? 1_000_000 : index, index))
    const asked = bodies.map((each) => one.peers.request(2, 'double', each, 5_000))
    const answers = await cluster.subject.passing(Promise.all(asked))
    for (const [index, each] of bodies.entries()) {
      assert.deepEqual(answers[index], Buffer.concat([each, each, body('1')]))
    }
  },

  'an error travels with all that it says': async (cluster) => {
    const [one, two] = await cluster.pair()
    const thrown = new StratalogError('NOT_CONTROLLER', 'broker 3 is the controller', {
      leader: { leaderId: 3, leaderEpoch: 7, host: null, port: null },
      metadata: { metadataOffset: '12' },
      hint: 'ask broker 3',
    })
    two.listener.handlers.set('fails', () => Promise.reject(thrown))
    two.listener.handlers.set('breaks', () => Promise.reject(new TypeError('no such thing')))
    const { passing } = cluster.subject
    const error = await rejectsWith(passing(one.peers.request(2, 'fails', body(''), 5_000)), thrown.code, /broker 3/)
    assert.deepEqual([error.leader, error.metadata, error.hint], [thrown.leader, thrown.metadata, thrown.hint])
    assert.equal(error.retriable, thrown.retriable)
    await rejectsWith(passing(one.peers.request(2, 'breaks', body(''), 5_000)), 'UNKNOWN_SERVER_ERROR', /no such thing/)
    await rejectsWith(passing(one.peers.request(2, 'unheard', body(''), 5_000)), 'INVALID_REQUEST', /unheard/)
  },

  'a request that is not answered in time is rejected once; one to nobody at once': async (cluster) => {
    const [one, two] = await cluster.pair()
    let answer = (_: Buffer): void => undefined
    two.listener.handlers.set('slow', () => new Promise((resolve) => (answer = resolve)))
    const { passing, until } = cluster.subject
    await rejectsWith(passing(one.peers.request(2, 'slow', body(''), 100)), 'REQUEST_TIMED_OUT', /slow within 100 ms/)
    answer(body('too late'))
    assert.equal((await passing(one.peers.request(2, 'echo', body('on time'), 5_000))).toString(), 'on time')
    await rejectsWith(one.peers.request(9, 'echo', body(''), 5_000), 'BROKER_NOT_AVAILABLE', /broker 9/)
    await until('nothing else happens', () => true)
  },

  'requests that wait are rejected when their peer is gone': async (cluster) => {
    const [one, two] = await cluster.pair()
    two.listener.handlers.set('never', () => new Promise(() => undefined))
    const asked = one.peers.request(2, 'never', body(''), 60_000)
    const rejected = rejectsWith(asked, 'BROKER_NOT_AVAILABLE', /broker 2/)
    await cluster.subject.passing(two.peers.close())
    await cluster.subject.passing(rejected)
    await cluster.subject.until('it is down', () => !one.peers.isUp(2))
    assert.deepEqual(one.listener.events, ['up 2', 'down 2'])
  },

  'whoever listens at an address can be asked, a stranger too, and is named': async (cluster) => {
    const [one, two] = [await cluster.add(1, { clusterId: null }), await cluster.add(2)]
    const { passing, nowhere } = cluster.subject
    const asked = one.peers.requestAt(two.peers.address, 'echo', body('join?'), 5_000)
    const { body: answer, peer } = await passing(asked)
    assert.equal(answer.toString(), 'join?')
    assert.deepEqual(peer, two.identity)
    const nobody = one.peers.requestAt(nowhere, 'echo', body(''), 5_000)
    await rejectsWith(passing(nobody), 'BROKER_NOT_AVAILABLE', new RegExp(String(nowhere.port)))
    two.listener.handlers.set('never', () => new Promise(() => undefined))
    const unanswered = one.peers.requestAt(two.peers.address, 'never', body(''), 100)
    await rejectsWith(passing(unanswered), 'REQUEST_TIMED_OUT', /never within 100 ms/)
    const unknown = one.peers.requestAt(two.peers.address, 'unheard', body(''), 5_000)
    await rejectsWith(passing(unknown), 'INVALID_REQUEST', /unheard/)
    assert.deepEqual([one.listener.events, two.listener.events], [[], []])
  },

  'news reaches all peers that are up, or one, in order': async (cluster) => {
    const members = [await cluster.add(1), await cluster.add(2), await cluster.add(3)] as const
    await cluster.connect(...members)
    const [one, two, three] = members
    for (let index = 0; index < 50; index++) one.peers.news('leader', body(String(index)))
    one.peers.news('only', body('you'), 3)
    await cluster.subject.until('all have come', () => two.listener.news.length + three.listener.news.length === 101)
    const inOrder = Array.from({ length: 50 }, (_, index) => ['leader', String(index), 1])
    assert.deepEqual(two.listener.news, inOrder)
    assert.deepEqual(three.listener.news, [...inOrder, ['only', 'you', 1]])
  },

  'another cluster is refused on either side, with the reason': async (cluster) => {
    const [one, two] = [await cluster.add(1, { clusterId: 'a' }), await cluster.add(2, { clusterId: 'b' })]
    const asked = one.peers.requestAt(two.peers.address, 'echo', body(''), 5_000)
    await rejectsWith(cluster.subject.passing(asked), 'INCONSISTENT_CLUSTER_ID', /cluster/)
    one.peers.setPeers(new Map([[2, two.peers.address]]))
    await cluster.subject.passing(one.peers.requestAt(two.peers.address, 'echo', body(''), 300).catch(() => null))
    assert.deepEqual([one.peers.isUp(2), one.listener.events, two.listener.events], [false, [], []])
  },

  'a broker does not talk to itself, nor to another with its id': async (cluster) => {
    const [one, twin] = [await cluster.add(1), await cluster.add(1, { directoryId: 'other' })]
    const { passing } = cluster.subject
    const itself = one.peers.requestAt(one.peers.address, 'echo', body(''), 5_000)
    await rejectsWith(passing(itself), 'BROKER_NOT_AVAILABLE', /connected to itself/)
    const other = one.peers.requestAt(twin.peers.address, 'echo', body(''), 5_000)
    await rejectsWith(passing(other), 'BROKER_NOT_AVAILABLE', /two brokers have the id 1/)
  },

  'who must answer at an address is checked; a refusal of the listener is told': async (cluster) => {
    const [one, two] = [await cluster.add(1), await cluster.add(2)]
    one.peers.setPeers(new Map([[3, two.peers.address]]))
    two.listener.refuse = ({ brokerId }) => `broker ${brokerId} was removed from the cluster`
    const asked = one.peers.requestAt(two.peers.address, 'echo', body(''), 5_000)
    await rejectsWith(cluster.subject.passing(asked), 'BROKER_NOT_AVAILABLE', /was removed from the cluster/)
    assert.equal(one.peers.isUp(3), false)
  },

  'a peer that goes and comes back is down and up again; messages flow again': async (cluster) => {
    const [one, two] = await cluster.pair()
    await cluster.subject.passing(two.peers.close())
    await cluster.subject.until('it is down', () => !one.peers.isUp(2))
    const again = await cluster.add(2, { runs: ['first', 'second'] })
    one.peers.setPeers(new Map([[2, again.peers.address]]))
    await cluster.subject.until('it is up', () => one.peers.isUp(2))
    one.peers.send(heartbeat(GROUP, ROUTE))
    await cluster.subject.until('it has come', () => again.listener.messages.length === 1)
    assert.deepEqual(one.listener.events, ['up 2', 'down 2', 'up 2'])
  },

  'a peer that is none any more is dropped, and told as down after the call': async (cluster) => {
    const [one, two] = await cluster.pair()
    one.peers.setPeers(new Map())
    assert.deepEqual([one.peers.isUp(2), one.listener.events], [false, ['up 2']])
    await cluster.subject.until('it is told', () => one.listener.events.length === 2)
    assert.deepEqual(one.listener.events, ['up 2', 'down 2'])
    await rejectsWith(one.peers.request(2, 'echo', body(''), 1_000), 'BROKER_NOT_AVAILABLE', /broker 2/)
    one.peers.setPeers(new Map([[2, two.peers.address]]))
    await cluster.subject.until('it is up again', () => one.peers.isUp(2))
  },

  'a broker that has joined a cluster presents itself anew': async (cluster) => {
    const [one, two] = [await cluster.add(1, { clusterId: null }), await cluster.add(2)]
    await cluster.connect(one, two)
    one.identity = { ...one.identity, clusterId: 'c' }
    one.peers.announce()
    await cluster.subject.until('it is known', () => {
      one.peers.send(heartbeat(GROUP, ROUTE))
      return two.listener.askedBy.at(-1)?.clusterId === 'c'
    })
    assert.deepEqual(one.listener.events, ['up 2'])
  },

  'peers may be named before the beginning; after the end nothing happens': async (cluster) => {
    const two = await cluster.add(2)
    const listener = new RecordingPeerListener()
    const peers = await cluster.subject.create(() => identityOf(1))
    peers.setPeers(new Map([[2, two.peers.address]]))
    peers.begin(listener)
    await cluster.subject.until('it is up', () => peers.isUp(2))
    const asked = rejectsWith(peers.requestAt(two.peers.address, 'never', body(''), 60_000), 'SHUTTING_DOWN', /stops/)
    two.listener.handlers.set('never', () => new Promise(() => undefined))
    await cluster.subject.passing(peers.close())
    await cluster.subject.passing(asked)
    peers.send(heartbeat(GROUP, ROUTE))
    peers.news('leader', body(''))
    await cluster.subject.passing(peers.close())
    await rejectsWith(peers.request(2, 'echo', body(''), 1_000), 'BROKER_NOT_AVAILABLE', /broker 2/)
    assert.deepEqual(listener.events, ['up 2'])
    assert.deepEqual(listener.unsent, [])
  },
}

/** Frames that carry Raft messages. */
function frames({ peers }: Member): number {
  return peers.stats.raftFramesSent
}

const ONE_FRAME_EACH = { sent: 1, answered: 1 }
