/** Records through a handler: order, concurrency, hooks, handlers that hang, and records that cannot be processed. */
import assert from 'node:assert/strict'
import { tracingChannel } from 'node:diagnostics_channel'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GroupsService } from '@stratalog/proto'
import { type ConsumerRecord, DEAD_LETTER_HEADERS, type HandlerStalledEvent, type PoisonedEvent } from '../../index.ts'
import { GroupWorld, range, until } from './group-world.ts'

/** Resolves when told to. */
class Gate {
  open!: () => void
  readonly opened: Promise<void> = new Promise((resolve) => {
    this.open = resolve
  })
}

const textOf = (record: ConsumerRecord): string => String(record.value)

describe('a run', () => {
  it('begins nothing after a standstill of the process until the coordinator has answered', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 20))
    const { subscription } = await world.join({ sessionTimeoutMs: 2_000 })
    const happened: string[] = []
    const subscribers = {
      start: ({ path }: { path: string }) => path === GroupsService.heartbeat.path && happened.push('asked'),
      asyncEnd: ({ path }: { path: string }) => path === GroupsService.heartbeat.path && happened.push('answered'),
    }
    const calls = tracingChannel<unknown, { path: string }>('stratalog:client:call')
    calls.subscribe(subscribers as never)
    const running = subscription.run({
      order: 'partition',
      handler: async (record) => {
        if (textOf(record) === '5') {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_700)
          happened.push('woken')
          // Timers that were due come first.
          await sleep(1)
        }
        happened.push(textOf(record))
      },
    })
    await until(() => happened.includes('19'), 'all are handled')
    calls.unsubscribe(subscribers as never)
    const since = happened.slice(happened.indexOf('woken'), happened.indexOf('6'))
    assert.ok(since.includes('asked'), String(since))
    assert.ok(since.lastIndexOf('answered') > since.indexOf('asked'), String(since))
    assert.deepEqual(
      happened.map(Number).filter((value) => !Number.isNaN(value)),
      range(0, 20),
    )
    await subscription.close()
    await running
  })

  it('handles keys side by side and each key in order, and commits without a gap', async () => {
    await using world = await GroupWorld.start(1)
    const keys = ['a', 'b', 'c', 'd']
    await world.write(0, ['slow:0', ...range(0, 40).map((index) => `${keys[index % 4]}:${index}`)])
    const { subscription } = await world.join({ autoCommitIntervalMs: 20 })
    const gate = new Gate()
    const handled: string[] = []
    let underWay = 0
    let most = 0
    const running = subscription.run({
      concurrency: 3,
      handler: async (record) => {
        most = Math.max(most, ++underWay)
        if (textOf(record) === 'slow:0') await gate.opened
        await new Promise((resolve) => setImmediate(resolve))
        underWay--
        handled.push(textOf(record))
      },
    })
    await until(() => handled.length === 40, 'all but the slow one')
    assert.equal(most, 3)
    for (const key of keys) {
      const numbers = handled.filter((value) => value.startsWith(`${key}:`)).map((value) => Number(value.slice(2)))
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
    }
    // The slow record is the first: nothing behind it is committed, however much is processed.
    await subscription.commit()
    assert.deepEqual(await world.committed(1), [0])
    gate.open()
    await until(async () => (await world.committed(1))[0] === 41, 'everything is committed')
    await subscription.close()
    await running
  })

  it('is bounded, and keeps whole partitions in order when asked to', async () => {
    await using world = await GroupWorld.start(2)
    await world.write(0, range(0, 50))
    await world.write(1, range(0, 50))
    const { subscription } = await world.join()
    const handled: number[][] = [[], []]
    const running = subscription.run({
      concurrency: 8,
      inFlightMax: 8,
      order: 'partition',
      handler: async (record) => {
        await new Promise((resolve) => setImmediate(resolve))
        handled[record.partition]?.push(record.offset)
      },
    })
    await until(() => handled.flat().length === 100, 'all are handled')
    assert.deepEqual(handled, [range(0, 50), range(0, 50)])
    await subscription.close()
    await running
  })

  it('hands a partition on after its record in hand, the commit and the hook, and nothing that waits is begun', async () => {
    await using world = await GroupWorld.start(2)
    for (const partition of [0, 1]) await world.write(partition, range(0, 20))
    const trace: string[] = []
    const inHand = new Gate()
    const hook = new Gate()
    const first = await world.join({
      onRevoked: async ([place]) => {
        const committed = await world.committed(2)
        trace.push(`revoked at ${committed[place!.partition]}`)
        await hook.opened
      },
    })
    const begun = [0, 0]
    const running = first.subscription.run({
      concurrency: 2,
      order: 'partition',
      handler: async ({ partition }) => {
        begun[partition]!++
        await inHand.opened
      },
    })
    await until(() => begun.join() === '1,1', 'a record of each is in hand')
    const second = await world.join({ onAssigned: (partitions) => void trace.push(`assigned ${partitions.length}`) })
    // The second one has asked; the first one is still at its records.
    await until(async () => {
      const { members } = await world.client.admin.describeGroup('g')
      return members.some(({ revoking }) => revoking.length === 1)
    }, 'a partition is to be given up')
    assert.deepEqual(trace, [])
    assert.equal(second.owned.length, 0)
    inHand.open()
    await until(() => trace.length === 1, 'the hook is called')
    assert.equal(second.owned.length, 0)
    hook.open()
    await until(() => second.owned.length === 1, 'it moves')
    await until(() => trace.length === 2, 'its new owner knows')
    const moved = second.subscription.assignment[0]!.partition
    assert.deepEqual(trace, ['revoked at 1', 'assigned 1'])
    assert.equal(begun[moved], 1)
    await first.subscription.close()
    await running
  })

  it('fails with the record that the handler failed for, and begins there again', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 10))
    const { subscription } = await world.join()
    const handled: number[] = []
    const handler = (record: ConsumerRecord): void => {
      if (record.offset === 4 && handled.length === 4) {
        handled.push(-1)
        throw new TypeError('not a number')
      }
      handled.push(record.offset)
    }
    await assert.rejects(subscription.run({ handler }), {
      code: 'HANDLER_FAILED',
      topic: 't',
      partition: 0,
      cause: new TypeError('not a number'),
    })
    assert.deepEqual(await world.committed(1), [4])
    const again = subscription.run({ handler })
    await until(() => handled.length === 11, 'the rest is handled')
    assert.deepEqual(handled, [0, 1, 2, 3, -1, ...range(4, 10)])
    await subscription.close()
    await again
    assert.deepEqual(await world.committed(1), [10])
  })

  it('ends by its signal, and the next one goes on', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 10))
    const { subscription } = await world.join()
    const ending = new AbortController()
    const handled: number[] = []
    const running = subscription.run({
      signal: ending.signal,
      handler: (record) => {
        handled.push(record.offset)
        if (record.offset === 3) ending.abort()
      },
    })
    await assert.rejects(running, { code: 'CANCELLED' })
    assert.deepEqual(handled, [0, 1, 2, 3])
    const { value } = await subscription.records().next()
    assert.equal(value?.offset, 4)
  })
})

describe('a record that cannot be processed', () => {
  const fails = (record: ConsumerRecord): void => {
    if (textOf(record) === 'bad:1') throw new RangeError('no such thing')
  }

  it('is skipped', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, ['good:0', 'bad:1', 'good:2'])
    const { subscription } = await world.join({ autoCommitIntervalMs: 20 })
    const poisoned: PoisonedEvent[] = []
    subscription.on('poisoned', (event) => poisoned.push(event))
    const running = subscription.run({ handler: fails, onError: 'skip' })
    await until(async () => (await world.committed(1))[0] === 3, 'all are committed')
    assert.deepEqual(
      poisoned.map(({ offset, outcome }) => [offset, outcome]),
      [[1, 'skipped']],
    )
    await subscription.close()
    await running
  })

  it('is tried again, with a wait between', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, ['good:0'])
    const { subscription } = await world.join()
    const attempts: number[] = []
    const running = subscription.run({
      onError: { retry: { attempts: 5, initialBackoffMs: 1, maxBackoffMs: 4 } },
      handler: (_record, { attempt }) => {
        attempts.push(attempt)
        if (attempt < 4) throw new Error('not yet')
      },
    })
    await until(() => attempts.length === 4, 'it succeeds at last')
    await subscription.close()
    await running
    assert.deepEqual(attempts, [1, 2, 3, 4])
    assert.deepEqual(await world.committed(1), [1])
  })

  it('goes to the dead-letter topic with everything that it was, and why', async () => {
    await using world = await GroupWorld.start(1)
    const { admin } = world.client
    await admin.createTopic({ name: 'dead', partitionCount: 1 })
    const headers = [{ key: 'trace', value: 'x-1' }]
    await admin.produceRecords({
      topic: 't',
      partition: 0,
      records: [{ key: 'bad', value: 'bad:1', headers, timestamp: 5_000 }],
    })
    const { subscription } = await world.join({ autoCommitIntervalMs: 20 })
    const onError = { retry: { attempts: 2, initialBackoffMs: 1 }, otherwise: { deadLetter: 'dead' } } as const
    const running = subscription.run({ handler: fails, onError })
    await until(async () => (await world.committed(1))[0] === 1, 'it counts as processed')
    await subscription.close()
    await running
    const reader = await world.join({ group: 'morgue', topics: ['dead'] })
    const { value: letter } = await reader.subscription.records().next()
    assert.equal(String(letter?.key), 'bad')
    assert.equal(String(letter?.value), 'bad:1')
    assert.deepEqual(
      letter?.headers.map(({ key, value }) => [key, String(value)]),
      [
        ['trace', 'x-1'],
        [DEAD_LETTER_HEADERS.topic, 't'],
        [DEAD_LETTER_HEADERS.partition, '0'],
        [DEAD_LETTER_HEADERS.offset, '0'],
        [DEAD_LETTER_HEADERS.timestamp, '5000'],
        [DEAD_LETTER_HEADERS.group, 'g'],
        [DEAD_LETTER_HEADERS.attempts, '2'],
        [DEAD_LETTER_HEADERS.error, 'RangeError'],
        [DEAD_LETTER_HEADERS.message, 'no such thing'],
      ],
    )
  })

  it('is not lost when the dead-letter topic does not take it', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, ['bad:1'])
    const { subscription } = await world.join()
    await assert.rejects(
      subscription.run({ handler: fails, onError: { deadLetter: 'missing' } }),
      /missing|dead-letter/,
    )
    await subscription.close()
    assert.ok(((await world.committed(1))[0] ?? 0) <= 0)
  })
})

describe('a handler that hangs', () => {
  it('is told of by event, and by the broker', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 3))
    const { subscription } = await world.join({ maxProcessingTimeMs: 200 })
    const stalled: HandlerStalledEvent[] = []
    subscription.on('handlerStalled', (event) => stalled.push(event))
    const gate = new Gate()
    const running = subscription.run({ handler: (record) => (record.offset === 1 ? gate.opened : undefined) })
    await until(() => stalled.length === 1, 'the event')
    assert.equal(stalled[0]?.offset, 1)
    assert.ok(stalled[0]!.forMs >= 200)
    await until(async () => {
      const { reasons } = await world.client.admin.describeGroup('g')
      return reasons.some((reason) => reason.includes('offset 1'))
    }, 'the broker names it')
    assert.equal(subscription.assignment.length, 1)
    gate.open()
    await subscription.close()
    await running
  })

  it('has its partitions handed on when asked to, and comes back when it is done', async () => {
    await using world = await GroupWorld.start(2)
    await world.write(0, range(0, 3))
    const lost: string[] = []
    const first = await world.join({
      maxProcessingTimeMs: 200,
      onStalled: 'leave',
      onLost: (partitions, { code }) => void lost.push(`${partitions.length} ${code}`),
    })
    const gate = new Gate()
    let wasTold = false
    const running = first.subscription.run({
      handler: async (record, { signal }) => {
        signal.addEventListener('abort', () => {
          wasTold = true
        })
        if (record.offset === 1) await gate.opened
      },
    })
    await until(() => lost.length === 1, 'it loses the partition')
    assert.deepEqual(lost, ['1 STALLED'])
    assert.equal(wasTold, true)
    const second = await world.join()
    await until(() => second.owned.length === 2, 'others have all')
    const { value } = await second.subscription.records().next()
    assert.equal(value?.offset, 1)
    gate.open()
    await until(() => first.owned.length === 1, 'it is back')
    await first.subscription.close()
    await running
  })
})
