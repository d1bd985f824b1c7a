import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer, type Socket, type Server as TcpServer } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Metadata, type ServerDuplexStream, type sendUnaryData } from '@grpc/grpc-js'
import {
  encodeStatusDetails,
  isStratalogError,
  MetadataService,
  ProduceService,
  STATUS_DETAILS_KEY,
  StratalogError,
  type stratalog,
} from '@stratalog/proto'
import { createClient } from '../client.ts'
import { freeFrame } from '../frame-memory.ts'
import { startWireServer } from './wire-server.ts'

const { describeCluster } = MetadataService
const { produceStream } = ProduceService

type Reply = sendUnaryData<object>
type ProduceCall = ServerDuplexStream<stratalog.v1.ProduceRequest, stratalog.v1.ProduceResponse.$Properties>

const answers = { method: describeCluster, handler: (_: unknown, reply: Reply) => reply(null, { clusterId: 'one' }) }

function acknowledge(call: ProduceCall): void {
  call.on('data', (request: stratalog.v1.ProduceRequest) => {
    call.write({
      acks: request.batches.map((batch) => ({
        correlationId: batch.correlationId ?? 0,
        baseOffset: batch.recordBatch?.length ?? 0,
      })),
    })
  })
  call.on('end', () => call.end())
  call.on('error', () => {})
}

test('a call answers, and the error in a trailer becomes the broker`s own', async () => {
  const error = new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', 'topic nope does not exist', { topic: 'nope' })
  const metadata = new Metadata()
  metadata.set(STATUS_DETAILS_KEY, encodeStatusDetails(error))
  const server = await startWireServer([
    answers,
    {
      method: MetadataService.describeTopics,
      handler: (_: unknown, reply: Reply) => reply({ code: 5, details: 'x', metadata }),
    },
  ])
  await using client = createClient({ bootstrap: server.bootstrap })
  try {
    assert.equal((await client.call(describeCluster, {})).clusterId, 'one')
    await assert.rejects(
      client.call(MetadataService.describeTopics, {}),
      (thrown) => isStratalogError(thrown, 'UNKNOWN_TOPIC_OR_PARTITION') && thrown.topic === 'nope',
    )
  } finally {
    server.stop()
  }
})

test('a call ends at its deadline, at its signal, and when the client is closed', async () => {
  const server = await startWireServer([{ method: describeCluster, handler: () => {} }])
  const client = createClient({ bootstrap: server.bootstrap })
  try {
    await assert.rejects(client.call(describeCluster, {}, { timeoutMs: 100 }), { code: 'REQUEST_TIMED_OUT' })
    await assert.rejects(client.call(describeCluster, {}, { signal: AbortSignal.timeout(50) }), { code: 'CANCELLED' })
    await assert.rejects(client.call(describeCluster, {}, { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
    const pending = assert.rejects(client.call(describeCluster, {}), { code: 'CLIENT_CLOSED' })
    await client.close()
    await pending
    await assert.rejects(client.call(describeCluster, {}), { code: 'CLIENT_CLOSED' })
  } finally {
    await client.close()
    server.stop()
  }
})

test('a broker that is down is named; the next of the list is asked instead', async () => {
  const server = await startWireServer([answers])
  const port = await closedPort()
  await using lonely = createClient({ bootstrap: `127.0.0.1:${port}` })
  await assert.rejects(lonely.call(describeCluster, {}), (error) => {
    assert.ok(isStratalogError(error, 'BROKER_NOT_AVAILABLE'))
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`))
    return true
  })
  await using client = createClient({ bootstrap: [`127.0.0.1:${port}`, server.bootstrap] })
  assert.equal((await client.call(describeCluster, {})).clusterId, 'one')
  server.stop()
})

test('a host that accepts and says nothing fails within connectTimeoutMs', async () => {
  const sockets = new Set<Socket>()
  const mute = createServer((socket) => {
    sockets.add(socket.resume())
    socket.once('error', () => {}).once('close', () => sockets.delete(socket))
  })
  const port = await listen(mute)
  await using client = createClient({ bootstrap: `127.0.0.1:${port}`, connectTimeoutMs: 300 })
  const startedMs = Date.now()
  await assert.rejects(client.call(describeCluster, {}), { code: 'BROKER_NOT_AVAILABLE' })
  assert.ok(Date.now() - startedMs < 2_000)
  await waitFor(async () => sockets.size === 0)
  mute.close()
})

test('a stream carries gathered messages larger than any window, bounded in bytes, in order', async () => {
  const server = await startWireServer([{ method: produceStream, handler: acknowledge }])
  await using client = createClient({ bootstrap: server.bootstrap })
  const received: number[] = []
  const done = deferred<StratalogError | null>()
  const stream = client.openStream(produceStream, client.options.bootstrap[0]!, 'produce', {
    onMessage: (message) => received.push(...message.acks.map((ack) => ack.correlationId ?? -1)),
    onEnd: done.resolve,
  })
  const recordBatch = Buffer.alloc(1024 * 1024, 7)
  let waits = 0
  for (let correlationId = 0; correlationId < 24; correlationId++) {
    const room = stream.write({ batches: [{ correlationId, topic: 't', recordBatch }] }, recordBatch.length)
    assert.ok(stream.unwrittenBytes <= 5 * recordBatch.length)
    if (!room) {
      waits++
      await stream.drained()
    }
  }
  stream.end()
  assert.equal(await done.promise, null)
  assert.deepEqual(
    received,
    Array.from({ length: 24 }, (_, index) => index),
  )
  assert.ok(waits > 0)
  server.stop()
})

test('frames are told once each and can be freed when the broker has answered', async () => {
  const server = await startWireServer([{ method: produceStream, handler: acknowledge }])
  await using client = createClient({ bootstrap: server.bootstrap })
  const frames: Uint8Array[] = []
  const received: number[] = []
  let answered: () => void = () => {}
  const stream = client.openStream(produceStream, client.options.bootstrap[0]!, 'produce', {
    onMessage: (message) => {
      received.push(...message.acks.map((ack) => ack.baseOffset ?? -1))
      answered()
    },
    onEnd: () => {},
  })
  for (const bytes of [100_000, 300_000, 10]) {
    const written = deferred<void>()
    const answer = deferred<void>()
    answered = answer.resolve
    const recordBatch = Buffer.alloc(bytes)
    const listeners = { onWritten: written.resolve, onFramed: (frame: Uint8Array) => void frames.push(frame) }
    stream.write({ batches: [{ correlationId: 1, topic: 't', recordBatch }] }, bytes, listeners)
    await Promise.all([written.promise, answer.promise])
    const frame = frames.at(-1)!
    assert.ok(frame.length > bytes && frame.length < bytes + 100)
    freeFrame(frame)
    assert.equal(frame.length === 0, bytes > 64 * 1024, 'small frames share their memory and are left alone')
  }
  assert.deepEqual(received, [100_000, 300_000, 10])
  assert.equal(frames.length, 3)
  stream.close()
  server.stop()
})

test('a broken stream says so once, and the same client reaches the broker when it is back', async () => {
  let server = await startWireServer([answers, { method: produceStream, handler: acknowledge }])
  await using client = createClient({ bootstrap: server.bootstrap })
  assert.equal((await client.call(describeCluster, {})).clusterId, 'one')
  const ends: (StratalogError | null)[] = []
  const opened = deferred<void>()
  const ended = deferred<void>()
  client.openStream(produceStream, client.options.bootstrap[0]!, 'produce', {
    onMessage: () => {},
    onOpen: opened.resolve,
    onEnd: (error) => {
      ends.push(error)
      ended.resolve()
    },
  })
  await opened.promise
  server.stop()
  await ended.promise
  assert.equal(ends[0]?.code, 'NETWORK_EXCEPTION')
  server = await startWireServer([answers], server.port)
  await waitFor(async () => {
    const answer = await client.call(describeCluster, {}).catch(() => null)
    return answer?.clusterId === 'one'
  })
  assert.equal(ends.length, 1)
  server.stop()
})

test('close ends streams with CLIENT_CLOSED and the process exits by itself', async () => {
  const server = await startWireServer([answers, { method: produceStream, handler: acknowledge }])
  const program = `
    const { createClient } = await import(${JSON.stringify(new URL('../index.ts', import.meta.url).href)})
    const { MetadataService, ProduceService } = await import('@stratalog/proto')
    const client = createClient({ bootstrap: '${server.bootstrap}' })
    await client.call(MetadataService.describeCluster, {})
    const ended = new Promise((resolve) => client.openStream(ProduceService.produceStream,
      client.options.bootstrap[0], 'produce', { onMessage() {}, onOpen: () => client.close(), onEnd: resolve }))
    console.log((await ended).code)`
  const child = spawn(process.execPath, ['--conditions=typescript-source', '--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 10_000,
  })
  const [output, exitCode] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    new Promise((resolve) => child.once('exit', resolve)),
  ])
  assert.equal(output.join('').trim(), 'CLIENT_CLOSED')
  assert.equal(exitCode, 0)
  server.stop()
})

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

function listen(server: TcpServer): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
}

async function closedPort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 10_000
  while (!(await condition())) {
    assert.ok(Date.now() < deadlineMs, 'condition not met in time')
    await new Promise((resolve) => setImmediate(resolve))
  }
}
