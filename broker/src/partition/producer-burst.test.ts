/**
 * Bursts of batches from several producers within one turn of the event loop, far more than a group commit takes at
 * once, over small segments, with retries, re-entrant sends, clean restarts and crashes in between.
 *
 * The producer state must follow the log exactly: a batch is noted once, whoever comes first, its proposer or the Raft
 * group that hands it to the disk. Noting it twice is a broken invariant, which stops a broker.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerCore } from '../testing/broker-core.ts'
import { clientBatch } from '../testing/client-batches.ts'
import { seededRandom } from '../testing/fake-disk.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import type { ProduceOutcome } from './produce-outcome.ts'

const OPTIONS = { acks: 'all', timeoutMs: 1e6 } as const
const SEED_COUNT = 20
const ROUND_COUNT = 6
const PRODUCER_COUNT = 3

interface Sent {
  readonly baseSequence: number
  readonly recordCount: number
  readonly valueBytes: number
  baseOffset: number | null
}

interface Producer {
  readonly producerId: number
  readonly sent: Sent[]
}

interface World {
  /** Starts of the broker: what an earlier one says after its crash nobody hears. */
  generation: number
  core: BrokerCore
  fileSystem: FakeFileSystem
  store: MemoryStore
}

function batchOf({ producerId }: Producer, { baseSequence, recordCount, valueBytes }: Sent): Buffer {
  return clientBatch(`p${producerId}`, { producerId, baseSequence, recordCount, valueBytes })
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    assert.ok(turn < 100_000, 'it does not come true')
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

/** Sends a batch and checks its answer: where it is, if that is known, and else new. */
function send(world: World, producer: Producer, sent: Sent, onAnswer: () => void): void {
  const { generation } = world
  world.core.partition('orders').produce(batchOf(producer, sent), OPTIONS, (outcome: ProduceOutcome) => {
    if (world.generation !== generation) return
    if (outcome.kind === 'ok') {
      assert.equal(outcome.baseOffset, sent.baseOffset ?? outcome.baseOffset)
      sent.baseOffset = outcome.baseOffset
    }
    onAnswer()
  })
}

/** All producers send up to five batches each, and repeat some of them, in one turn. */
function burst(world: World, producers: readonly Producer[], random: () => number): { readonly waiting: number } {
  const state = { waiting: 0 }
  for (let i = 0; i < 5; i++) {
    for (const producer of producers) {
      const last = producer.sent.at(-1)
      const baseSequence = last === undefined ? 0 : last.baseSequence + last.recordCount
      const recordCount = 1 + Math.floor(random() * 3)
      const valueBytes = Math.floor(random() * 100_000)
      const sent: Sent = { baseSequence, recordCount, valueBytes, baseOffset: null }
      producer.sent.push(sent)
      state.waiting++
      send(world, producer, sent, () => state.waiting--)
      if (random() > 0.3) continue
      state.waiting++
      const again = producer.sent.at(-1 - Math.floor(random() * Math.min(5, i + 1)))!
      send(world, producer, again, () => state.waiting--)
    }
  }
  return state
}

/** Goes on with what is left: after a clean stop, a kill, or a power loss. */
async function restart(world: World, kind: 'stop' | 'kill' | 'power-loss'): Promise<void> {
  if (kind === 'stop') await world.core.stop()
  else {
    world.generation++
    world.core.environment.ticks.stop()
    world.fileSystem = world.fileSystem.crash({ keep: kind === 'kill' ? 'all' : 'none' })
    world.store = world.store.crash()
  }
  world.core = await BrokerCore.start({ ...world, clock: new ManualClock() })
}

/** Sends again what was not acknowledged, in order. */
async function retry(world: World, producers: readonly Producer[]): Promise<void> {
  let waiting = 0
  for (const producer of producers) {
    for (const sent of producer.sent.slice(-5)) {
      waiting++
      send(world, producer, sent, () => waiting--)
    }
  }
  await until(() => waiting === 0)
}

test('the producer state follows the log through bursts, rolls, restarts and crashes', async () => {
  for (let seed = 1; seed <= SEED_COUNT; seed++) {
    const random = seededRandom(seed)
    const fileSystem = new FakeFileSystem()
    const store = new MemoryStore()
    const core = await BrokerCore.start({ fileSystem, store, clock: new ManualClock() })
    const world: World = { generation: 0, core, fileSystem, store }
    await core.createTopic('orders', 1, { 'segment.bytes': '1048576' })
    const producers = Array.from({ length: PRODUCER_COUNT }, (_, producerId): Producer => ({ producerId, sent: [] }))
    for (let round = 0; round < ROUND_COUNT; round++) {
      const state = burst(world, producers, random)
      const turns = Math.floor(random() * 12)
      for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
      const kind = random()
      if (kind < 0.5) await until(() => state.waiting === 0)
      else await restart(world, kind < 0.65 ? 'stop' : kind < 0.85 ? 'kill' : 'power-loss')
      await retry(world, producers)
      world.core.partition('orders').checkInvariants()
    }
    const total = producers.flatMap(({ sent }) => sent).reduce((sum, { recordCount }) => sum + recordCount, 0)
    const { logStartOffset, visibleEnd } = world.core.partition('orders').bounds()
    const leaderChanges = world.core.partition('orders').bounds().leaderEpoch - 1
    assert.ok(logStartOffset === 0 && visibleEnd >= total && visibleEnd <= total + leaderChanges, `seed ${seed}`)
    for (const producer of producers) for (const { baseOffset } of producer.sent) assert.notEqual(baseOffset, null)
    await world.core.stop()
  }
})

test('a batch that is sent from an acknowledgement comes behind those before it', async () => {
  const fileSystem = new FakeFileSystem()
  const core = await BrokerCore.start({ fileSystem, store: new MemoryStore(), clock: new ManualClock() })
  await core.createTopic('orders', 1)
  const partition = core.partition('orders')
  const offsets: number[] = []
  const sendOn = (baseSequence: number): void => {
    const batch = clientBatch('x', { producerId: 1, baseSequence, recordCount: 4, valueBytes: 150_000 })
    partition.produce(batch, OPTIONS, (outcome) => {
      assert.equal(outcome.kind, 'ok')
      offsets.push(outcome.kind === 'ok' ? outcome.baseOffset : -1)
      if (baseSequence < 80) sendOn(baseSequence + 20)
    })
  }
  for (let baseSequence = 0; baseSequence < 20; baseSequence += 4) sendOn(baseSequence)
  await until(() => offsets.length === 25)
  partition.checkInvariants()
  const expected = Array.from({ length: 25 }, (_, index) => index * 4)
  assert.deepEqual(offsets, expected)
  await core.stop()
})
