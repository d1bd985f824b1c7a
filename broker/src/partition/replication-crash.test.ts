/**
 * Three replicas through everything that a data centre does to them: hosts lose power in the middle of a write, processes
 * are killed, links break, messages are lost and overtaken. By seed; a failure names it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CrashLoss } from '../testing/fake-disk.ts'
import { turn } from '../testing/manual-clock.ts'
import { ReplicaSet } from '../testing/replica-set.ts'
import { SetWorkload } from '../testing/set-workload.ts'

const BROKERS = [1, 2, 3]
const SEED_COUNT = Number(process.env['STRATALOG_SEED_COUNT'] ?? 200)
const FIRST_SEED = Number(process.env['STRATALOG_SEED'] ?? 1)

function lossOf(random: () => number): CrashLoss | null {
  const seed = Math.floor(random() * 1e9)
  const losses: (CrashLoss | null)[] = [
    { keep: 'none' },
    { keep: 'random', seed },
    { keep: 'torn', bytes: random() },
    { keep: 'sectors', seed },
    { keep: 'all' },
    null,
  ]
  return losses[Math.floor(random() * losses.length)]!
}

class Nemesis {
  readonly #set: ReplicaSet

  constructor(set: ReplicaSet) {
    this.#set = set
  }

  /** Something may happen; hosts that have stopped at a disk operation are found dead. */
  async strike(): Promise<void> {
    const { random, hosts } = this.#set
    for (const { brokerId, environment, fileSystem } of hosts.values()) {
      if (environment !== null && fileSystem.stopped) this.#set.crash(brokerId, lossOf(random))
    }
    const brokerId = BROKERS[Math.floor(random() * BROKERS.length)]!
    const host = this.#set.host(brokerId)
    const chance = random()
    if (host.environment === null) {
      if (chance < 0.25) await this.#set.open(brokerId)
    } else if (chance < 0.03) this.#set.crash(brokerId, lossOf(random))
    else if (chance < 0.08) {
      host.fileSystem.stopAtOperation(host.fileSystem.counters.mutations + 1 + Math.floor(random() * 12))
    } else if (chance < 0.1) this.#set.isolate(brokerId)
    else if (chance < 0.12) for (const other of BROKERS) this.#crashAt(other)
    else if (chance < 0.13) await this.#set.stop(brokerId)
    else if (chance < 0.25) this.#set.heal()
  }

  #crashAt(brokerId: number): void {
    if (this.#set.host(brokerId).environment !== null) this.#set.crash(brokerId, lossOf(this.#set.random))
  }
}

async function runSeed(seed: number): Promise<number> {
  const valueBytes = seed % 3 === 0 ? 60_000 : 0
  const config = { segmentBytesMax: 200_000, flushPolicy: 'fsync' } as const
  const tailBytes = seed % 2 === 0 ? 0 : 1 << 20
  const set = await ReplicaSet.start({ brokerIds: BROKERS, seed, lossRate: 0.02, delayRate: 0.1, config, tailBytes })
  const workload = new SetWorkload(set, { batchCount: 100, valueBytes })
  const nemesis = new Nemesis(set)
  for (let step = 0; step < 120; step++) {
    workload.step()
    for (let round = Math.floor(set.random() * 4); round >= 0; round--) await set.deliverOnce()
    if (set.random() < 0.7) await set.clock.advance(100, turn)
    await nemesis.strike()
  }
  const acknowledgedInStorm = workload.acknowledgedCount
  set.heal()
  for (const { brokerId, environment, fileSystem } of set.hosts.values()) {
    if (environment !== null && fileSystem.stopped) set.crash(brokerId, { keep: 'none' })
    else fileSystem.stopAtOperation(Number.POSITIVE_INFINITY)
    if (set.host(brokerId).environment === null) await set.open(brokerId)
    assert.equal(set.host(brokerId).failure, null)
  }
  await set.until(() => {
    workload.step()
    return workload.isDone
  }, 'all batches')
  await set.level()
  set.assertIdentical()
  for (const brokerId of BROKERS) {
    await workload.verify(set.at(brokerId))
    assert.deepEqual(set.host(brokerId).lost, [])
  }
  await set.close()
  return acknowledgedInStorm
}

test('storms: nothing acknowledged is lost, doubled or reordered, and the logs are the same bytes', async (t) => {
  let acknowledged = 0
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEED_COUNT; seed++) {
    try {
      acknowledged += await runSeed(seed)
    } catch (error) {
      throw new Error(`seed ${seed} (STRATALOG_SEED=${seed} runs from there)`, { cause: error })
    }
  }
  t.diagnostic(`${acknowledged} batches were acknowledged in ${SEED_COUNT} storms`)
  assert.ok(acknowledged > SEED_COUNT * 5)
})
