/**
 * A partition under crashes: an idempotent producer keeps five batches in flight, the host stops at a disk operation,
 * what was not synced is lost or torn, the broker starts again, and the producer retries what was not acknowledged.
 *
 * Checked after each: every acknowledged batch is where its acknowledgement said; in the end every batch is in the log
 * exactly once and in order; nobody is shown anything else.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBatchSync, iterateBatches, type LogRecord } from '@stratalog/proto/records'
import { BrokerCore } from '../testing/broker-core.ts'
import { clientBatch } from '../testing/client-batches.ts'
import type { CrashLoss } from '../testing/fake-disk.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock, settled } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'

const BATCH_COUNT = 20
const IN_FLIGHT_MAX = 5
/** Small segments, so that the workload rolls and writes snapshots of the producer state. */
const VALUE_BYTES = 70_000

/** Beside the loss of all that was not synced one of these is tried at each crash point, in turn. */
const MILDER_LOSSES: readonly ((seed: number) => CrashLoss)[] = [
  () => ({ keep: 'all' }),
  (seed) => ({ keep: 'random', seed }),
  () => ({ keep: 'torn', bytes: 0.5 }),
]

/** Sends from the first unacknowledged batch on, five at a time, until all are acknowledged or the disk has stopped. */
async function send(core: BrokerCore, fileSystem: FakeFileSystem, acknowledged: Map<number, number>): Promise<void> {
  let next = acknowledged.size
  let inFlight = 0
  let refused = false
  while (acknowledged.size < BATCH_COUNT && !fileSystem.stopped && !refused) {
    while (next < BATCH_COUNT && inFlight < IN_FLIGHT_MAX) {
      const sequence = next++
      inFlight++
      const batch = clientBatch(`b${sequence}`, { producerId: 9, baseSequence: sequence, valueBytes: VALUE_BYTES })
      core.partition('orders').produce(batch, { acks: 'all', timeoutMs: 1e6 }, (outcome) => {
        inFlight--
        if (outcome.kind === 'error') refused = true
        else if (!refused) acknowledged.set(sequence, outcome.baseOffset)
      })
    }
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}

async function sequencesOf(core: BrokerCore): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  const partition = core.partition('orders')
  partition.checkInvariants()
  let next = 0
  for (;;) {
    const { bytes, nextOffset } = await partition.read(next, 400_000)
    if (bytes === null) return found
    for (const { position } of iterateBatches(bytes)) {
      for (const record of decodeBatchSync(bytes, position) as Iterable<LogRecord>) {
        const sequence: number = Number(/^b(\d+)-0/.exec(record.value!.toString('latin1', 0, 8))![1])
        assert.equal(found.has(sequence), false, `batch ${sequence} is there twice`)
        found.set(sequence, record.offset)
      }
    }
    next = nextOffset
  }
}

async function crashAndFinish(step: number, loss: CrashLoss): Promise<boolean> {
  const fileSystem = new FakeFileSystem()
  const store = new MemoryStore()
  const core = await BrokerCore.start({ fileSystem, store, clock: new ManualClock() })
  await core.createTopic('orders', 1, { 'segment.bytes': '1048576' })
  const acknowledged = new Map<number, number>()
  fileSystem.stopAtOperation(fileSystem.counters.mutations + step)
  await send(core, fileSystem, acknowledged)
  await settled()
  const stopped = fileSystem.stopped
  const survivor = fileSystem.crash(loss)
  const again = await BrokerCore.start({ fileSystem: survivor, store: store.crash(), clock: new ManualClock() })
  const kept = await sequencesOf(again)
  for (const [sequence, offset] of acknowledged)
    assert.equal(kept.get(sequence), offset, `batch ${sequence} was acknowledged`)
  await send(again, survivor, acknowledged)
  const all = await sequencesOf(again)
  assert.deepEqual(
    [...all.keys()],
    Array.from({ length: BATCH_COUNT }, (_, i) => i),
  )
  assert.deepEqual(
    [...acknowledged].sort(([a], [b]) => a - b),
    [...all],
  )
  await again.stop()
  return stopped
}

test('a crash at every disk operation: acknowledged batches stay, retries are written once', async (t) => {
  let runs = 0
  let step = 1
  for (; ; step++) {
    const losses: CrashLoss[] = [{ keep: 'none' }, MILDER_LOSSES[step % MILDER_LOSSES.length]!(step)]
    let stopped = false
    for (const loss of losses) {
      stopped = await crashAndFinish(step, loss)
      runs++
    }
    if (!stopped) break
  }
  t.diagnostic(`${step} crash points, ${runs} recoveries`)
})
