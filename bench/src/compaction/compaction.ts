/**
 * The scenario `compaction`: a topic of one partition and three replicas takes many updates of few keys and is compacted
 * meanwhile, while a reader goes over it again and again, brokers are killed with SIGKILL and leadership moves.
 *
 * In the end every replica must have the last update of every key at the offset at which it was acknowledged, no ended key
 * may have come back, and all must have the same batches at the same offsets.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@stratalog/client'
import { BenchCluster } from '../cluster/bench-cluster.ts'
import { waitForPartitions } from '../cluster/partition-health.ts'
import { inScratchFolder } from '../cluster/scratch-folder.ts'
import { type CompactedFolder, readCompactedFolder } from './compacted-folder.ts'
import { type KeyUpdate, KeyWriter } from './key-writer.ts'
import { LiveReader, type LiveReads } from './live-reader.ts'

/** Settings of a run. */
export interface CompactionOptions {
  readonly updateCount: number
  readonly keyCount: number
  readonly valueBytes: number
  readonly brokerCount: number
  /** kill -9, each of another broker, spread over the writing. */
  readonly killCount: number
  /** Topic configs beside those that the scenario needs. */
  readonly topicConfigs: Readonly<Record<string, string>>
  readonly brokerSettings: Readonly<Record<string, string>>
  readonly outDirectory: string
  readonly nodeFlags: readonly string[]
  readonly onProgress: (line: string) => void
}

/** One replica at the end. */
export interface CompactedReplica
  extends Pick<CompactedFolder, 'recordCount' | 'emptyBatchCount' | 'segmentCount' | 'sizeBytes'> {
  readonly brokerId: number
  readonly batchCount: number
}

/** What a run found. */
export interface CompactionRun {
  readonly writtenMs: number
  /** From the last acknowledgement until nothing more was compacted. */
  readonly settledMs: number
  readonly killCount: number
  readonly leaderChangeCount: number
  readonly reads: LiveReads
  readonly endOffset: number
  /** Keys that have a value at the end. */
  readonly liveKeyCount: number
  readonly replicas: readonly CompactedReplica[]
}

const TOPIC = 'keyed'
const CLEANER = { 'log.cleaner.backoff.ms': '200', 'retention.check.ms': '500' }
/** The active segment ends by its age, too, so that in the end all of it is compacted. */
const TOPIC_CONFIGS = {
  'cleanup.policy': 'compact',
  'segment.bytes': String(4 * 1024 * 1024),
  'segment.ms': '2000',
  'min.cleanable.dirty.ratio': '0.3',
  'delete.retention.ms': '1000',
}
const SETTLE_POLL_MS = 500
/** Sizes of all replicas that stay the same for so long are final. */
const SETTLED_POLL_COUNT = 8
const SETTLE_DEADLINE_MS = 120_000

/** Runs it. Rejects when anything is not as it must be. */
export async function runCompaction(options: CompactionOptions): Promise<CompactionRun> {
  return inScratchFolder(options.outDirectory, async (directory) => {
    const { brokerCount, brokerSettings, nodeFlags } = options
    const settings = { ...CLEANER, ...brokerSettings }
    await using cluster = await BenchCluster.start({ brokerCount, directory, settings, nodeFlags })
    return await new Run(options, cluster, directory).run()
  })
}

class Run {
  readonly #options: CompactionOptions
  readonly #cluster: BenchCluster
  readonly #directory: string
  readonly #bootstrap: string
  #killCount = 0
  #leaderChangeCount = 0

  constructor(options: CompactionOptions, cluster: BenchCluster, directory: string) {
    this.#options = options
    this.#cluster = cluster
    this.#directory = directory
    this.#bootstrap = cluster.bootstrap
  }

  async run(): Promise<CompactionRun> {
    const { updateCount, keyCount, valueBytes, brokerCount, onProgress, topicConfigs } = this.#options
    const bootstrap = this.#bootstrap
    await using client = createClient({ bootstrap })
    const configs = { ...TOPIC_CONFIGS, ...topicConfigs }
    await client.admin.createTopic({ name: TOPIC, partitionCount: 1, replicationFactor: brokerCount, configs })
    await waitForPartitions(bootstrap, TOPIC, 1)
    const writer = new KeyWriter({ bootstrap, topic: TOPIC, updateCount, keyCount, valueBytes, tombstoneEvery: 97 })
    const reader = new LiveReader(bootstrap, TOPIC, () => writer.last)
    const reading = reader.run()
    reading.catch(() => undefined)
    const startedMs = performance.now()
    const writing = writer.run()
    await Promise.all([writing, this.#disturb(writer)])
    const writtenMs = performance.now() - startedMs
    reader.stop()
    const reads = await reading
    onProgress(`${updateCount} updates are acknowledged after ${Math.round(writtenMs)} ms`)
    await waitForPartitions(bootstrap, TOPIC, 1)
    const settledMs = await this.#settled()
    await this.#cluster.stop()
    const replicas = await this.#replicas(writer.last)
    return {
      writtenMs,
      settledMs,
      killCount: this.#killCount,
      leaderChangeCount: this.#leaderChangeCount,
      reads,
      endOffset: replicas[0]!.folder.endOffset,
      liveKeyCount: [...writer.last.values()].filter(({ value }) => value !== null).length,
      replicas: replicas.map(({ brokerId, folder }) => {
        const { recordCount, emptyBatchCount, segmentCount, sizeBytes, batches } = folder
        return { brokerId, recordCount, emptyBatchCount, segmentCount, sizeBytes, batchCount: batches.length }
      }),
    }
  }

  /** Kills a broker at even parts of the writing, the leader every other time, and starts it again. */
  async #disturb(writer: KeyWriter): Promise<void> {
    const { killCount, updateCount, onProgress } = this.#options
    for (let kill = 1; kill <= killCount; kill++) {
      const due = Math.floor((updateCount * kill) / (killCount + 1))
      while (writer.writtenCount < due) await sleep(20)
      const leaderId = await this.#leader()
      const ids = this.#cluster.brokerIds
      const brokerId = kill % 2 === 1 ? leaderId : ids[(ids.indexOf(leaderId) + 1) % ids.length]!
      await this.#cluster.endOne(brokerId, 'kill')
      this.#killCount++
      onProgress(`after ${writer.writtenCount} updates: kill -9 of broker ${brokerId}, leader is ${leaderId}`)
      await sleep(1_000)
      await this.#cluster.startOne(brokerId)
      await waitForPartitions(this.#bootstrap, TOPIC, 1)
      if ((await this.#leader()) !== leaderId) this.#leaderChangeCount++
    }
  }

  async #leader(): Promise<number> {
    await using client = createClient({ bootstrap: this.#bootstrap })
    for (;;) {
      const [topic] = await client.admin.describeTopics([TOPIC])
      const leaderId = topic?.partitions[0]?.leaderId ?? null
      if (leaderId !== null) return leaderId
      await sleep(50)
    }
  }

  /** Waits until no replica changes any more; returns when the last change was, in ms from now. */
  async #settled(): Promise<number> {
    const startedMs = performance.now()
    let [lastSizes, sameCount, changedMs] = ['', 0, startedMs]
    while (sameCount < SETTLED_POLL_COUNT) {
      if (performance.now() - startedMs > SETTLE_DEADLINE_MS) throw new Error('compaction does not come to an end')
      const folders = await Promise.all(this.#cluster.brokerIds.map((id) => this.#sizeOf(id)))
      const sizes = folders.join(' ')
      sameCount = sizes === lastSizes ? sameCount + 1 : 0
      if (sameCount === 0) changedMs = performance.now()
      lastSizes = sizes
      await sleep(SETTLE_POLL_MS)
    }
    return changedMs - startedMs
  }

  async #sizeOf(brokerId: number): Promise<number> {
    try {
      return (await readCompactedFolder(this.#folderOf(brokerId))).sizeBytes
    } catch {
      // A file was replaced while it was read.
      return -1
    }
  }

  #folderOf(brokerId: number): string {
    return join(this.#directory, `broker-${brokerId}`, 'topics', `${TOPIC}-0`)
  }

  async #replicas(last: ReadonlyMap<string, KeyUpdate>): Promise<{ brokerId: number; folder: CompactedFolder }[]> {
    const replicas: { brokerId: number; folder: CompactedFolder }[] = []
    for (const brokerId of this.#cluster.brokerIds) {
      const folder = await readCompactedFolder(this.#folderOf(brokerId))
      const problems = [...folder.problems, ...differences(folder, last)]
      const other = replicas[0]?.folder.batches ?? folder.batches
      // Behind what is common there are but entries of leaders that took over while the brokers stopped.
      const common = Math.min(folder.batches.length, other.length)
      const differing = folder.batches.findIndex((batch, index) => index < common && batch !== other[index])
      if (differing !== -1) {
        problems.push(`batch ${differing} is ${folder.batches[differing]}, elsewhere ${other[differing]}`)
      }
      if (problems.length > 0) throw new Error(`broker ${brokerId}: ${problems.slice(0, 5).join('; ')}`)
      replicas.push({ brokerId, folder })
    }
    return replicas
  }
}

/** Sentences about keys whose last record is not the last update. */
function differences({ lastRecords }: CompactedFolder, last: ReadonlyMap<string, KeyUpdate>): string[] {
  const sentences: string[] = []
  for (const [key, { value, offset }] of last) {
    const found = lastRecords.get(key)
    // The end of a key may be gone with all that it ended.
    if (value === null && found === undefined) continue
    if (found === undefined) sentences.push(`${key} has no record, its last is at ${offset}`)
    else if (found.value !== value || (offset >= 0 && found.offset !== offset)) {
      sentences.push(`${key} is at ${found.offset}: ${found.value}, and was last written at ${offset}: ${value}`)
    }
  }
  for (const key of lastRecords.keys()) if (!last.has(key)) sentences.push(`${key} was never written`)
  return sentences
}
