/** Bad clients: garbage, floods and silence cost the broker bounded memory and nobody else anything. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  AdminService,
  FetchService,
  isStratalogError,
  ProduceService,
  type RpcMethod,
  type stratalog,
} from '@stratalog/proto'
import { RecordBatchBuilder } from '@stratalog/proto/records'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { KeptRecords } from '../testing/kept-records.ts'
import { WireClient, waitFor } from '../testing/wire-client.ts'

const MIB = 1024 * 1024
const CONNECTION_COUNT = 1000

function batchOfBytes(bytes: number): Buffer {
  const builder = new RecordBatchBuilder()
  builder.append({ key: null, value: Buffer.alloc(bytes, 1), timestamp: 1 })
  return builder.buildSync()
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Samples the memory outside of the heap that buffers in use hold, and knows the most there was above the start. */
class BufferMeter implements Disposable {
  readonly #startBytes = bufferBytes()
  #peakBytes = 0
  sampleCount = 0
  readonly #timer = setInterval(() => {
    this.sampleCount++
    this.#peakBytes = Math.max(this.#peakBytes, bufferBytes() - this.#startBytes)
  }, 100)

  get peakMib(): number {
    return Math.round(this.#peakBytes / MIB)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

function bufferBytes(): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

test('streams that send garbage end with INVALID_REQUEST; other streams go on', async (t) => {
  const kept = await KeptRecords.start(t)
  const good = kept.client.stream(FetchService.fetchStream)
  good.send({ starts: [{ handle: 1, topic: 'kept', offset: 3, creditBytes: MIB }] })
  await good.next((message) => message.data[0], 'the first answer')
  const sendGarbage = async <In, RequestOut, ResponseIn, Out>(
    method: RpcMethod<In, RequestOut, ResponseIn, Out>,
    bytes: Buffer,
    message: In,
  ) => {
    const stream = kept.client.stream({ ...method, requestSerialize: () => bytes })
    stream.send(message)
    assert.ok(isStratalogError(await stream.end(), 'INVALID_REQUEST'), String(stream.ending))
  }
  for (const bytes of [Buffer.alloc(300, 0xff), Buffer.from([0x0a, 0xff, 0x7f]), Buffer.from([0x1a, 0x05, 0x22])]) {
    await sendGarbage(ProduceService.produceStream, bytes, {})
    await sendGarbage(FetchService.fetchStream, bytes, {})
  }
  const emptyBatches = Buffer.alloc(32 * MIB, Buffer.from([0x1a, 0x00]))
  await sendGarbage(ProduceService.produceStream, emptyBatches, {})
  await sendGarbage(FetchService.fetchStream, Buffer.alloc(5 * MIB, Buffer.from([0x0a, 0x00])), {})
  const acks = kept.client.stream(ProduceService.produceStream)
  acks.send({ acks: 77 as stratalog.v1.Acks, batches: [{ topic: 'kept', recordBatch: batchOfBytes(10) }] })
  assert.ok(isStratalogError(await acks.end(), 'INVALID_REQUEST'))
  await kept.assertUnharmed()
  await good.next((message) => message.data.find((data) => (data.recordBatches?.length ?? 0) > 0), 'pushed data')
  good.cancel()
})

test('bytes that are no HTTP/2, and HTTP/2 that is no gRPC', async (t) => {
  const kept = await KeptRecords.start(t)
  const { host, port } = kept.broker.broker.address
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
  const dataOnNoStream = Buffer.from([0, 0, 1, 0, 0, 0, 0, 0, 5, 1])
  const hugeFrame = Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])
  for (const bytes of [
    Buffer.alloc(200_000, 0xfe),
    Buffer.from('POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello'),
    Buffer.concat([preface, Buffer.alloc(1000)]),
    Buffer.concat([preface, settings, dataOnNoStream]),
    Buffer.concat([preface, settings, hugeFrame]),
  ]) {
    const socket = connectTcp(port, host)
    socket.on('error', () => {})
    socket.resume()
    socket.end(bytes)
    await once(socket, 'close')
  }
  const session = connectHttp2(`http://${host}:${port}`)
  session.on('error', () => {})
  const request = session.request({ [constants.HTTP2_HEADER_PATH]: '/', [constants.HTTP2_HEADER_METHOD]: 'GET' })
  const [headers] = (await once(request, 'response')) as [Record<string, unknown>]
  assert.equal(headers[constants.HTTP2_HEADER_STATUS], constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE)
  session.destroy()
  await kept.assertUnharmed()
})

test('1,000 connections opened and dropped, in every state', async (t) => {
  const kept = await KeptRecords.start(t)
  const { host, port } = kept.broker.broker.address
  const before = kept.broker.broker.connectionCount
  for (const speak of [
    (_: Socket) => {},
    (socket: Socket) => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    (socket: Socket) => socket.write('PRI * HT'),
  ]) {
    const sockets = Array.from({ length: CONNECTION_COUNT }, () => connectTcp(port, host))
    for (const socket of sockets) socket.on('error', () => {})
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    for (const socket of sockets) speak(socket)
    await waitFor(() => kept.broker.broker.connectionCount >= before + CONNECTION_COUNT, 'all connections')
    for (const [i, socket] of sockets.entries()) {
      if (i % 2 === 0) socket.destroy()
      else socket.resetAndDestroy()
    }
    await waitFor(() => kept.broker.broker.connectionCount === before, 'the end of all connections')
  }
  await kept.assertUnharmed()
})

test('1,000 gRPC clients with a stream each, dropped in the middle', async (t) => {
  const kept = await KeptRecords.start(t)
  const { host, port } = kept.broker.broker.address
  const before = kept.broker.broker.connectionCount
  const sessions = Array.from({ length: CONNECTION_COUNT }, () => connectHttp2(`http://${host}:${port}`))
  for (const session of sessions) session.on('error', () => {})
  await Promise.all(sessions.map((session) => once(session, 'connect')))
  const { path, requestSerialize } = FetchService.fetchStream
  const message = Buffer.from(
    requestSerialize({ starts: [{ handle: 1, topic: 'kept', offset: 0, creditBytes: 1000 }] }) as Buffer,
  )
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])
  await Promise.all(
    sessions.map(async (session) => {
      const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' }
      const stream = session.request(headers)
      stream.on('error', () => {})
      stream.write(frame)
      await once(stream, 'data')
    }),
  )
  for (const session of sessions) session.destroy()
  await waitFor(() => kept.broker.broker.connectionCount === before, 'the end of all connections')
  await kept.assertUnharmed()
})

test('connections over the limit are refused while the others are served', async (t) => {
  const kept = await KeptRecords.start(t, { settings: { 'limits.connections.max': 20 } })
  const { host, port } = kept.broker.broker.address
  const sockets = Array.from({ length: 100 }, () => connectTcp(port, host))
  for (const socket of sockets) {
    socket.on('error', () => {})
    socket.resume()
  }
  await waitFor(() => sockets.filter((socket) => socket.destroyed).length >= 80, 'the refusals')
  await kept.assertUnharmed()
  for (const socket of sockets) socket.destroy()
})

test('a consumer that grants credit and stops reading holds a bounded number of bytes, and is cut off', async (t) => {
  const kept = await KeptRecords.start(t, {
    settings: { 'limits.write.stall.ms': 1500, 'fetch.heartbeat.ms': 300, 'tail.cache.bytes': MIB },
  })
  await kept.client.call(AdminService.createTopic, { name: 'big' })
  const produce = kept.client.stream(ProduceService.produceStream)
  const count = 48
  for (let i = 0; i < count; i++) {
    produce.send({ batches: [{ correlationId: i, topic: 'big', recordBatch: batchOfBytes(MIB) }] })
  }
  await waitFor(() => produce.received.flatMap((message) => message.acks).length === count, 'all acknowledgements')
  produce.cancel()
  using meter = new BufferMeter()
  using client = new WireClient(kept.broker.bootstrap)
  const stream = client.stream(FetchService.fetchStream)
  stream.pause()
  const starts = [1, 2, 3].map((handle) => ({ handle, topic: 'big', offset: 0, creditBytes: 16 * MIB }))
  stream.send({ starts })
  await waitFor(() => !client.isCutOff, 'the connection')
  await waitFor(() => client.isCutOff || stream.ending !== undefined, 'the end of the stalled stream')
  assert.ok(meter.peakMib < 32, `${meter.peakMib} MiB were held of 48 MiB that there was credit for`)
  await kept.assertUnharmed()
})

test('a producer that floods a slow disk is not read on; once the disk is back all is acknowledged', async (t) => {
  const fileSystem = new FakeFileSystem()
  const kept = await KeptRecords.start(t, {
    dependencies: { fileSystem },
    settings: { 'limits.produce.connection.unanswered.bytes': 4 * MIB, 'tail.cache.bytes': MIB },
  })
  await kept.client.call(AdminService.createTopic, { name: 'flood' })
  const releaseSyncs = fileSystem.holdSyncs()
  const batch = batchOfBytes(512 * 1024)
  const stream = kept.client.stream(ProduceService.produceStream)
  const count = 48
  try {
    using meter = new BufferMeter()
    // The client's own queue refers to one buffer 48 times; what is copied is what has gone towards the broker.
    for (let i = 0; i < count; i++) {
      stream.send({ batches: [{ correlationId: i, topic: 'flood', recordBatch: batch }] })
    }
    await waitFor(() => meter.sampleCount >= 10, 'ten looks at the memory')
    assert.ok(meter.peakMib < 16, `${meter.peakMib} MiB were held of 24 MiB sent`)
    assert.equal(stream.received.length, 0)
  } finally {
    // A broker whose disk hangs cannot stop.
    releaseSyncs()
  }
  await waitFor(() => stream.received.flatMap((message) => message.acks).length === count, 'all acknowledgements')
  assert.ok(stream.received.flatMap((message) => message.acks).every((ack) => !ack.error))
  stream.cancel()
  await kept.assertUnharmed()
})
