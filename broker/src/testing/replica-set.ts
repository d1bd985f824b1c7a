/**
 * Several brokers that hold one partition, without their networks: real partitions on fake disks, stores and a clock that a
 * test moves, and messages that it delivers, drops and holds back. Deterministic by seed.
 *
 * Messages cross as they would on a wire: their batches are copied and taken apart again.
 */
import assert from 'node:assert/strict'
import { StratalogError, toBrokerId } from '@stratalog/proto'
import type { Message } from 'raft-ts'
import { FlushScheduler } from '../log/flush-scheduler.ts'
import { OpenFileCache } from '../log/open-file-cache.ts'
import { TailBudget } from '../log/tail-cache.ts'
import { Partition } from '../partition/partition.ts'
import type { PartitionConfig } from '../partition/partition-config.ts'
import type { LostReplica, PartitionEnvironment, PartitionSpec } from '../partition/partition-types.ts'
import type { Acks, ProduceOutcome } from '../partition/produce-outcome.ts'
import { ByteRate } from '../replication/byte-rate.ts'
import { entriesIn } from '../replication/entry-codec.ts'
import { FlushedMarks } from '../replication/flushed-marks.ts'
import { GroupStateStore } from '../replication/group-state-store.ts'
import { RaftGroupTable } from '../replication/group-table.ts'
import { brokerOfNode, type Replica } from '../replication/raft-ids.ts'
import { TickLoop } from '../replication/tick-loop.ts'
import { type CrashLoss, seededRandom } from './fake-disk.ts'
import { FakeFileSystem } from './fake-file-system.ts'
import { ManualClock, turn } from './manual-clock.ts'
import { MemoryStore } from './memory-store.ts'
import { quietConfig } from './quiet-config.ts'

/** Of the only partition. */
export const REPLICA_TOPIC_ID = '0123456789abcdef0123456789abcdef'
/** Its folder on every host. */
export const REPLICA_DIRECTORY = '/data/topics/orders-0'

const TICK_MS = 100

/** What a set is made of. */
export interface ReplicaSetOptions {
  /** Brokers that hold the partition from the beginning, the preferred leader first. */
  readonly brokerIds: readonly number[]
  readonly seed?: number
  readonly config?: Partial<PartitionConfig>
  /** Memory for the newest batches, per broker. */
  readonly tailBytes?: number
  /** Limit for reading back, per broker; 0 for none. */
  readonly catchUpBytesPerSecond?: number
  /** Chance that a message is lost. */
  readonly lossRate?: number
  /** Chance that a message is held back for a round, and overtaken. */
  readonly delayRate?: number
}

/** One broker. */
export interface ReplicaHost {
  readonly brokerId: number
  fileSystem: FakeFileSystem
  store: MemoryStore
  /** Null while it is down. */
  environment: PartitionEnvironment | null
  /** Null while it is down, or when it could not be opened. */
  partition: Partition | null
  /** Why it could not be opened. */
  failure: unknown
  generation: number
  readonly lost: LostReplica[]
}

/** See the file's header. */
export class ReplicaSet {
  readonly clock: ManualClock = new ManualClock()
  readonly random: () => number
  readonly hosts: Map<number, ReplicaHost> = new Map()
  /** Messages that did not arrive. */
  droppedCount = 0
  /** Called for each message that is about to arrive; false drops it. */
  onDeliver: ((message: Message<Buffer>) => boolean) | null = null
  readonly #options: ReplicaSetOptions
  readonly #founders: readonly Replica[]
  readonly #cuts = new Set<string>()
  #wire: Message<Buffer>[] = []

  private constructor(options: ReplicaSetOptions) {
    this.#options = options
    this.#founders = options.brokerIds.map((brokerId) => ({ brokerId, generation: 0 }))
    this.random = seededRandom(options.seed ?? 1)
  }

  /** Starts all brokers. */
  static async start(options: ReplicaSetOptions): Promise<ReplicaSet> {
    const set = new ReplicaSet(options)
    for (const brokerId of options.brokerIds) await set.add(brokerId)
    return set
  }

  /** Adds an empty broker, and opens its copy: as a founder, or to join. */
  async add(brokerId: number): Promise<ReplicaHost> {
    const host: ReplicaHost = {
      brokerId,
      fileSystem: new FakeFileSystem(),
      store: new MemoryStore(),
      environment: null,
      partition: null,
      failure: null,
      generation: 0,
      lost: [],
    }
    this.hosts.set(brokerId, host)
    await this.open(brokerId)
    return host
  }

  /** Lets everything settle that needs no message and no time. */
  readonly settle: () => Promise<void> = turn

  host(brokerId: number): ReplicaHost {
    return this.hosts.get(brokerId)!
  }

  /** The copy of a broker; fails the test when it is not open. */
  at(brokerId: number): Partition {
    const { partition, failure } = this.host(brokerId)
    assert.ok(partition !== null, `broker ${brokerId} has no partition: ${String(failure)}`)
    return partition
  }

  /** The copies that are open. */
  get partitions(): Partition[] {
    return [...this.hosts.values()].flatMap(({ partition }) => (partition === null ? [] : [partition]))
  }

  /** The broker that serves; the one of the latest term if several believe that they do. */
  get leaderId(): number | null {
    const serving = [...this.hosts.values()].filter(({ partition }) => partition?.state().kind === 'serving')
    serving.sort((a, b) => b.partition!.bounds().leaderEpoch - a.partition!.bounds().leaderEpoch)
    return serving[0]?.brokerId ?? null
  }

  /** Opens the copy of a broker that is down, as its generation has it. */
  async open(brokerId: number): Promise<void> {
    const host = this.host(brokerId)
    const environment: PartitionEnvironment = await this.#environment(host, (message) => {
      // What still runs of a broker that was crashed reaches nobody.
      if (host.environment === environment) this.#wire.push(onTheWire(message))
    })
    host.environment = environment
    host.failure = null
    try {
      host.partition = await Partition.open(this.#spec(host), environment)
    } catch (error) {
      host.partition = null
      host.failure = error
    }
    await turn()
  }

  /** Stops a broker cleanly. */
  async stop(brokerId: number): Promise<void> {
    const host = this.host(brokerId)
    const { partition } = host
    host.partition = null
    if (partition !== null) await partition.close(new StratalogError('SHUTTING_DOWN'))
    await host.environment?.openFiles.close()
    await host.store.close()
    host.store = host.store.crash()
    this.#gone(host)
  }

  /** Takes a broker's power away. @param loss what becomes of what was not synced; null: only the process is killed. */
  crash(brokerId: number, loss: CrashLoss | null): void {
    const host = this.host(brokerId)
    const { fileSystem } = host
    host.fileSystem = loss === null ? fileSystem.kill() : fileSystem.crash(loss)
    host.store = host.store.crash()
    // What still runs of it must not reach anything any more.
    fileSystem.stopAtOperation(0)
    host.partition = null
    this.#gone(host)
  }

  /** Lets no message pass between two brokers. */
  cut(a: number, b: number): void {
    this.#cuts.add(linkOf(a, b))
  }

  /** Cuts a broker off from all others. */
  isolate(brokerId: number): void {
    for (const other of this.hosts.keys()) if (other !== brokerId) this.cut(brokerId, other)
  }

  /** Ends all cuts. */
  heal(): void {
    this.#cuts.clear()
  }

  /** Delivers what is under way, and what follows from it, until there is nothing more. */
  async deliver(): Promise<void> {
    await turn()
    for (let round = 0; round < 200 && this.#wire.length > 0; round++) await this.deliverOnce()
  }

  /** Delivers what is under way now. */
  async deliverOnce(): Promise<void> {
    const { delayRate = 0 } = this.#options
    for (const message of this.#wire.splice(0)) {
      if (delayRate > 0 && this.random() < delayRate) this.#wire.push(message)
      else this.#deliver(message)
    }
    await turn()
  }

  /** Lets time pass, tick by tick, with all messages delivered. */
  async run(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += TICK_MS) {
      await this.deliver()
      await this.clock.advance(TICK_MS, turn)
    }
    await this.deliver()
  }

  /** Lets time pass until `condition` holds; fails the test when that takes too long. */
  async until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
    for (let passedMs = 0; !condition(); passedMs += TICK_MS) {
      assert.ok(passedMs < limitMs, `${what}, within ${limitMs} ms; ${this.describe()}`)
      await this.run(TICK_MS)
    }
  }

  /** Waits for a leader that serves, on one of these brokers if any are given. */
  async elected(brokerIds?: readonly number[]): Promise<Partition> {
    const isElected = (): boolean =>
      this.leaderId !== null && (brokerIds === undefined || brokerIds.includes(this.leaderId))
    await this.until(isElected, 'a leader')
    return this.at(this.leaderId!)
  }

  /** Hands a batch to the leader, or to the broker given, and does not wait. */
  send(
    batch: Buffer,
    done: (outcome: ProduceOutcome) => void,
    acks: Acks = 'all',
    brokerId: number | null = this.leaderId,
  ): void {
    assert.ok(brokerId !== null, 'there is no leader')
    this.at(brokerId).produce(batch, { acks, timeoutMs: 1e9 }, done)
  }

  /** Produces a batch at the leader and runs until it is answered. */
  async produce(batch: Buffer, acks: Acks = 'all'): Promise<ProduceOutcome> {
    let outcome: ProduceOutcome | null = null
    this.send(batch, (answer) => (outcome = answer), acks)
    await this.until(() => outcome !== null, 'an answer to a batch')
    return outcome!
  }

  /** Runs until every open copy has all that is committed, and knows it. */
  async level(): Promise<void> {
    await this.elected()
    const isLevel = (): boolean => {
      const ends = this.partitions.map((partition) => partition.bounds())
      const end = Math.max(...ends.map(({ logEndOffset }) => logEndOffset))
      return this.leaderId !== null && ends.every((b) => b.logEndOffset === end && b.highWatermark === end)
    }
    await this.until(isLevel, 'level logs')
  }

  /** The log's bytes of a broker, all segments one after another. */
  logBytes(brokerId: number): Buffer {
    const { fileSystem } = this.host(brokerId)
    const paths = fileSystem.paths.filter((path) => path.startsWith(`${REPLICA_DIRECTORY}/`) && path.endsWith('.log'))
    return Buffer.concat(paths.map((path) => fileSystem.contentOf(path)))
  }

  /** The leader epochs of a broker that was stopped, as they are in its file. */
  epochFile(brokerId: number): string {
    return this.host(brokerId).fileSystem.contentOf(`${REPLICA_DIRECTORY}/leader-epoch-checkpoint`).toString()
  }

  /** Throws when copies that are open contradict themselves, or differ in their bytes. */
  assertIdentical(): void {
    const [first, ...others] = [...this.hosts.values()].filter(({ partition }) => partition !== null)
    for (const { brokerId } of others) {
      const same = this.logBytes(first!.brokerId).equals(this.logBytes(brokerId))
      assert.ok(same, `the logs of brokers ${first!.brokerId} and ${brokerId} differ`)
    }
    for (const partition of this.partitions) partition.checkInvariants()
  }

  /** Stops everything. */
  async close(): Promise<void> {
    for (const [brokerId, { environment }] of this.hosts) if (environment !== null) await this.stop(brokerId)
  }

  /** One line about all. */
  describe(): string {
    return [...this.hosts.values()]
      .map(({ brokerId, partition, failure }) => {
        if (partition === null) return `${brokerId}: down ${failure === null ? '' : String(failure)}`
        const { logStartOffset, highWatermark, logEndOffset, leaderEpoch } = partition.bounds()
        const { leaderId, members } = partition.describe()
        const state = partition.state()
        const shown = state.kind === 'serving' ? 'serving' : state.error.code
        return `${brokerId}: ${shown} epoch ${leaderEpoch} leader ${leaderId} log ${logStartOffset}..${highWatermark}..${logEndOffset} voters ${members.voters} learners ${members.learners}`
      })
      .join('; ')
  }

  #gone(host: ReplicaHost): void {
    host.environment?.ticks.stop()
    host.environment?.marks.stop()
    host.environment = null
    this.#wire = this.#wire.filter(({ from }) => brokerOfNode(from) !== host.brokerId)
    for (const other of this.hosts.values()) other.environment?.groups.peerLost(host.brokerId)
  }

  #deliver(message: Message<Buffer>): void {
    const { lossRate = 0 } = this.#options
    const to = brokerOfNode(message.to)
    const isCut = this.#cuts.has(linkOf(brokerOfNode(message.from), to))
    const isLost = isCut || (lossRate > 0 && this.random() < lossRate)
    const { environment } = this.hosts.get(to) ?? {}
    if (isLost || !environment || this.onDeliver?.(message) === false) this.droppedCount++
    else environment.groups.step(message)
  }

  #spec(host: ReplicaHost): PartitionSpec {
    const isFounder = this.#options.brokerIds.includes(host.brokerId) && host.generation === 0
    return {
      topic: 'orders',
      topicId: REPLICA_TOPIC_ID,
      partition: 0,
      generation: host.generation,
      initialVoters: isFounder ? this.#founders : null,
      config: quietConfig(this.#options.config),
      directory: REPLICA_DIRECTORY,
    }
  }

  async #environment(host: ReplicaHost, send: (message: Message<Buffer>) => void): Promise<PartitionEnvironment> {
    const { fileSystem, store, brokerId, lost } = host
    const silent = (): void => undefined
    return {
      brokerId: toBrokerId(brokerId),
      fileSystem,
      flusher: new FlushScheduler(),
      openFiles: new OpenFileCache({ fileSystem }),
      tails: new TailBudget(this.#options.tailBytes),
      groupStates: await GroupStateStore.open(store),
      groups: new RaftGroupTable(),
      ticks: new TickLoop(this.clock, TICK_MS),
      marks: new FlushedMarks(this.clock),
      transport: { send },
      random: this.random,
      catchUp: new ByteRate(this.clock, this.#options.catchUpBytesPerSecond ?? 0),
      onReplicaLost: (copy) => lost.push(copy),
      onLeadership: () => undefined,
      limits: { uncommittedBytesMax: 32 * 1024 * 1024, producerCountMax: 1000, producerIdExpirationMs: 1e12 },
      logger: { info: silent, warn: silent, error: silent },
    }
  }
}

function linkOf(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`
}

/** The message as its receiver gets it: nothing is shared with the sender, and entries are what their batches say. */
function onTheWire(message: Message<Buffer>): Message<Buffer> {
  if (message.type !== 'append') return structuredClone(message)
  const bytes = Buffer.concat(message.entries.map(({ data }) => data!))
  const { entries: _, ...header } = message
  return { ...structuredClone(header), entries: entriesIn(bytes) }
}
