import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import {
  decodeStatusDetails,
  HealthService,
  InvariantError,
  ProduceService,
  type RpcMethod,
  STATUS_DETAILS_KEY,
  StratalogError,
} from '@stratalog/proto'
import { createLogger } from '../../observability/logger.ts'
import { StartupError } from '../../startup-error.ts'
import { GrpcServer } from './grpc-server.ts'
import { CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES } from './http2-windows.ts'

const WAIT_MS = 10_000

async function start(t: TestContext, limits: { connectionsMax?: number; messageBytesMax?: number } = {}) {
  const broken: InvariantError[] = []
  const server = new GrpcServer({
    limits: {
      connectionsMax: limits.connectionsMax ?? 2000,
      streamsPerConnectionMax: 100,
      messageBytesMax: limits.messageBytesMax ?? 64 << 20,
      produceUnansweredBytes: 1 << 20,
      fetchOutstandingBytes: 1 << 20,
    },
    logger: createLogger({ level: 'silent', brokerId: 1 }),
    onInvariantBroken: (error) => broken.push(error),
  })
  const { host, port } = await server.listen('127.0.0.1', 0)
  server.admit()
  t.after(() => server.stop(0))
  const client = (options = {}) => {
    const created = new Client(`${host}:${port}`, credentials.createInsecure(), options)
    t.after(() => created.close())
    return created
  }
  return { server, host, port, client, broken }
}

async function waitFor(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + WAIT_MS
  while (!condition()) {
    assert.ok(Date.now() < deadline, `${what} did not happen`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function call<RequestIn, ResponseOut>(
  client: Client,
  method: RpcMethod<RequestIn, unknown, never, ResponseOut>,
  request: RequestIn,
): Promise<ResponseOut> {
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest<RequestIn, ResponseOut>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      { deadline: Date.now() + WAIT_MS },
      (error, response) => (error ? reject(error) : resolve(response as ResponseOut)),
    ),
  )
}

function detailsOf(error: unknown): StratalogError {
  const [packed] = (error as ServiceError).metadata.get(STATUS_DETAILS_KEY)
  const decoded = decodeStatusDetails(packed as Buffer)
  assert.ok(decoded)
  return decoded
}

test('a client may send the whole window of a stream, and of a connection, before anything is read', async (t) => {
  const { server, host, port } = await start(t)
  server.bidirectional(ProduceService.produceStream, (stream) => stream.pause())
  const session = connectHttp2(`http://${host}:${port}`)
  t.after(() => session.destroy())
  await once(session, 'remoteSettings')
  assert.equal(session.remoteSettings.initialWindowSize, STREAM_WINDOW_BYTES)
  // The connection's window comes in a frame of its own, after the settings.
  await waitFor(() => (session.state.remoteWindowSize ?? 0) === CONNECTION_WINDOW_BYTES, 'the open connection window')
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: ProduceService.produceStream.path,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  stream.on('error', () => {})
  const messageBytes = STREAM_WINDOW_BYTES - 5
  const frame = Buffer.alloc(STREAM_WINDOW_BYTES)
  frame.writeUInt32BE(messageBytes, 1)
  // The message is never complete on the server's side before all of it was sent: nothing but the window lets it go.
  await new Promise((resolve) => stream.write(frame, resolve))
  assert.ok((session.state.remoteWindowSize ?? 0) <= CONNECTION_WINDOW_BYTES - STREAM_WINDOW_BYTES + 65_535)
})

test('a paused stream reads one message ahead at most', async (t) => {
  const { server, client } = await start(t)
  let readCount = 0
  server.bidirectional(ProduceService.produceStream, (stream) => {
    stream.onMessage(() => {
      readCount++
      stream.pause()
    })
  })
  const { path, requestSerialize, responseDeserialize } = ProduceService.produceStream
  const duplex = client().makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
  duplex.on('error', () => {})
  for (let i = 0; i < 100; i++) duplex.write({ timeoutMs: i })
  await waitFor(() => readCount > 0, 'the first message')
  for (let i = 0; i < 50; i++) await nextTurn()
  assert.ok(readCount <= 2, `${readCount} messages were read`)
  duplex.cancel()
})

test('errors: ours keep their name, others are named, a broken invariant is reported', async (t) => {
  const { server, client, broken } = await start(t)
  const failures: unknown[] = [
    new StratalogError('OVERLOADED', 'too much', { metadata: { limit: '5' } }),
    new TypeError('surprise'),
    new InvariantError('1 != 2'),
  ]
  server.unary(HealthService.check, () => {
    throw failures.shift()
  })
  const ask = () => call(client(), HealthService.check, {}).catch((error: unknown) => error)
  const ours = await ask()
  assert.equal((ours as ServiceError).code, 8)
  assert.equal(detailsOf(ours).code, 'OVERLOADED')
  assert.deepEqual(detailsOf(ours).metadata, { limit: '5' })
  const other = await ask()
  assert.equal((other as ServiceError).code, 13)
  assert.equal(detailsOf(other).code, 'UNKNOWN_SERVER_ERROR')
  assert.equal(broken.length, 0)
  assert.equal(detailsOf(await ask()).code, 'UNKNOWN_SERVER_ERROR')
  assert.equal(broken.length, 1)
})

test('a request that is not protobuf is INVALID_REQUEST, one over the limit RESOURCE_EXHAUSTED', async (t) => {
  const { server, client } = await start(t, { messageBytesMax: 100_000 })
  server.unary(HealthService.check, () => ({ status: 1 }))
  server.bidirectional(ProduceService.produceStream, (stream) => stream.onMessage(() => stream.end()))
  const garbage = { ...HealthService.check, requestSerialize: () => Buffer.from([0x0a, 0xff, 0xff, 0xff]) }
  const error = await call(client(), garbage, {}).catch((thrown: unknown) => thrown)
  assert.equal(detailsOf(error).code, 'INVALID_REQUEST')
  const large = { ...HealthService.check, requestSerialize: () => Buffer.alloc(200_000) }
  const refused = await call(client(), large, {}).catch((thrown: unknown) => thrown)
  assert.equal((refused as ServiceError).code, 8)
  const { path, responseDeserialize } = ProduceService.produceStream
  const duplex = client().makeBidiStreamRequest(path, () => Buffer.from([0x1a, 0x7f, 1]), responseDeserialize)
  duplex.write({})
  const [streamError] = (await once(duplex, 'error')) as [ServiceError]
  assert.equal(detailsOf(streamError).code, 'INVALID_REQUEST')
  assert.equal((await call(client(), HealthService.check, {})).status, 1)
})

test('a port in use is an error that names it', async (t) => {
  const { port } = await start(t)
  const second = new GrpcServer({
    limits: {
      connectionsMax: 1,
      streamsPerConnectionMax: 1,
      messageBytesMax: 1,
      produceUnansweredBytes: 1,
      fetchOutstandingBytes: 1,
    },
    logger: createLogger({ level: 'silent', brokerId: 2 }),
    onInvariantBroken: () => {},
  })
  await assert.rejects(second.listen('127.0.0.1', port), (error) => {
    assert.ok(error instanceof StartupError)
    assert.equal(error.code, 'PORT_IN_USE')
    assert.match(error.message, new RegExp(`port ${port} on 127\\.0\\.0\\.1`))
    return true
  })
  await second.stop(0)
})

test('connections over the limit are closed at once; dropped ones are forgotten', async (t) => {
  const { server, host, port } = await start(t, { connectionsMax: 3 })
  const sockets = Array.from({ length: 5 }, () => connectTcp(port, host))
  let closedCount = 0
  for (const socket of sockets) {
    socket.on('error', () => {})
    socket.on('close', () => closedCount++)
    socket.resume()
  }
  await waitFor(() => closedCount === 2, 'the refusal of two')
  assert.equal(server.connections.size, 3)
  for (const socket of sockets) socket.destroy()
  await waitFor(() => server.connections.size === 0, 'forgetting')
})

test('bytes that are no HTTP/2 close their connection and nothing else', async (t) => {
  const { server, client, host, port } = await start(t)
  server.unary(HealthService.check, () => ({ status: 1 }))
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  const attacks = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(100_000, 0xff),
    Buffer.concat([preface, Buffer.alloc(50_000, 0xff)]),
    Buffer.concat([preface, Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]), Buffer.alloc(9, 9)]),
    Buffer.from([0]),
  ]
  for (const bytes of attacks) {
    const socket = connectTcp(port, host)
    socket.on('error', () => {})
    socket.resume()
    socket.end(bytes)
    await once(socket, 'close')
  }
  assert.equal((await call(client(), HealthService.check, {})).status, 1)
})

test('who connects before the broker is ready is served once it is', async (t) => {
  const server = new GrpcServer({
    limits: {
      connectionsMax: 10,
      streamsPerConnectionMax: 10,
      messageBytesMax: 1 << 20,
      produceUnansweredBytes: 1,
      fetchOutstandingBytes: 1,
    },
    logger: createLogger({ level: 'silent', brokerId: 1 }),
    onInvariantBroken: () => {},
  })
  let isReady = false
  server.unary(HealthService.check, () => {
    assert.ok(isReady)
    return { status: 1 }
  })
  const { host, port } = await server.listen('127.0.0.1', 0)
  t.after(() => server.stop(0))
  const client = new Client(`${host}:${port}`, credentials.createInsecure())
  t.after(() => client.close())
  const answer = call(client, HealthService.check, {})
  await waitFor(() => server.connections.size === 1, 'the connection')
  isReady = true
  server.admit()
  assert.equal((await answer).status, 1)
})
