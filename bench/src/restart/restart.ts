/**
 * The scenario `restart`: how long brokers with many partitions take from the start of the process until they serve.
 *
 * Four cases: one broker while the others stay up, and all at once; stopped in order, and killed (SIGKILL) right after a
 * load. Two times are taken from the start of the process: until the cluster says that every partition has a leader and
 * that all its replicas, those of the restarted brokers among them, are live and caught up; and until a record written
 * to every partition is acknowledged by a majority. In the end every record of every case is read back.
 */
import { createProducer } from '@stratalog/producer'
import { BenchCluster } from '../cluster/bench-cluster.ts'
import { waitForPartitions } from '../cluster/partition-health.ts'
import { inScratchFolder } from '../cluster/scratch-folder.ts'
import { createTopic } from '../cluster/topics.ts'
import { runLoad } from '../load/load-process.ts'
import { PayloadPool } from '../load/payload.ts'

/** Settings of a run. */
export interface RestartOptions {
  readonly partitionCount: number
  /** Every case is done this often. */
  readonly rounds: number
  readonly brokerCount: number
  readonly brokerSettings: Readonly<Record<string, string>>
  /** Values written before the first restart, over all partitions. */
  readonly dataBytes: number
  /** Values written right before each restart. */
  readonly tailBytes: number
  readonly outDirectory: string
  readonly nodeFlags: readonly string[]
  readonly onProgress: (line: string) => void
}

/** What is restarted, and how it had ended. */
export interface RestartCase {
  readonly which: 'one' | 'all'
  readonly how: 'stop' | 'kill'
}

/** One restart; times in ms from the start of the process. */
export interface RestartRound extends RestartCase {
  readonly brokerIds: readonly number[]
  /** The last of the processes said that it takes calls. */
  readonly readyMs: number
  /** Every partition is led and all replicas are live and caught up. */
  readonly servingMs: number
  /** A record for every partition is acknowledged. */
  readonly writtenMs: number
  /** User and system time of the restarted process that took the most, until all of these. */
  readonly cpuSeconds: number
}

/** All restarts of a run, and how many records were read back once and in order at its end. */
export interface RestartRun {
  readonly restarts: readonly RestartRound[]
  readonly verifiedRecords: number
}

const TOPIC = 'restart'
const VALUE_BYTES = 1024
const CASES: readonly RestartCase[] = [
  { which: 'one', how: 'stop' },
  { which: 'one', how: 'kill' },
  { which: 'all', how: 'stop' },
  { which: 'all', how: 'kill' },
]

/** Runs every case `rounds` times on one cluster. */
export async function runRestart(options: RestartOptions): Promise<RestartRun> {
  return inScratchFolder(options.outDirectory, async (directory) => {
    const { brokerCount, brokerSettings, nodeFlags, partitionCount } = options
    await using cluster = await BenchCluster.start({ brokerCount, directory, settings: brokerSettings, nodeFlags })
    await createTopic(cluster.bootstrap, { name: TOPIC, partitionCount, replicationFactor: brokerCount })
    await waitForPartitions(cluster.bootstrap, TOPIC, partitionCount)
    const writer = new NumberedWriter(cluster, options, directory)
    await writer.load(options.dataBytes)
    const restarts: RestartRound[] = []
    for (let round = 1; round <= options.rounds; round++) {
      for (const each of CASES) {
        await writer.load(options.tailBytes)
        const restart = await measure(cluster, options, writer, each, round)
        const { readyMs, servingMs } = restart
        options.onProgress(
          `round ${round}: ${each.which}, ${each.how}: takes calls after ${readyMs.toFixed(0)} ms, serves after ${servingMs.toFixed(0)} ms`,
        )
        restarts.push(restart)
      }
    }
    return { restarts, verifiedRecords: await writer.verify() }
  })
}

async function measure(
  cluster: BenchCluster,
  { partitionCount }: RestartOptions,
  writer: NumberedWriter,
  { which, how }: RestartCase,
  round: number,
): Promise<RestartRound> {
  const ids = cluster.brokerIds
  const brokerIds = which === 'all' ? ids : ids.slice(round % ids.length, (round % ids.length) + 1)
  const { bootstrap } = cluster
  if (which === 'all') await cluster.endAll(how)
  else for (const brokerId of brokerIds) await cluster.endOne(brokerId, how)
  const startedAtMs = performance.now()
  const elapsedMs = (): number => performance.now() - startedAtMs
  const [readyMs, servingMs, writtenMs] = await Promise.all([
    Promise.all(brokerIds.map((brokerId) => cluster.startOne(brokerId))).then(elapsedMs),
    waitForPartitions(bootstrap, TOPIC, partitionCount).then(elapsedMs),
    writer.oneForEachPartition(bootstrap).then(elapsedMs),
  ])
  const stats = cluster.stats()
  const cpuSeconds = Math.max(...brokerIds.map((brokerId) => stats.get(brokerId)?.cpuSeconds ?? Number.NaN))
  return { which, how, brokerIds, readyMs, servingMs, writtenMs, cpuSeconds }
}

/** Writes records numbered on and on, so that all of them can be checked at the end. */
class NumberedWriter {
  readonly #cluster: BenchCluster
  readonly #options: RestartOptions
  readonly #directory: string
  #next = 0

  constructor(cluster: BenchCluster, options: RestartOptions, directory: string) {
    this.#cluster = cluster
    this.#options = options
    this.#directory = directory
  }

  /** About so many bytes, as many records to each partition, acknowledged when it resolves. */
  async load(bytes: number): Promise<void> {
    const { partitionCount } = this.#options
    const recordCount = Math.max(1, Math.round(bytes / VALUE_BYTES / partitionCount)) * partitionCount
    await runLoad({ ...this.#job(), kind: 'produce', firstRecord: this.#next, recordCount })
    this.#next += recordCount
  }

  /** Resolves when a majority has a new record of each partition; asks for as long as it takes. */
  async oneForEachPartition(bootstrap: string): Promise<void> {
    const { partitionCount } = this.#options
    const pool = new PayloadPool(VALUE_BYTES)
    const records = Array.from({ length: partitionCount }, (_, index) => {
      const sequence = this.#next + index
      return { topic: TOPIC, partition: sequence % partitionCount, value: Buffer.from(pool.value(sequence)) }
    })
    this.#next += partitionCount
    await using producer = createProducer({ bootstrap })
    await producer.sendBatch(records)
  }

  /** Reads everything back. @returns how many records there were, each once and in order. */
  async verify(): Promise<number> {
    const { records } = await runLoad({ ...this.#job(), kind: 'consume', recordCount: this.#next })
    return records
  }

  #job() {
    const { partitionCount } = this.#options
    return {
      bootstrap: this.#cluster.bootstrap,
      topic: TOPIC,
      partitionCount,
      directory: this.#directory,
      valueBytes: VALUE_BYTES,
    }
  }
}
