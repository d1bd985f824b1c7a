/** Reading splits from a cluster whose brokers and networks misbehave. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Client, createClient } from '@stratalog/client'
import { StratalogError } from '@stratalog/proto'
import { type ClusterSourceOptions, clusterSource, type ReplaySplit, readSplit, splitId } from '../../index.ts'
import { buildLog, dataOffsets, type ModelBatch } from '../log-model.ts'
import { ScriptedBroker } from '../scripted-broker.ts'
import { read } from './replay-reading.ts'

const TOPIC_ID = Buffer.alloc(16, 1).toString('hex')
/** Two batches at a time. */
const SMALL = { prefetchBytes: 64 * 1024 }

function splitOf(startOffset: number, endOffset: number, change: Partial<ReplaySplit> = {}): ReplaySplit {
  const id = splitId('t', 0, startOffset, endOffset)
  const whole = { id, topic: 't', topicId: TOPIC_ID, partition: 0, startOffset, endOffset, bytes: 1, hosts: [] }
  return { ...whole, leaderEpoch: 1, ...change }
}

/** A broker with this log, and a source over a client of it. */
class World implements AsyncDisposable {
  readonly broker: ScriptedBroker
  readonly client: Client

  constructor(broker: ScriptedBroker) {
    this.broker = broker
    this.client = createClient({ bootstrap: broker.bootstrap, connectTimeoutMs: 1_000, requestTimeoutMs: 2_000 })
  }

  static async start(log: ModelBatch[]): Promise<World> {
    return new World(await ScriptedBroker.start([log]))
  }

  source(options: ClusterSourceOptions = {}) {
    return clusterSource(this.client, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close()
    await this.broker[Symbol.asyncDispose]()
  }
}

const LONG = buildLog(Array.from({ length: 40 }, () => ({ data: 5, valueBytes: 4_000 })))
const offsetsOf = (records: readonly { offset: number }[]): number[] => records.map(({ offset }) => offset)

describe('a split of a cluster', () => {
  const log = buildLog(['control', { data: 3 }, 'control', { data: 2 }, { gap: 4 }, { data: 6 }, 'control'])
  let world: World

  before(async () => {
    world = await World.start(log)
  })

  after(() => world[Symbol.asyncDispose]())

  it('is exactly what was planned, and everything else is told', async () => {
    const end = log.at(-1)!.lastOffset + 1
    for (let start = 0; start < end; start++) {
      for (let stop = start + 1; stop <= end; stop++) {
        const { records, gaps, stats } = await read(world.source(), splitOf(start, stop))
        assert.deepEqual(offsetsOf(records), dataOffsets(log, start, stop), `${start}..${stop}`)
        assert.equal(records.length + stats.missingCount, stop - start)
        assert.ok(gaps.every(({ cause }) => cause === 'control'))
        assert.equal(stats.position, stop)
      }
    }
    assert.equal(world.broker.starts.at(-1)?.readClass, 2, 'the class of replays')
  })

  it('leaves no stream behind, also when it is left in the middle', async () => {
    for await (const batch of readSplit(world.source(), splitOf(0, 10))) {
      assert.ok(batch.sizeBytes > 0)
      break
    }
    await until(() => world.broker.openStreams === 0)
  })

  it('ends at once when it is aborted', async () => {
    const controller = new AbortController()
    world.broker.isSilent = true
    const reading = read(world.source(), splitOf(0, 10), { signal: controller.signal })
    setImmediate(() => controller.abort())
    await assert.rejects(reading, { code: 'CANCELLED' })
    world.broker.isSilent = false
    await assert.rejects(read(world.source(), splitOf(0, 10), { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
  })
})

describe('a reader of a split', () => {
  it('goes on where it was after lost streams, with the epoch of its last batch, and repeats nothing', async () => {
    await using world = await World.start(LONG)
    const offsets: number[] = []
    for await (const batch of readSplit(world.source(), splitOf(0, 200), SMALL)) {
      for (const { offset } of batch) offsets.push(offset)
      if (offsets.length % 50 === 0) world.broker.dropStreams(new StratalogError('SHUTTING_DOWN'))
    }
    assert.deepEqual(offsets, dataOffsets(LONG))
    assert.ok(world.broker.streamsOpened >= 3, `${world.broker.streamsOpened} streams`)
    assert.deepEqual([world.broker.starts[0]?.lastEpoch, world.broker.starts.at(-1)?.lastEpoch], [-1, 1])
  })

  it('follows the leader that an error names, and waits for one', async () => {
    await using world = await World.start([])
    await using other = await ScriptedBroker.start([LONG])
    let refusals = 0
    world.broker.startFault = () =>
      refusals++ < 2
        ? new StratalogError('OFFSET_NOT_AVAILABLE')
        : new StratalogError('NOT_LEADER_OR_FOLLOWER', undefined, {
            leader: { leaderId: 1, leaderEpoch: 9, host: '127.0.0.1', port: other.port },
          })
    const { records } = await read(world.source({ readFrom: 'leader' }), splitOf(0, 200))
    assert.deepEqual(offsetsOf(records), dataOffsets(LONG))
    assert.equal(refusals, 3)
  })

  it('leaves a broker that has fallen silent', async () => {
    await using world = await World.start(LONG)
    const offsets: number[] = []
    for await (const batch of readSplit(world.source({ stallTimeoutMs: 200 }), splitOf(0, 200), SMALL)) {
      for (const { offset } of batch) offsets.push(offset)
      if (offsets.length === 20) {
        world.broker.isSilent = true
        setTimeout(() => {
          world.broker.isSilent = false
        }, 500)
      }
    }
    assert.deepEqual(offsets, dataOffsets(LONG))
    assert.ok(world.broker.streamsOpened > 1)
  })

  it('gives up in the end, with the last error', async () => {
    await using world = await World.start(LONG)
    world.broker.startFault = () => new StratalogError('STORAGE_ERROR', 'the disk is away')
    const reading = read(world.source({ retryTimeoutMs: 300 }), splitOf(0, 200))
    await assert.rejects(reading, { code: 'STORAGE_ERROR', message: 'the disk is away' })
    world.broker.startFault = () => new StratalogError('OFFSET_NOT_AVAILABLE')
    await assert.rejects(read(world.source({ retryTimeoutMs: 300 }), splitOf(0, 200)), {
      code: 'OFFSET_OUT_OF_RANGE',
      message: /is wanted up to 200, but what is known to be committed ends at 0/,
    })
  })
})

describe('a topic that is not what was planned', () => {
  it('is an error when it was created again or is gone', async () => {
    await using world = await World.start(LONG)
    await world.client.metadata.topic('t')
    world.broker.topicId = Buffer.alloc(16, 2)
    await assert.rejects(read(world.source(), splitOf(0, 200, { topicId: 'ff'.repeat(16) })), {
      code: 'UNKNOWN_TOPIC_ID',
      metadata: { plannedTopicId: 'ff'.repeat(16), foundTopicId: world.broker.topicId.toString('hex') },
    })
    world.broker.topicExists = false
    await world.client.metadata.refresh(['t'])
    await assert.rejects(read(world.source(), splitOf(0, 200)), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  it('is an error when the log was cut back and written anew', async () => {
    await using world = await World.start(LONG)
    await assert.rejects(read(world.source(), splitOf(0, 200, { leaderEpoch: 4 })), {
      code: 'OFFSET_OUT_OF_RANGE',
      metadata: { reason: 'rewritten', plannedEpoch: '4', foundEpoch: '1' },
    })
    world.broker.startFault = ({ offset }) =>
      new StratalogError('OFFSET_OUT_OF_RANGE', 'the log was cut', {
        metadata: { offset: String(offset), divergingEpoch: '1', endOffset: '5' },
      })
    await assert.rejects(read(world.source(), splitOf(0, 200)), {
      code: 'OFFSET_OUT_OF_RANGE',
      message: /t-0 was cut back below offset 0/,
    })
  })

  it('is an error with what is left when a part was deleted, or a gap on demand', async () => {
    await using world = await World.start(LONG)
    world.broker.startFault = ({ offset = 0 }) =>
      (offset ?? 0) >= 73
        ? null
        : new StratalogError('OFFSET_OUT_OF_RANGE', 'gone', {
            metadata: { offset: String(offset), logStartOffset: '73', visibleEnd: '200', reason: 'below-log-start' },
          })
    await assert.rejects(read(world.source(), splitOf(10, 200)), {
      code: 'OFFSET_OUT_OF_RANGE',
      message: /offsets 10 to 73 of t-0 were deleted .* 73 to 200 are left/,
      metadata: { reason: 'deleted', deletedFrom: '10', deletedEnd: '73', logStartOffset: '73' },
    })
    const { records, gaps } = await read(world.source(), splitOf(10, 200), { onDeleted: 'skip' })
    assert.deepEqual(offsetsOf(records), dataOffsets(LONG, 73))
    assert.deepEqual([gaps[0]?.cause, gaps[0]?.startOffset, gaps[0]?.endOffset], ['deleted', 10, 73])
  })
})

describe('a batch that is damaged on its way', () => {
  it('is an error with its offset, or passed over and told', async () => {
    const log = buildLog([{ data: 3 }, { data: 4 }, { data: 2 }])
    const damaged = log[1]!
    damaged.bytes[damaged.bytes.length - 3]! ^= 1
    await using world = await World.start(log)
    await assert.rejects(read(world.source(), splitOf(0, 9)), {
      code: 'CORRUPT_MESSAGE',
      message: 'the batch at offset 3 of t-0 is damaged: its CRC does not match',
      metadata: { offset: '3', reason: 'its CRC does not match' },
    })
    const { records, gaps } = await read(world.source(), splitOf(0, 9), { skipCorrupt: true })
    assert.deepEqual(offsetsOf(records), [0, 1, 2, 7, 8])
    assert.deepEqual(
      gaps.map(({ cause, startOffset, endOffset }) => [cause, startOffset, endOffset]),
      [['corrupt', 3, 7]],
    )
  })

  it('takes nothing with it, whatever its header says, and may be the first, the last, or one of several', async () => {
    for (const damaged of [[0], [2], [0, 1], [1, 2], [0, 1, 2]]) {
      const log = buildLog([{ data: 3 }, { data: 4 }, { data: 2 }])
      // The low byte of lastOffsetDelta.
      for (const index of damaged) log[index]!.bytes[26]! ^= 0x55
      await using world = await World.start(log)
      const { records, gaps } = await read(world.source(), splitOf(0, 9), { skipCorrupt: true })
      const sound = log.filter((_, index) => !damaged.includes(index))
      assert.deepEqual(offsetsOf(records), dataOffsets(sound))
      const lost = gaps.reduce((sum, { missingCount }) => sum + missingCount, 0)
      assert.equal(records.length + lost, 9, `${damaged}`)
    }
  })
})

async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5_000
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, 'the condition did not come to hold')
    await new Promise((resolve) => setImmediate(resolve))
  }
}
