/**
 * A failure run: a cluster, clients that write and read throughout, faults one after another, and at the end the checks.
 *
 * ```
 *  start cluster, topics, clients ─> fault, rest, fault, ... ─> heal ─> writers end ─> final reads ─> brokers stop
 *    ─> histories checked, replicas compared byte by byte
 * ```
 * A violation keeps everything: data folders, logs, histories. The plan of faults follows from the seed; what the
 * cluster makes of it does not.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { seededRandom } from '@stratalog/broker/testing'
import { isStratalogError } from '@stratalog/client'
import { ChaosCluster } from './broker/chaos-cluster.ts'
import { untilHealthy } from './broker/cluster-health.ts'
import type { ActiveFault } from './nemesis/fault.ts'
import { chooseFaults, faultNamed, type PlannedFault, planFaults } from './nemesis/faults.ts'
import type { ChaosReport } from './report.ts'
import { checkHistories } from './verify/check-histories.ts'
import { compareReplicas } from './verify/replica-compare.ts'
import { ClientProcess } from './workload/client-process.ts'
import { HistoryFile } from './workload/history-file.ts'
import type { RunPartition } from './workload/job.ts'

/** What to run. */
export interface ChaosOptions {
  readonly seed: number
  readonly brokerCount: number
  /** Ends after so many faults ... */
  readonly faultCount: number
  /** ... or when this time has passed, ms. */
  readonly durationMs: number
  /** Names of faults, null = all that suit. */
  readonly faults: readonly string[] | null
  /** Takes the names as an order of faults, each once, instead of drawing from them. */
  readonly isFixedOrder: boolean
  /** Chance that a broker's disk loses at a power cut what is not synced, drawn at each start. */
  readonly lossyChance: number
  /** Values a second, over all producers. */
  readonly rate: number
  /** Longest time until the cluster is whole again after a fault, and until the final reads are done, ms. */
  readonly healthTimeoutMs: number
  readonly folder: string
  readonly tell: (line: string) => void
}

/** Longest time in which a cluster recovers from any fault, ms: the limit of a run unless it says otherwise. */
export const HEALTH_TIMEOUT_MS = 180_000
const RECORD_BYTES_MAX = 64 * 1024
/** Segments are checked all the time: a flipped bit must be found before the next fault. */
const SCRUB_SETTINGS = { 'log.scrub.interval.ms': '2000', 'log.scrub.bytes.per.second': String(20 * 1024 * 1024) }
const TOPICS = [
  { name: 'alpha', partitionCount: 4, segmentBytes: 1024 * 1024 },
  { name: 'beta', partitionCount: 2, segmentBytes: 4 * 1024 * 1024 },
] as const

/** Runs to the end and says what was found. Errors: the run itself could not be made. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  await rm(options.folder, { recursive: true, force: true })
  await mkdir(options.folder, { recursive: true })
  const run = new ChaosRun(options)
  try {
    return await run.run()
  } finally {
    await run.cleanUp()
  }
}

class ChaosRun {
  readonly #options: ChaosOptions
  readonly #history: HistoryFile
  readonly #partitions: RunPartition[]
  readonly #violations: string[] = []
  readonly #clients: ClientProcess[] = []
  readonly #notes: Record<string, number> = {}
  readonly #recoveriesMs: { readonly fault: string; readonly tookMs: number }[] = []
  readonly #startedMs = performance.now()
  /** Brokers that hold a copy, by the run's number of the partition. */
  readonly #replicas = new Map<number, readonly number[]>()
  #cluster: ChaosCluster | null = null
  #faultCount = 0

  constructor(options: ChaosOptions) {
    this.#options = options
    this.#history = new HistoryFile(join(options.folder, 'history', 'nemesis.ndjson'))
    let number = 0
    this.#partitions = TOPICS.flatMap(({ name: topic, partitionCount }) =>
      Array.from({ length: partitionCount }, (_, partition) => ({ number: number++, topic, partition })),
    )
  }

  async run(): Promise<ChaosReport> {
    const { brokerCount, folder, lossyChance, seed } = this.#options
    const random = seededRandom(seed ^ 0x5eed)
    const cluster = await ChaosCluster.start({
      brokerCount,
      folder,
      hasProxy: brokerCount > 1,
      isNextLossy: () => random() < lossyChance,
      settings: SCRUB_SETTINGS,
    })
    this.#cluster = cluster
    await this.#createTopics(cluster)
    await this.#recovered(cluster, 'start')
    const [writers, readers] = await this.#startClients(cluster)
    await this.#nemesis(cluster)
    this.#tell('healing')
    await cluster.heal()
    await this.#recovered(cluster, 'the last fault')
    await this.#ended(writers)
    await this.#finalRead(cluster)
    await this.#attempt('describing the partitions', () => this.#noteReplicas(cluster))
    await this.#ended(readers)
    await this.#attempt('stopping', () => cluster.stop())
    this.#violations.push(...cluster.unexpectedEnds)
    this.#history.close()
    return this.#check()
  }

  async cleanUp(): Promise<void> {
    for (const client of this.#clients) await client.kill()
    await this.#cluster?.[Symbol.asyncDispose]()
  }

  async #createTopics({ client }: ChaosCluster): Promise<void> {
    const replicationFactor = Math.min(3, this.#options.brokerCount)
    for (const { name, partitionCount, segmentBytes } of TOPICS) {
      const configs = { 'segment.bytes': String(segmentBytes), 'max.message.bytes': String(RECORD_BYTES_MAX) }
      await client.admin.createTopic({ name, partitionCount, replicationFactor, configs }, { timeoutMs: 30_000 })
    }
  }

  async #startClients({ bootstrap }: ChaosCluster): Promise<[ClientProcess[], ClientProcess[]]> {
    const rate = this.#options.rate / 4
    const producer = (number: number, deliveryTimeoutMs: number, acks: 'all' | 'leader' = 'all') => {
      return { producer: number, acks, rate, deliveryTimeoutMs, valueBytesMin: 32, valueBytesMax: 1024 }
    }
    // Patient ones must never fail; the hasty give up on values, whose outcome is then unknown.
    const groups = [
      [producer(1, 120_000), producer(2, 120_000)],
      [producer(3, 2000), producer(4, 120_000, 'leader')],
    ]
    const partitions = this.#partitions
    const writers = await Promise.all(
      groups.map((producers, index) => {
        const recordBytesMax = RECORD_BYTES_MAX
        return this.#client(`writer-${index + 1}`, (historyPath) => {
          return { kind: 'produce', bootstrap, historyPath, partitions, producers, recordBytesMax }
        })
      }),
    )
    const reader = await this.#client('reader-1', (historyPath) => {
      return { kind: 'consume', bootstrap, historyPath, partitions, consumers: [1, 2, 3] }
    })
    return [writers, [reader]]
  }

  async #client(name: string, job: (historyPath: string) => Parameters<typeof ClientProcess.start>[1]) {
    const { folder } = this.#options
    const historyPath = join(folder, 'history', `${name}.ndjson`)
    const client = await ClientProcess.start(name, job(historyPath), join(folder, 'logs', `${name}.log`))
    this.#clients.push(client)
    client.done.catch((error: unknown) => this.#violations.push(String(error)))
    return client
  }

  async #nemesis(cluster: ChaosCluster): Promise<void> {
    const { seed, faults, brokerCount, faultCount, durationMs, isFixedOrder } = this.#options
    const names = chooseFaults(faults, brokerCount)
    let isWhole = true
    for (const fault of planFaults(seed, names, isFixedOrder)) {
      if (this.#faultCount >= faultCount || performance.now() - this.#startedMs > durationMs) return
      if (this.#violations.length > 0) return
      const kind = faultNamed(fault.name)!
      if (kind.damages && !isWhole) await this.#recovered(cluster, `faults before ${fault.name}`)
      await this.#inflict(cluster, fault)
      isWhole = kind.damages || fault.waitsForHealth
      if (isWhole) await this.#recovered(cluster, fault.name)
      await new Promise((resolve) => setTimeout(resolve, fault.restMs))
    }
  }

  async #inflict(cluster: ChaosCluster, fault: PlannedFault): Promise<void> {
    const id = this.#faultCount++
    const scratch = join(this.#options.folder, 'scratch')
    await mkdir(scratch, { recursive: true })
    const context = { cluster, partitions: this.#partitions, random: seededRandom(fault.seed), scratch }
    const beganAt = this.#history.append({ kind: 'fault', phase: 'begin', id, fault: fault.name, detail: '' })
    let active: ActiveFault | null = null
    await this.#attempt(`begin of ${fault.name}`, async () => {
      active = await faultNamed(fault.name)!.begin(context)
    })
    const begun = active as ActiveFault | null
    if (begun === null) return
    this.#tell(`fault ${id + 1}: ${fault.name}, ${begun.detail}, for ${fault.holdMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, fault.holdMs))
    await this.#attempt(`end of ${fault.name}`, () => begun.end())
    const endedAt = this.#history.append({ kind: 'fault', phase: 'end', id, fault: fault.name, detail: begun.detail })
    this.#tell(`  ended after ${Math.round(endedAt - beganAt)} ms`)
    this.#history.flush()
    await rm(scratch, { recursive: true, force: true })
  }

  /** Waits until the cluster is whole; that it does not become so is a violation. */
  async #recovered(cluster: ChaosCluster, after: string): Promise<void> {
    const timeoutMs = this.#options.healthTimeoutMs
    const { isHealthy, tookMs, problems } = await untilHealthy(cluster, this.#partitions, timeoutMs)
    const wrong = problems.slice(0, 5).join('; ')
    if (isHealthy) {
      this.#recoveriesMs.push({ fault: after, tookMs })
      if (tookMs > 1000) this.#tell(`  whole again after ${Math.round(tookMs)} ms; last: ${wrong}`)
    } else this.#violations.push(`not whole ${timeoutMs} ms after ${after}: ${wrong}`)
  }

  async #noteReplicas({ client }: ChaosCluster): Promise<void> {
    const described = await client.admin.describePartitions({ topics: TOPICS.map(({ name }) => name) })
    for (const { number, topic, partition } of this.#partitions) {
      const found = described.find((each) => each.topic === topic && each.partition === partition)
      this.#replicas.set(number, found?.replicas.map(({ brokerId }) => brokerId) ?? [])
    }
  }

  async #finalRead({ bootstrap }: ChaosCluster): Promise<void> {
    this.#tell('final reads')
    await this.#attempt('final reads', async () => {
      const partitions = this.#partitions
      const timeoutMs = this.#options.healthTimeoutMs
      const reader = await this.#client('final', (historyPath) => {
        return { kind: 'final-read', bootstrap, historyPath, partitions, consumer: 9, timeoutMs }
      })
      await reader.done
    })
  }

  async #ended(clients: readonly ClientProcess[]): Promise<void> {
    for (const client of clients) {
      await this.#attempt(`the end of ${client.name}`, async () => {
        for (const [name, count] of Object.entries(await client.stop())) {
          this.#notes[name] = (this.#notes[name] ?? 0) + count
        }
      })
    }
  }

  async #check(): Promise<ChaosReport> {
    this.#tell('checking')
    const { folder, seed } = this.#options
    const findings = await checkHistories(join(folder, 'history'), 'fsynced')
    let comparedBatches = 0
    let comparedBytes = 0
    for (const { number, topic, partition } of this.#partitions) {
      const replicas = (this.#replicas.get(number) ?? []).map((brokerId) => {
        return { brokerId, folder: join(folder, `broker-${brokerId}`, 'topics', `${topic}-${partition}`) }
      })
      if (replicas.length === 0) this.#violations.push(`${topic}-${partition}: its replicas are not known`)
      const compared = await compareReplicas(replicas, findings.finalHighWatermarks.get(number) ?? 0)
      this.#violations.push(...compared.problems)
      comparedBatches += compared.comparedBatches
      comparedBytes += compared.comparedBytes
    }
    const { verdict, faults } = findings
    return {
      seed,
      valid: verdict.valid && this.#violations.length === 0,
      violations: this.#violations,
      verdict,
      faults,
      recoveriesMs: this.#recoveriesMs,
      notes: this.#notes,
      comparedBatches,
      comparedBytes,
      tookMs: performance.now() - this.#startedMs,
      folder,
    }
  }

  async #attempt(what: string, body: () => Promise<void>): Promise<void> {
    try {
      await body()
    } catch (error) {
      const text = isStratalogError(error) ? `${error.code}: ${error.message}` : String(error)
      this.#violations.push(`${what}: ${text}`)
      this.#tell(`  ${what}: ${text}`)
    }
  }

  #tell(line: string): void {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1)
    this.#options.tell(`${seconds.padStart(7)} s  ${line}`)
  }
}
