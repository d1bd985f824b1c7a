/** What only a real network has: sockets that break, fill up, fall silent, and strangers that say what nobody asked for. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { isStratalogError } from '@stratalog/proto'
import fc from 'fast-check'
import pino from 'pino'
import { StartupError } from '../../startup-error.ts'
import { dataBatch } from '../../testing/batches.ts'
import { appendMessage, groupOf, heartbeat } from '../../testing/raft-messages.ts'
import { RawListener, RawPeer, rawHello, rawIdentity } from '../../testing/raw-peer.ts'
import { RecordingPeerListener } from '../../testing/recording-peer-listener.ts'
import { waitFor } from '../../testing/wire-client.ts'
import { encodeFrame } from '../frame-codec.ts'
import type { PeerLimits } from './peer-limits.ts'
import { TcpPeers } from './tcp-peers.ts'

const GROUP = groupOf(1, 0)
const ROUTE = { from: 1, to: 2 }
const MIB = 1024 * 1024

interface Subject {
  readonly peers: TcpPeers
  readonly listener: RecordingPeerListener
  /** Reasons in the log. */
  readonly reasons: string[]
}

async function start(t: TestContext, brokerId: number, limits: Partial<PeerLimits> = {}): Promise<Subject> {
  const reasons: string[] = []
  const logger = pino(
    { level: 'warn' },
    { write: (line: string) => void reasons.push(JSON.parse(line).reason ?? line) },
  )
  const identity = () => rawIdentity(brokerId)
  const peers = await TcpPeers.start({ host: '127.0.0.1', port: 0, identity, logger, random: Math.random, limits })
  const listener = new RecordingPeerListener()
  peers.begin(listener)
  t.after(() => peers.close())
  return { peers, listener, reasons }
}

async function shaken(subject: Subject, brokerId: number, channel: 'control' | 'bulk' = 'control'): Promise<RawPeer> {
  const raw = await RawPeer.dial(subject.peers.address)
  raw.say(rawHello(rawIdentity(brokerId), channel))
  await raw.heard('hello')
  return raw
}

/** A broker 2 that shakes hands; what it does then is the test's. */
async function rawBroker(t: TestContext, onPing: (peer: RawPeer) => void): Promise<RawListener> {
  const listener = await RawListener.start((peer) => {
    peer.say(rawHello(rawIdentity(2), null))
    let answered = 0
    peer.socket.on('data', () => {
      const pings = peer.frames.filter(({ kind }) => kind === 'ping').length
      for (; answered < pings; answered++) onPing(peer)
    })
  })
  t.after(() => listener.close())
  return listener
}

test('a port in use and a foreign address keep a broker from starting, and say so', async (t) => {
  const { peers } = await start(t, 1)
  const logger = pino({ level: 'silent' })
  const startAt = (host: string, port: number) =>
    TcpPeers.start({ host, port, identity: () => rawIdentity(2), logger, random: Math.random })
  await assert.rejects(startAt('127.0.0.1', peers.address.port), (error) => {
    assert.ok(error instanceof StartupError)
    assert.equal(error.code, 'PORT_IN_USE')
    assert.match(error.message, new RegExp(String(peers.address.port)))
    return true
  })
  await assert.rejects(
    startAt('192.0.2.1', 0),
    (error) => error instanceof StartupError && error.code === 'LISTEN_FAILED',
  )
})

test('strangers are refused with a reason in the log; brokers still get in', async (t) => {
  const subject = await start(t, 1, { handshakeTimeoutMs: 300 })
  const prefix = (lengthBytes: number, headerBytes: number) => {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32BE(lengthBytes, 0)
    bytes.writeUInt32BE(headerBytes, 4)
    return bytes
  }
  const cases: [RegExp, Buffer][] = [
    [/exceeds the limit/, Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    [/frame of 69996 bytes exceeds the limit of 65536/, prefix(70_000, 10)],
    [/claims a header of 60/, prefix(50, 60)],
    [/header is damaged/, Buffer.concat([prefix(7, 3), Buffer.from('ffffff', 'hex')])],
    [/a header that says nothing/, prefix(4, 0)],
    [/a frame of kind ping came before a hello/, encodeFrame({ kind: 'ping' }).head],
    [/does not say what it is for/, encodeFrame(rawHello(rawIdentity(2), null)).head],
    [/another|two brokers have the id 1/, encodeFrame(rawHello(rawIdentity(1, { directoryId: 'x' }), 'control')).head],
    [/connected to itself/, encodeFrame(rawHello(rawIdentity(1), 'control')).head],
    [/belongs to cluster z/, encodeFrame(rawHello(rawIdentity(2, { clusterId: 'z' }), 'bulk')).head],
    [
      /protocol version 9 is not spoken here/,
      encodeFrame({ kind: 'hello', hello: { protocolVersion: 9, channel: 'control', identity: rawIdentity(2) } }).head,
    ],
    [/no hello within 300 ms/, Buffer.alloc(0)],
  ]
  for (const [reason, bytes] of cases) {
    const raw = await RawPeer.dial(subject.peers.address)
    raw.socket.write(bytes)
    await raw.closed()
    await waitFor(() => subject.reasons.some((each) => reason.test(each)), `${reason} in ${subject.reasons.join('; ')}`)
  }
  assert.deepEqual((await shaken(subject, 2)).frames.length, 1)
  assert.deepEqual(subject.listener.events, [])
})

test('whoever is refused is told why', async (t) => {
  const subject = await start(t, 1)
  const raw = await RawPeer.dial(subject.peers.address)
  raw.say(rawHello(rawIdentity(2, { clusterId: 'z' }), 'control'))
  const refusal = await raw.heard('refusal')
  assert.match(refusal.reason, /broker 2 belongs to cluster z, broker 1 to c/)
  assert.equal(refusal.code, 'INCONSISTENT_CLUSTER_ID')
})

test('random bytes after a good handshake close the connection and nothing else', async (t) => {
  const subject = await start(t, 1)
  const bytes = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 200 }), { numRuns: 60, seed: 1 })
  for (const [index, each] of bytes.entries()) {
    const raw = await shaken(subject, 2, index % 2 === 0 ? 'control' : 'bulk')
    const framed = Buffer.alloc(8 + each.length)
    framed.writeUInt32BE(4 + each.length, 0)
    framed.writeUInt32BE(index % 3 === 0 ? each.length : index % each.length, 4)
    framed.set(each, 8)
    raw.socket.end(framed)
    await raw.closed()
  }
  const raw = await shaken(subject, 2)
  raw.say({ kind: 'request', id: 7, request: 'echo', body: Buffer.from('still here') })
  assert.equal((await raw.heard('answer')).body.toString(), 'still here')
})

test('messages of nodes of another broker, or for another, are not taken', async (t) => {
  const subject = await start(t, 1)
  for (const route of [
    { from: 3, to: 1 },
    { from: 2, to: 3 },
  ]) {
    const raw = await shaken(subject, 2)
    raw.say({ kind: 'raft', messages: [heartbeat(GROUP, route)] })
    await raw.closed()
  }
  assert.deepEqual(subject.listener.messages, [])
})

test('a second broker under an id that is connected is refused; a newer connection of the same one is not', async (t) => {
  const subject = await start(t, 1)
  const first = await shaken(subject, 2)
  const twin = await RawPeer.dial(subject.peers.address)
  twin.say(rawHello(rawIdentity(2, { directoryId: 'another' }), 'control'))
  assert.match((await twin.heard('refusal')).reason, /two brokers have the id 2/)
  await twin.closed()
  assert.equal(first.isClosed, false)
  await shaken(subject, 2)
  await first.closed()
})

test('connections beyond the limit are closed; when one ends there is room again', async (t) => {
  const subject = await start(t, 1, { connectionsMax: 2 })
  const [first] = [await shaken(subject, 2), await shaken(subject, 3)]
  const third = await RawPeer.dial(subject.peers.address)
  await third.closed()
  first.socket.destroy()
  await waitFor(async () => {
    const again = await RawPeer.dial(subject.peers.address)
    again.say(rawHello(rawIdentity(4), 'control'))
    await waitFor(() => again.isClosed || again.frames.length > 0, 'an answer')
    return !again.isClosed
  }, 'room')
})

test('what comes before the beginning is held until then', async (t) => {
  const logger = pino({ level: 'silent' })
  const options = { host: '127.0.0.1', port: 0, identity: () => rawIdentity(1), logger, random: Math.random }
  const peers = await TcpPeers.start(options)
  t.after(() => peers.close())
  const raw = await RawPeer.dial(peers.address)
  raw.say(rawHello(rawIdentity(2), 'control'))
  peers.begin(new RecordingPeerListener())
  assert.equal((await raw.heard('hello')).hello.identity.brokerId, 1)
})

test('a peer whose sockets break is down at once; one that falls silent, after its time', async (t) => {
  const subject = await start(t, 1, { pingIntervalMs: 20, peerTimeoutMs: 100 })
  let isSilent = false
  const broker = await rawBroker(t, (peer) => {
    if (!isSilent) peer.say({ kind: 'pong' })
  })
  subject.peers.setPeers(new Map([[2, broker.address]]))
  await waitFor(() => subject.peers.isUp(2), 'up')
  const brokeAt = performance.now()
  for (const { socket } of broker.peers) socket.destroy()
  await waitFor(() => !subject.peers.isUp(2), 'down')
  assert.ok(performance.now() - brokeAt < 500)
  await waitFor(() => subject.peers.isUp(2), 'up again')
  isSilent = true
  await waitFor(() => subject.listener.events.length === 4, 'down for silence')
  isSilent = false
  await waitFor(() => subject.peers.isUp(2), 'up again')
  assert.deepEqual(subject.listener.events, ['up 2', 'down 2', 'up 2', 'down 2', 'up 2'])
  assert.ok(subject.reasons.some((reason) => /silent for \d+ ms/.test(reason)))
})

test('a peer that takes no data: appends beyond the limit are told, heartbeats still go', async (t) => {
  const subject = await start(t, 1, { queuedBytesMax: 4 * MIB })
  const broker = await rawBroker(t, (peer) => peer.say({ kind: 'pong' }))
  subject.peers.setPeers(new Map([[2, broker.address]]))
  await waitFor(() => subject.peers.isUp(2), 'up')
  const isBulk = (peer: RawPeer) =>
    peer.frames.some((frame) => frame.kind === 'hello' && frame.hello.channel === 'bulk')
  const bulk = broker.peers.find(isBulk)
  const control = broker.peers.find((peer) => !isBulk(peer))
  assert.ok(bulk && control)
  bulk.socket.pause()
  const append = appendMessage(GROUP, ROUTE, [dataBatch({ baseOffset: 0, valueBytes: MIB })], { prev: 0, term: 1 })
  // The kernels of both sides take some megabytes before anything waits here.
  await waitFor(async () => {
    subject.peers.send(append)
    return subject.listener.unsent.length >= 3
  }, 'no room')
  assert.equal(subject.listener.unsent[0], append)
  subject.peers.send(heartbeat(GROUP, ROUTE))
  const heard = () => control.frames.flatMap((frame) => (frame.kind === 'raft' ? frame.messages : []))
  await waitFor(() => heard().length === 1, 'the heartbeat')
  const { messagesUnsent } = subject.peers.stats
  bulk.socket.resume()
  await waitFor(() => bulk.frames.filter(({ kind }) => kind === 'raft').length > 4, 'the appends')
  subject.peers.send(append)
  await waitFor(() => subject.peers.stats.messagesSent > 0, 'a turn')
  assert.equal(subject.peers.stats.messagesUnsent, messagesUnsent)
})

test('a message larger than the queue goes when nothing else waits', async (t) => {
  const [one, two] = [await start(t, 1, { queuedBytesMax: MIB }), await start(t, 2)]
  one.peers.setPeers(new Map([[2, two.peers.address]]))
  await waitFor(() => one.peers.isUp(2), 'up')
  const append = appendMessage(GROUP, ROUTE, [dataBatch({ baseOffset: 0, valueBytes: 3 * MIB })], { prev: 0, term: 1 })
  one.peers.send(append)
  await waitFor(() => two.listener.messages.length === 1, 'the append')
  assert.deepEqual(one.listener.unsent, [])
})

test('large batches are received in one buffer for a frame, whatever the chunks', async (t) => {
  const [one, two] = [await start(t, 1), await start(t, 2)]
  one.peers.setPeers(new Map([[2, two.peers.address]]))
  await waitFor(() => one.peers.isUp(2), 'up')
  const batches = Array.from({ length: 8 }, (_, index) => dataBatch({ baseOffset: index, valueBytes: 200_000 }))
  one.peers.send(appendMessage(GROUP, ROUTE, batches, { prev: 0, term: 1 }))
  await waitFor(() => two.listener.messages.length === 1, 'the append')
  const [received] = two.listener.messages
  assert.ok(received?.type === 'append')
  assert.deepEqual(
    received.entries.map(({ data }) => data),
    batches,
  )
  assert.equal(new Set(received.entries.map(({ data }) => data?.buffer)).size, 1)
})

test('a turn with very many messages or bytes is cut into frames, in order', async (t) => {
  const limits = { framePayloadBytes: 10_000, frameMessagesMax: 100 }
  const [one, two] = [await start(t, 1, limits), await start(t, 2)]
  one.peers.setPeers(new Map([[2, two.peers.address]]))
  await waitFor(() => one.peers.isUp(2), 'up')
  for (let term = 1; term <= 1_000; term++) one.peers.send(heartbeat(GROUP, ROUTE, term))
  await waitFor(() => two.listener.messages.length === 1_000, 'all')
  assert.deepEqual(
    two.listener.messages.map(({ term }) => term),
    Array.from({ length: 1_000 }, (_, index) => index + 1),
  )
  assert.ok(one.peers.stats.raftFramesSent >= 10)
})

test('a peer that appears is dialled when it dials, not after a pause', async (t) => {
  const one = await start(t, 1, { reconnectMinMs: 60_000, reconnectMaxMs: 60_000 })
  const gone = await start(t, 2)
  const { address } = gone.peers
  await gone.peers.close()
  one.peers.setPeers(new Map([[2, address]]))
  await waitFor(() => one.reasons.some((reason) => /ECONNREFUSED/.test(reason)), 'a failed attempt')
  const logger = pino({ level: 'silent' })
  const two = await TcpPeers.start({ ...address, identity: () => rawIdentity(2), logger, random: Math.random })
  t.after(() => two.close())
  two.begin(new RecordingPeerListener())
  two.setPeers(new Map([[1, one.peers.address]]))
  await waitFor(() => one.peers.isUp(2) && two.isUp(1), 'up')
})

test('requests are bounded: more than may wait are refused', async (t) => {
  const [one, two] = [await start(t, 1, { requestsMax: 3, bodyBytesMax: 1_000 }), await start(t, 2, { requestsMax: 2 })]
  one.peers.setPeers(new Map([[2, two.peers.address]]))
  await waitFor(() => one.peers.isUp(2), 'up')
  two.listener.handlers.set('never', () => new Promise(() => undefined))
  const ask = () => one.peers.request(2, 'never', Buffer.alloc(0), 60_000)
  const overloaded = (error: unknown) => isStratalogError(error, 'OVERLOADED')
  const waiting = [ask(), ask()].map((each) =>
    assert.rejects(each, (error) => isStratalogError(error, 'BROKER_NOT_AVAILABLE')),
  )
  await assert.rejects(ask(), overloaded)
  two.listener.handlers.set('never', () => new Promise(() => undefined))
  const third = ask()
  await assert.rejects(third, overloaded)
  const large = one.peers.request(2, 'echo', Buffer.alloc(1_001), 1_000)
  await assert.rejects(large, (error) => isStratalogError(error, 'MESSAGE_TOO_LARGE'))
  await two.peers.close()
  await Promise.all(waiting)
})

test('a socket that is reset in the middle of a frame does no harm', async (t) => {
  const subject = await start(t, 1)
  for (const bytes of [Buffer.from([0]), encodeFrame(rawHello(rawIdentity(2), 'control')).head.subarray(0, 20)]) {
    const socket = connect(subject.peers.address)
    socket.write(bytes, () => socket.resetAndDestroy())
    await new Promise((resolve) => socket.once('close', resolve))
  }
  await shaken(subject, 2)
})
