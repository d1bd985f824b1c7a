import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScrubCursor, ScrubStep } from '../log/log-scrub.ts'
import { ByteRate } from '../replication/byte-rate.ts'
import { clientBatch } from '../testing/client-batches.ts'
import { ManualClock, turn } from '../testing/manual-clock.ts'
import { REPLICA_DIRECTORY, ReplicaSet } from '../testing/replica-set.ts'
import { Scrubber } from './scrubber.ts'

/** A copy of so many pieces, each of as many bytes as the buffer has. */
class PiecedCopy {
  stepCount = 0
  readonly #pieces: number

  constructor(pieces: number) {
    this.#pieces = pieces
  }

  async scrub(from: ScrubCursor | null, buffer: Buffer): Promise<ScrubStep> {
    this.stepCount++
    const offset = (from?.offset ?? 0) + 1
    const next = { segmentBaseOffset: 0, offset, position: 0, truncationCount: 0, revision: 0 }
    return { readBytes: buffer.length, next: offset < this.#pieces ? next : null }
  }
}

test('copies are checked one after another, each once an interval, within the rate', async () => {
  const clock = new ManualClock()
  const copies = [new PiecedCopy(40), new PiecedCopy(40)]
  const rate = new ByteRate(clock, 1024 * 1024)
  const scrubber = new Scrubber({ copies: () => copies, clock, rate, intervalMs: 60_000 })
  const counts = (): number[] => copies.map(({ stepCount }) => stepCount)
  await clock.advance(6000, turn)
  // Pieces of a quarter of the rate: four a second, and a little more at the beginning.
  assert.ok(counts()[0]! >= 18 && counts()[0]! <= 22, counts().join())
  assert.equal(counts()[1], 0)
  await clock.advance(20_000, turn)
  assert.deepEqual(counts(), [40, 40])
  await clock.advance(30_000, turn)
  assert.deepEqual(counts(), [40, 40])
  await clock.advance(40_000, turn)
  assert.deepEqual(counts(), [80, 80])
  await scrubber.stop()
  assert.equal(clock.alarmCount, 0)
})

test('copies that are gone, and new ones, are noticed', async () => {
  const clock = new ManualClock()
  const copies = [new PiecedCopy(1)]
  const rate = new ByteRate(clock, 0)
  const scrubber = new Scrubber({ copies: () => copies, clock, rate, intervalMs: 10_000 })
  await clock.advance(2000, turn)
  const [gone] = copies.splice(0, 1, new PiecedCopy(3))
  await clock.advance(20_000, turn)
  assert.equal(gone!.stepCount, 1)
  assert.equal(copies[0]!.stepCount, 6)
  await scrubber.stop()
})

test('a bit flipped in a copy that nobody reads ends that copy, which is reported lost; the others are sound', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  for (let i = 0; i < 50; i++) await set.produce(clientBatch(`b${i}`, { valueBytes: 100 }))
  await set.level()
  const host = set.host(3)
  host.fileSystem.flipBit(`${REPLICA_DIRECTORY}/00000000000000000000.log`, 300)
  const scrubbers = [1, 2, 3].map((id) => {
    const rate = new ByteRate(set.clock, 1024 * 1024)
    return new Scrubber({ copies: () => [set.at(id)], clock: set.clock, rate, intervalMs: 1000 })
  })
  await set.until(() => host.lost.length > 0, 'the damage is found', 5000)
  assert.equal(host.lost[0]!.error.code, 'PARTITION_DAMAGED')
  assert.match(host.lost[0]!.error.message, /orders-0.*00000000000000000000\.log is damaged at offset \d+/)
  assert.equal(set.at(3).problem()?.code, 'PARTITION_DAMAGED')
  await set.run(5000)
  assert.deepEqual(
    [1, 2, 3].map((id) => set.host(id).lost.length),
    [0, 0, 1],
  )
  for (const scrubber of scrubbers) await scrubber.stop()
  await set.close()
})
