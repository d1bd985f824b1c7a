import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isStratalogError, StratalogError, stratalog } from '@stratalog/proto'
import { ByteRate } from '../../replication/byte-rate.ts'
import { MemoryStreamCall, memoryConnection } from '../../testing/memory-stream-call.ts'
import { ByteBudget } from '../byte-budget.ts'
import type { ReadablePartition } from '../partition-access.ts'
import { ReplayGate } from '../replay-gate.ts'
import { FetchSession } from './fetch-session.ts'

type Data = stratalog.v1.FetchData.$Properties

const REPLAY = stratalog.v1.ReadClass.READ_CLASS_REPLAY

/** A log of batches of one offset each, `batchBytes` long; offsets in `control` are left out of what is served. */
class MemoryPartition implements ReadablePartition {
  logStartOffset = 0
  highWatermark = 0
  uncommittedCount = 0
  batchBytes = 100
  readonly control = new Set<number>()
  unavailable: StratalogError | null = null
  failure: unknown = null
  readCount = 0
  readonly #listeners = new Set<() => void>()

  get listenerCount(): number {
    return this.#listeners.size
  }

  bounds() {
    let visibleEnd = this.highWatermark
    while (visibleEnd > 0 && this.control.has(visibleEnd - 1)) visibleEnd--
    const { logStartOffset, highWatermark } = this
    return {
      logStartOffset,
      highWatermark,
      visibleEnd,
      logEndOffset: highWatermark + this.uncommittedCount,
      leaderEpoch: 5,
    }
  }

  async read(offset: number, maxBytes: number) {
    this.readCount++
    if (this.failure !== null) throw this.failure
    let next = offset
    while (this.control.has(next)) next++
    let bytes = 0
    while (
      next < this.highWatermark &&
      !this.control.has(next) &&
      (bytes === 0 || bytes + this.batchBytes <= maxBytes)
    ) {
      bytes += this.batchBytes
      next++
    }
    while (this.control.has(next)) next++
    return { bytes: bytes === 0 ? null : Buffer.alloc(bytes), nextOffset: next }
  }

  state() {
    return this.unavailable === null
      ? ({ kind: 'serving' } as const)
      : ({ kind: 'unavailable', error: this.unavailable } as const)
  }

  checkEpoch(lastEpoch: number) {
    return lastEpoch > 5 ? new StratalogError('UNKNOWN_LEADER_EPOCH') : null
  }

  onAdvance(listener: () => void) {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  change(change: (partition: this) => void): void {
    change(this)
    for (const listener of this.#listeners) listener()
  }
}

function open(
  options: { outstandingBytes?: number; replayBytesPerSecond?: number; besideLiveBytesPerSecond?: number } = {},
) {
  const partitions = new Map<string, MemoryPartition>()
  const copies = new Map<string, MemoryPartition>()
  const clock = { nowMs: 0, writeCount: 0 }
  let timers: { readonly dueMs: number; readonly task: () => void }[] = []
  const passTime = (ms: number): void => {
    clock.nowMs += ms
    const due = timers.filter(({ dueMs }) => dueMs <= clock.nowMs)
    timers = timers.filter(({ dueMs }) => dueMs > clock.nowMs)
    for (const { task } of due) task()
  }
  const budget = new ByteBudget(1e9)
  const call = new MemoryStreamCall<stratalog.v1.FetchRequest, stratalog.v1.FetchResponse.$Properties>(
    memoryConnection(options.outstandingBytes ?? 1e9),
  )
  const session = new FetchSession({
    call,
    lookup: (topic) => partitions.get(topic) ?? new StratalogError('UNKNOWN_TOPIC_OR_PARTITION'),
    lookupCopy: (topic) => copies.get(topic) ?? new StratalogError('NOT_LEADER_OR_FOLLOWER'),
    replayGate: new ReplayGate({
      rate: new ByteRate({ nowMs: () => clock.nowMs }, options.replayBytesPerSecond ?? 0),
      rateBesideLive: new ByteRate({ nowMs: () => clock.nowMs }, options.besideLiveBytesPerSecond ?? 0),
      writeCount: () => clock.writeCount,
      nowMs: () => clock.nowMs,
      schedule: (delayMs, task) => {
        timers.push({ dueMs: clock.nowMs + delayMs, task })
        return () => undefined
      },
    }),
    budget,
    creditBytesMax: 16 << 20,
    handlesMax: 10,
    heartbeatMs: 3000,
    stallMs: 60_000,
    nowMs: () => clock.nowMs,
    tellError: (error, tell) => tell(error),
    nameError: (error) =>
      error instanceof StratalogError ? error : new StratalogError('UNKNOWN_SERVER_ERROR', String(error)),
  })
  const partition = (topic: string, records: number) => {
    const created = new MemoryPartition()
    created.highWatermark = records
    partitions.set(topic, created)
    return created
  }
  const request = (message: stratalog.v1.FetchRequest.$Properties) => call.send(new stratalog.v1.FetchRequest(message))
  /** Lets everything under way settle, the network taking all. */
  const settle = async (): Promise<Data[]> => {
    const data: Data[] = []
    for (let turn = 0; turn < 20; turn++) {
      await nextTurn()
      data.push(...call.take().flatMap((message) => message.data ?? []))
    }
    return data
  }
  return { call, session, partition, copies, request, settle, clock, passTime, budget }
}

const bytesOf = (data: readonly Data[]) => data.reduce((sum, one) => sum + (one.recordBatches?.length ?? 0), 0)

test('a start is answered at once with the bounds, then with data up to the credit', async () => {
  const { partition, request, settle } = open()
  partition('a', 50)
  request({ starts: [{ handle: 1, topic: 'a', offset: 10, creditBytes: 1000 }] })
  const data = await settle()
  const { handle, nextOffset, highWatermark, visibleEnd, logStartOffset, leaderEpoch } = data[0] ?? {}
  assert.deepEqual(
    { handle, nextOffset, highWatermark, visibleEnd, logStartOffset, leaderEpoch },
    { handle: 1, nextOffset: 10, highWatermark: 50, visibleEnd: 50, logStartOffset: 0, leaderEpoch: 5 },
  )
  assert.equal(data[0]?.recordBatches, undefined)
  assert.equal(bytesOf(data), 1000)
  assert.equal(data.at(-1)?.nextOffset, 20)
  request({ credits: [{ handle: 1, bytes: 250 }] })
  const more = await settle()
  assert.equal(bytesOf(more), 300, 'credit is exceeded by less than one batch')
  request({ credits: [{ handle: 1, bytes: 40 }] })
  assert.equal(bytesOf(await settle()), 0, 'the excess counts against the next credit')
})

test('a batch larger than the credit is sent once credit is positive', async () => {
  const { partition, request, settle } = open()
  partition('a', 3).batchBytes = 5000
  request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 1 }] })
  assert.equal(bytesOf(await settle()), 5000)
})

test('commits are pushed; control batches move the reader on without data', async () => {
  const { partition, request, settle } = open()
  const log = partition('a', 0)
  request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 1e6 }] })
  assert.equal(bytesOf(await settle()), 0)
  log.change((p) => {
    p.highWatermark = 2
  })
  assert.equal((await settle()).at(-1)?.nextOffset, 2)
  log.control.add(2)
  log.change((p) => {
    p.highWatermark = 3
  })
  assert.equal(bytesOf(await settle()), 0)
  log.change((p) => {
    p.highWatermark = 5
  })
  const data = await settle()
  assert.equal(bytesOf(data), 200)
  assert.equal(data.at(-1)?.nextOffset, 5)
  request({ starts: [{ handle: 2, topic: 'a', offset: 3, creditBytes: 1e6 }] })
  assert.equal(bytesOf(await settle()), 200)
})

test('a leader that knows less than the reader sends it away or to wait, and never to another offset', async () => {
  const { partition, request, settle } = open()
  partition('a', 4).uncommittedCount = 2
  request({
    starts: [
      { handle: 1, topic: 'a', offset: 6, creditBytes: 1e6, lastEpoch: -1 },
      { handle: 2, topic: 'a', offset: 7, creditBytes: 1e6, lastEpoch: 6 },
      { handle: 3, topic: 'a', offset: 7, creditBytes: 1e6, lastEpoch: 5 },
    ],
  })
  assert.deepEqual(
    (await settle()).map(({ handle, error }) => [handle, error?.reason, error?.retriable]),
    [
      [1, 'OFFSET_NOT_AVAILABLE', true],
      [2, 'UNKNOWN_LEADER_EPOCH', true],
      [3, 'OFFSET_OUT_OF_RANGE', false],
    ],
  )
})

test('a bounded read ends at its end, by position', async () => {
  const { partition, request, settle, call } = open()
  const log = partition('a', 4)
  log.control.add(3)
  request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 1e6, endOffset: 4 }] })
  const data = await settle()
  assert.equal(data.at(-1)?.endReached, true)
  assert.equal(log.listenerCount, 0)
  request({ starts: [{ handle: 2, topic: 'a', offset: 4, creditBytes: 1e6, endOffset: 4 }] })
  assert.deepEqual(
    (await settle()).map((one) => [one.handle, one.endReached]),
    [[2, true]],
  )
  assert.equal(call.ending, null)
})

test('an offset outside of the log is refused with what was asked, what exists and why', async () => {
  const { partition, request, settle } = open()
  partition('a', 10).logStartOffset = 5
  request({
    starts: [
      { handle: 1, topic: 'a', offset: 4, creditBytes: 1 },
      { handle: 2, topic: 'a', offset: 11, creditBytes: 1 },
      { handle: 3, topic: 'a', offset: -1, creditBytes: 1 },
      { handle: 4, topic: 'nowhere', offset: 0, creditBytes: 1 },
      { handle: 5, topic: 'a', offset: 7, creditBytes: 1, lastEpoch: 9 },
      { handle: 6, topic: 'a', offset: 7, creditBytes: 1e12 },
    ],
  })
  const data = await settle()
  assert.deepEqual(
    data.map((one) => [one.handle, one.error?.reason, one.error?.metadata?.['reason']]),
    [
      [1, 'OFFSET_OUT_OF_RANGE', 'below-log-start'],
      [2, 'OFFSET_OUT_OF_RANGE', 'beyond-end'],
      [3, 'OFFSET_OUT_OF_RANGE', 'below-log-start'],
      [4, 'UNKNOWN_TOPIC_OR_PARTITION', undefined],
      [5, 'UNKNOWN_LEADER_EPOCH', undefined],
      [6, 'INVALID_REQUEST', undefined],
    ],
  )
  assert.deepEqual(data[1]?.error?.metadata, {
    offset: '11',
    logStartOffset: '5',
    visibleEnd: '10',
    reason: 'beyond-end',
    topic: 'a',
    partition: '0',
  })
})

test('retention that overtakes a reader, a partition that goes away and a failed read end their handle only', async () => {
  const { partition, request, settle } = open()
  const slow = partition('slow', 10)
  const gone = partition('gone', 10)
  const damaged = partition('damaged', 0)
  const fine = partition('fine', 0)
  const starts = ['slow', 'gone', 'damaged', 'fine'].map((topic, i) => ({
    handle: i,
    topic,
    offset: 0,
    creditBytes: 0,
  }))
  request({ starts: starts.map((start) => (start.handle > 1 ? { ...start, creditBytes: 1e6 } : start)) })
  await settle()
  slow.change((p) => {
    p.logStartOffset = 5
  })
  gone.change((p) => {
    p.unavailable = new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', 'deleted')
  })
  damaged.change((p) => {
    p.failure = new StratalogError('PARTITION_DAMAGED')
    p.highWatermark = 1
  })
  fine.change((p) => {
    p.highWatermark = 1
  })
  const data = await settle()
  const errors = new Map(data.filter((one) => one.error).map((one) => [one.handle, one.error?.reason]))
  assert.deepEqual(
    errors,
    new Map([
      [0, 'OFFSET_OUT_OF_RANGE'],
      [1, 'UNKNOWN_TOPIC_OR_PARTITION'],
      [2, 'PARTITION_DAMAGED'],
    ]),
  )
  assert.match(data.find((one) => one.handle === 0)?.error?.message ?? '', /retention/)
  assert.equal(bytesOf(data), 100)
})

test('handles: used twice fails the call, never started is told, credit after the end is ignored', async () => {
  const { partition, request, settle } = open()
  partition('a', 1)
  request({ credits: [{ handle: 9, bytes: 1 }] })
  assert.equal((await settle())[0]?.error?.reason, 'UNKNOWN_CONSUMER_HANDLE')
  request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 1 }], stops: [{ handle: 1 }] })
  request({ credits: [{ handle: 1, bytes: 5 }] })
  const data = await settle()
  assert.equal(bytesOf(data), 0)
  assert.ok(data.every((one) => !one.error))
  assert.throws(
    () => request({ starts: [{ handle: 1, topic: 'a' }] }),
    (error) => isStratalogError(error, 'INVALID_REQUEST'),
  )
})

test('a client that stops reading is held to the outstanding bytes, then disconnected', async () => {
  const { partition, request, call, session, clock, budget } = open({ outstandingBytes: 1 << 20 })
  for (const topic of ['a', 'b', 'c']) partition(topic, 1_000_000).batchBytes = 10_000
  const starts = ['a', 'b', 'c'].map((topic, handle) => ({ handle, topic, offset: 0, creditBytes: 16 << 20 }))
  request({ starts })
  for (let turn = 0; turn < 50; turn++) await nextTurn()
  assert.ok(call.unflushedBytes <= 3 << 20, `${call.unflushedBytes} bytes are outstanding`)
  clock.nowMs = 59_000
  session.tick()
  assert.equal(call.connection.isDestroyed, false)
  clock.nowMs = 60_001
  session.tick()
  assert.equal(call.connection.isDestroyed, true)
  call.disconnect()
  assert.equal(budget.usedBytes, 0)
  assert.equal(call.connection.fetchBudget.usedBytes, 0)
})

test('partitions take turns and messages stay near their target', async () => {
  const { partition, request, call, settle } = open({ outstandingBytes: 2 << 20 })
  for (const topic of ['a', 'b', 'c']) partition(topic, 100_000).batchBytes = 10_000
  request({ starts: ['a', 'b', 'c'].map((topic, handle) => ({ handle, topic, offset: 0, creditBytes: 12 << 20 })) })
  const data = await settle()
  const perHandle = [0, 1, 2].map((handle) => bytesOf(data.filter((one) => one.handle === handle)))
  assert.ok(Math.min(...perHandle) > Math.max(...perHandle) / 2, perHandle.join(' '))
  for (const message of call.received) assert.ok(bytesOf(message.data ?? []) <= 2 << 20)
})

test('a silent handle gets a sign of life every few seconds', async () => {
  const { partition, request, settle, session, clock } = open()
  partition('a', 0)
  request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 100 }] })
  await settle()
  clock.nowMs = 2999
  session.tick()
  assert.equal((await settle()).length, 0)
  clock.nowMs = 3000
  session.tick()
  assert.deepEqual(
    (await settle()).map((one) => [one.handle, one.nextOffset]),
    [[1, 0]],
  )
})

test('a half-closed stream ends when no more can come; a failed one listens to nothing', async () => {
  const { partition, request, settle, call } = open()
  partition('a', 5)
  request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 300 }] })
  call.halfClose()
  assert.equal(bytesOf(await settle()), 300)
  assert.equal(call.ending, 'ok')
  const second = open()
  const log = second.partition('a', 5)
  second.request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 300 }] })
  second.session.fail(new StratalogError('SHUTTING_DOWN'))
  await second.settle()
  assert.ok(isStratalogError(second.call.ending, 'SHUTTING_DOWN'))
  assert.equal(log.listenerCount, 0)
})

test('a replay is sent in small pieces, and no faster than the limit', async () => {
  const { partition, request, settle, passTime } = open({ replayBytesPerSecond: 1_000_000 })
  partition('a', 10_000).batchBytes = 1_000
  request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 8e6, readClass: REPLAY }] })
  const first = await settle()
  assert.ok(
    first.every(({ recordBatches }) => (recordBatches?.length ?? 0) <= 256 * 1024),
    'no read is large',
  )
  // What is saved up for 100 ms, overdrawn by one read.
  assert.ok(bytesOf(first) <= 100_000 + 256 * 1024, `${bytesOf(first)} bytes at once`)
  assert.equal(bytesOf(await settle()), 0)
  let sent = bytesOf(first)
  for (let ms = 0; ms < 2_000; ms += 10) {
    passTime(10)
    sent += bytesOf(await settle())
  }
  assert.ok(sent > 1_900_000 && sent < 2_500_000, `${sent} bytes in 2 seconds`)
})

test('history waits while live reads are under way, but not for ever', async () => {
  const { partition, request, settle, passTime } = open()
  const live = partition('live', 10)
  const old = partition('old', 10)
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const read = live.read.bind(live)
  live.read = async (offset, maxBytes) => {
    await held
    return read(offset, maxBytes)
  }
  request({ starts: [{ handle: 1, topic: 'live', offset: 0, creditBytes: 1e6 }] })
  await settle()
  request({ starts: [{ handle: 2, topic: 'old', offset: 0, creditBytes: 500, readClass: REPLAY }] })
  await settle()
  assert.equal(old.readCount, 0)
  passTime(50)
  assert.equal(bytesOf(await settle()), 500, 'one read of history goes anyway')
  request({ credits: [{ handle: 2, bytes: 500 }] })
  assert.equal(bytesOf(await settle()), 0)
  release()
  assert.equal(bytesOf(await settle()), 1_500)
})

test('while the broker writes, a replay keeps to the lower limit; alone it does not', async () => {
  const { partition, request, settle, passTime, clock } = open({ besideLiveBytesPerSecond: 1_000_000 })
  partition('a', 100_000).batchBytes = 1_000
  let handle = 0
  const sentIn = async (ms: number, isWriting: boolean): Promise<number> => {
    let sent = 0
    for (let passedMs = 0; passedMs < ms; passedMs += 10) {
      if (isWriting) clock.writeCount++
      if (passedMs % 500 === 0) {
        request({ starts: [{ handle: ++handle, topic: 'a', offset: 0, creditBytes: 4e6, readClass: REPLAY }] })
      }
      passTime(10)
      sent += bytesOf(await settle())
      if (passedMs % 500 === 490) request({ stops: [{ handle }] })
    }
    return sent
  }
  assert.equal(await sentIn(1_000, false), 8_000_000, 'all of the credit')
  const beside = await sentIn(2_000, true)
  assert.ok(beside > 1_800_000 && beside < 2_600_000, `${beside} bytes in 2 seconds`)
  // What was written last is noticed by the next read only.
  await sentIn(10, false)
  request({ stops: [{ handle }] })
  passTime(1_000)
  assert.equal(await sentIn(1_000, false), 8_000_000)
})

test('a replay that is stopped, or whose call ends, holds up nobody', async () => {
  const { partition, request, settle, passTime, call } = open({ replayBytesPerSecond: 1_000 })
  const log = partition('a', 1_000)
  request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 1e5, readClass: REPLAY }] })
  assert.equal(bytesOf(await settle()), 100_000, 'the first read overdraws')
  request({ starts: [{ handle: 2, topic: 'a', offset: 0, creditBytes: 1e5, readClass: REPLAY }] })
  await settle()
  request({ stops: [{ handle: 2 }] })
  await settle()
  passTime(200_000)
  assert.equal(bytesOf(await settle()), 0)
  request({ starts: [{ handle: 3, topic: 'a', offset: 0, creditBytes: 1e5, readClass: REPLAY }] })
  assert.equal(bytesOf(await settle()), 100_000)
  request({ credits: [{ handle: 1, bytes: 1e5 }] })
  await settle()
  const { readCount } = log
  call.disconnect()
  passTime(200_000)
  await settle()
  assert.equal(log.readCount, readCount)
})

test('who asks for any replica gets the copy that is here; what it lacks is not available yet', async () => {
  const { copies, request, settle } = open()
  const copy = new MemoryPartition()
  copy.highWatermark = 5
  copy.uncommittedCount = 1_000
  copies.set('a', copy)
  request({
    starts: [
      { handle: 1, topic: 'a', offset: 0, creditBytes: 1e6, anyReplica: true, endOffset: 6 },
      { handle: 2, topic: 'a', offset: 0, creditBytes: 1e6 },
      { handle: 3, topic: 'a', offset: 7, creditBytes: 1e6, anyReplica: true },
    ],
  })
  const data = await settle()
  assert.deepEqual(
    data.filter(({ error }) => error).map(({ handle, error }) => [handle, error?.reason, error?.retriable]),
    [
      [2, 'UNKNOWN_TOPIC_OR_PARTITION', false],
      [3, 'OFFSET_NOT_AVAILABLE', true],
    ],
  )
  assert.equal(bytesOf(data), 500)
  copy.change((log) => {
    log.highWatermark = 6
  })
  assert.equal((await settle()).at(-1)?.endReached, true)
})

test('a class that nobody knows is refused', async () => {
  const { partition, request, settle } = open()
  partition('a', 1)
  request({ starts: [{ handle: 1, topic: 'a', offset: 0, creditBytes: 1, readClass: 7 as never }] })
  const [data] = await settle()
  assert.deepEqual([data?.error?.reason, data?.error?.metadata?.['field']], ['INVALID_REQUEST', 'read_class'])
})

test('a reader that retention or a deletion overtakes is told what is left, never given silence', async () => {
  const { partition, request, settle } = open()
  const log = partition('a', 10)
  request({ starts: [{ handle: 1, topic: 'a', offset: 2, creditBytes: 300, readClass: REPLAY }] })
  assert.equal(bytesOf(await settle()), 300)
  log.change((p) => {
    p.logStartOffset = 8
  })
  const [data] = (await settle()).filter(({ error }) => error)
  const { offset, logStartOffset, visibleEnd, reason } = data?.error?.metadata ?? {}
  assert.deepEqual([data?.error?.reason, data?.error?.retriable], ['OFFSET_OUT_OF_RANGE', false])
  assert.deepEqual([offset, logStartOffset, visibleEnd, reason], ['5', '8', '10', 'retention'])
})
