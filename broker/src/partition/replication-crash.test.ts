/**
 * Three replicas through everything that a data centre does to them: hosts lose power in the middle of a write, processes
 * are killed, links break, messages are lost and overtaken. By seed; a failure names it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Replica } from '../replication/raft-ids.ts'
import type { CrashLoss } from '../testing/fake-disk.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { ReplicaSet } from '../testing/replica-set.ts'
import { SetWorkload } from '../testing/set-workload.ts'

const BROKERS = [1, 2, 3]
const EVERYBODY = [1, 2, 3, 4, 5]
const SEED_COUNT = Number(process.env['STRATALOG_SEED_COUNT'] ?? 200)
/** Of storms in which the members change, too: they take longer. */
const CHANGING_SEED_COUNT = Math.ceil(SEED_COUNT / 3)
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
  readonly #brokerIds: readonly number[]

  constructor(set: ReplicaSet, brokerIds: readonly number[]) {
    this.#set = set
    this.#brokerIds = brokerIds
  }

  /** Something may happen; hosts that have stopped at a disk operation are found dead. */
  async strike(): Promise<void> {
    const { random, hosts } = this.#set
    for (const { brokerId, environment, fileSystem } of hosts.values()) {
      if (environment !== null && fileSystem.stopped) this.#set.crash(brokerId, lossOf(random))
    }
    const brokerId = this.#brokerIds[Math.floor(random() * this.#brokerIds.length)]!
    const host = this.#set.host(brokerId)
    const chance = random()
    if (host.environment === null) {
      if (chance < 0.25) await this.#set.open(brokerId)
    } else if (chance < 0.03) this.#crash(brokerId)
    else if (chance < 0.08) {
      host.fileSystem.stopAtOperation(host.fileSystem.counters.mutations + 1 + Math.floor(random() * 12))
    } else if (chance < 0.1) this.#set.isolate(brokerId)
    else if (chance < 0.12) for (const other of this.#brokerIds) this.#crash(other)
    else if (chance < 0.13) await this.#set.stop(brokerId)
    else if (chance < 0.25) this.#set.heal()
  }

  /** Peace: everything is repaired and runs. */
  async rest(): Promise<void> {
    this.#set.heal()
    for (const { brokerId, environment, fileSystem } of this.#set.hosts.values()) {
      if (environment !== null && fileSystem.stopped) this.#set.crash(brokerId, { keep: 'none' })
      else fileSystem.stopAtOperation(Number.POSITIVE_INFINITY)
      if (this.#set.host(brokerId).environment === null) await this.#set.open(brokerId)
      assert.equal(this.#set.host(brokerId).failure, null)
    }
  }

  #crash(brokerId: number): void {
    if (this.#set.host(brokerId).environment !== null) this.#set.crash(brokerId, lossOf(this.#set.random))
  }
}

interface Storm {
  readonly set: ReplicaSet
  readonly workload: SetWorkload
  readonly nemesis: Nemesis
}

async function newStorm(seed: number, brokerIds: readonly number[]): Promise<Storm> {
  const valueBytes = seed % 3 === 0 ? 60_000 : 0
  const tailBytes = seed % 2 === 0 ? 0 : 1 << 20
  const config = { segmentBytesMax: 200_000, flushPolicy: 'fsync' } as const
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], seed, lossRate: 0.02, delayRate: 0.1, config, tailBytes })
  for (const brokerId of brokerIds) if (!set.hosts.has(brokerId)) await set.add(brokerId)
  return { set, workload: new SetWorkload(set, { batchCount: 100, valueBytes }), nemesis: new Nemesis(set, brokerIds) }
}

async function storm({ set, workload, nemesis }: Storm, also: () => Promise<void>): Promise<void> {
  for (let step = 0; step < 120; step++) {
    workload.step()
    for (let round = Math.floor(set.random() * 4); round >= 0; round--) await set.deliverOnce()
    if (set.random() < 0.7) await set.clock.advance(100, set.settle)
    await nemesis.strike()
    await also()
  }
}

async function finish({ set, workload }: Storm, brokerIds: readonly number[]): Promise<void> {
  await set.until(() => {
    workload.step()
    return workload.isDone
  }, 'all batches')
  for (const brokerId of [...set.hosts.keys()]) {
    if (brokerIds.includes(brokerId)) continue
    await set.stop(brokerId)
    set.hosts.delete(brokerId)
  }
  await set.level()
  set.assertIdentical()
  for (const brokerId of brokerIds) {
    await workload.verify(set.at(brokerId))
    assert.deepEqual(set.host(brokerId).lost, [])
  }
  await set.close()
}

async function forEachSeed(count: number, run: (seed: number) => Promise<number>): Promise<number> {
  let sum = 0
  for (let seed = FIRST_SEED; seed < FIRST_SEED + count; seed++) {
    try {
      sum += await run(seed)
    } catch (error) {
      throw new Error(`seed ${seed} (STRATALOG_SEED=${seed} runs from there)`, { cause: error })
    }
  }
  return sum
}

test('storms: nothing acknowledged is lost, doubled or reordered, and the logs are the same bytes', async (t) => {
  const acknowledged = await forEachSeed(SEED_COUNT, async (seed) => {
    const weather = await newStorm(seed, BROKERS)
    await storm(weather, async () => undefined)
    const { acknowledgedCount } = weather.workload
    await weather.nemesis.rest()
    await finish(weather, BROKERS)
    return acknowledgedCount
  })
  t.diagnostic(`${acknowledged} batches were acknowledged in ${SEED_COUNT} storms`)
  assert.ok(acknowledged > SEED_COUNT * 5)
})

/** Whoever is asked to hold the partition, while that changes, and one disk at a time is lost. */
class Operator {
  readonly #set: ReplicaSet
  #target: readonly number[] = BROKERS
  lostCount = 0

  constructor(set: ReplicaSet) {
    this.#set = set
  }

  get target(): readonly Replica[] {
    return this.#target.map((brokerId) => ({ brokerId, generation: this.#set.host(brokerId).generation }))
  }

  get targetIds(): readonly number[] {
    return this.#target
  }

  async act(): Promise<void> {
    const { random } = this.#set
    const isSettled = this.reconcile()
    if (random() < 0.08) this.#target = shuffled(EVERYBODY, random).slice(0, 3)
    else if (isSettled && random() < 0.1) this.#loseADisk()
  }

  /** @returns whether the members are those that they should be, by the word of whoever leads. */
  reconcile(): boolean {
    const { leaderId } = this.#set
    for (const { partition } of this.#set.hosts.values()) partition?.reconcile(this.target)
    return leaderId !== null && this.#set.at(leaderId).reconcile(this.target) === 'done'
  }

  /** Only ever one at a time: the next one once that copy was replaced. */
  #loseADisk(): void {
    const host = this.#set.host(EVERYBODY[Math.floor(this.#set.random() * EVERYBODY.length)]!)
    if (host.environment === null) return
    this.lostCount++
    this.#set.crash(host.brokerId, { keep: 'none' })
    host.fileSystem = new FakeFileSystem()
    host.store = new MemoryStore()
    host.generation++
  }
}

function shuffled(ids: readonly number[], random: () => number): number[] {
  const rest = [...ids]
  return Array.from(ids, () => rest.splice(Math.floor(random() * rest.length), 1)[0]!)
}

test('storms in which the members change and disks are lost: the same holds, and the change is completed', async (t) => {
  let lostCount = 0
  const acknowledged = await forEachSeed(CHANGING_SEED_COUNT, async (seed) => {
    const weather = await newStorm(seed, EVERYBODY)
    const operator = new Operator(weather.set)
    await storm(weather, () => operator.act())
    const { acknowledgedCount } = weather.workload
    await weather.nemesis.rest()
    await weather.set.until(() => operator.reconcile(), 'the members')
    lostCount += operator.lostCount
    await finish(weather, operator.targetIds)
    return acknowledgedCount
  })
  t.diagnostic(`${acknowledged} batches were acknowledged and ${lostCount} disks lost in ${CHANGING_SEED_COUNT} storms`)
  assert.ok(acknowledged > CHANGING_SEED_COUNT * 5)
  assert.ok(lostCount > CHANGING_SEED_COUNT / 10)
})
