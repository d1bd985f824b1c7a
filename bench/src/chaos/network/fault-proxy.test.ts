import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { FaultProxy } from './fault-proxy.ts'
import { between, isolated, majoritiesRing, oneWay } from './link-rules.ts'
import { helloBrokerId } from './peer-hello.ts'

/** A frame as brokers begin with, by hand: PeerFrame{hello: PeerHello{protocol_version: 1, broker_id}}. */
function hello(brokerId: number): Buffer {
  const varint = brokerId < 128 ? [brokerId] : [(brokerId & 0x7f) | 0x80, brokerId >> 7]
  const message = Buffer.from([0x08, 1, 0x1a, 1, 0x63, ...(brokerId === 0 ? [] : [0x20, ...varint])])
  const header = Buffer.concat([Buffer.from([0x0a, message.length]), message])
  const prefix = Buffer.alloc(8)
  prefix.writeUInt32BE(4 + header.length, 0)
  prefix.writeUInt32BE(header.length, 4)
  return Buffer.concat([prefix, header])
}

/** Says back what it hears, in upper case. */
let echo: Server
let proxy: FaultProxy
const sockets: Socket[] = []

before(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => socket.write(bytes.toString('latin1').toUpperCase(), 'latin1'))
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const { port } = echo.address() as AddressInfo
  proxy = await FaultProxy.start([{ brokerId: 2, listenPort: 0, port }])
})
beforeEach(() => proxy.setRules([]))
after(async () => {
  for (const socket of sockets) socket.destroy()
  await proxy.close()
  echo.close()
})

async function peer(brokerId: number): Promise<{ socket: Socket; heard: () => string }> {
  const socket = connect(proxy.portOf(2), '127.0.0.1')
  sockets.push(socket)
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
  })
  await once(socket, 'connect')
  socket.write(hello(brokerId))
  return { socket, heard: () => text }
}

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5000
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, 'the condition was not met in 5 s')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

test('the hello tells who connects, whole or in pieces', () => {
  for (const brokerId of [0, 1, 127, 300]) {
    const bytes = hello(brokerId)
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(helloBrokerId(bytes.subarray(0, length)), 'more')
    }
    assert.equal(helloBrokerId(Buffer.concat([bytes, Buffer.from('more follows')])), brokerId)
  }
  assert.equal(helloBrokerId(Buffer.from('GET / HTTP/1.1\r\n')), 'unknown')
})

test('without rules bytes pass both ways', async () => {
  const { socket, heard } = await peer(1)
  socket.write('abc')
  await until(() => heard().endsWith('ABC'))
})

test('a cut link holds bytes back until it heals; the other direction goes on', async () => {
  const one = await peer(1)
  const three = await peer(3)
  await until(() => one.heard() !== '' && three.heard() !== '')
  proxy.setRules(oneWay(1, [1, 2, 3], 'in', { isCut: true }))
  one.socket.write('held')
  three.socket.write('free')
  await until(() => three.heard().endsWith('FREE'))
  assert.ok(!one.heard().endsWith('HELD'))
  proxy.setRules([])
  await until(() => one.heard().endsWith('HELD'))
})

test('the end of a connection does not pass a cut link', async () => {
  const { socket, heard } = await peer(1)
  await until(() => heard() !== '')
  const connections = () => new Promise<number>((resolve) => echo.getConnections((_, count) => resolve(count)))
  const countBefore = await connections()
  proxy.setRules(between([1], [2], { isCut: true }))
  socket.destroy()
  await once(socket, 'close')
  assert.equal(await connections(), countBefore)
  proxy.setRules([])
  let count = countBefore
  await until(() => {
    void connections().then((now) => {
      count = now
    })
    return count === countBefore - 1
  })
})

test('a refused link breaks what is open and lets nothing new in', async () => {
  const { socket, heard } = await peer(1)
  await until(() => heard() !== '')
  proxy.setRules(between([1], [2], { isRefused: true }))
  await until(() => socket.destroyed)
  const again = await peer(1)
  await until(() => again.socket.destroyed)
})

test('a slow link delays and keeps the order', async () => {
  const { socket, heard } = await peer(1)
  await until(() => heard() !== '')
  proxy.setRules([{ from: 1, to: 2, rule: { delayMs: 40, jitterMs: 20 } }])
  const startedMs = performance.now()
  for (const letter of 'abcdef') {
    socket.write(letter)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until(() => heard().endsWith('ABCDEF'))
  assert.ok(performance.now() - startedMs >= 38)
})

test('shapes: isolation, one way, rings of majorities', () => {
  const pairs = (faults: readonly { from: number; to: number }[]) =>
    faults.map(({ from, to }) => `${from}>${to}`).sort()
  assert.deepEqual(pairs(isolated(1, [1, 2, 3], {})), ['1>2', '1>3', '2>1', '3>1'])
  assert.deepEqual(pairs(oneWay(1, [1, 2, 3], 'out', {})), ['1>2', '1>3'])
  assert.deepEqual(pairs(oneWay(1, [1, 2, 3], 'in', {})), ['2>1', '3>1'])
  assert.deepEqual(pairs(majoritiesRing([3, 1, 2], {})), ['1>3', '3>1'])
  const ring = pairs(majoritiesRing([1, 2, 3, 4, 5], {}))
  assert.equal(ring.length, 10)
  for (const from of [1, 2, 3, 4, 5]) {
    assert.equal(ring.filter((pair) => pair.startsWith(`${from}>`)).length, 2, 'each hears itself and two others')
  }
})
