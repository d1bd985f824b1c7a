/**
 * The scenario `replay`: a topic of small records is read as a whole, from the cluster and from the leader's files, by one, two
 * and four threads at once, beside `cat` of the same files and a bare decoder in one thread; then into files of each format;
 * and what a full replay does to the latency of a writer beside it.
 *
 * All of it is read from the page cache: what is measured is the software. Every replay must count every record.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { createClient } from '@stratalog/client'
import {
  clusterSource,
  type FileFormat,
  folderSource,
  planReplay,
  type ReplayManifest,
  type ReplaySink,
  type ReplaySource,
  replay,
} from '@stratalog/consumer'
import { BenchCluster } from '../cluster/bench-cluster.ts'
import { inScratchFolder } from '../cluster/scratch-folder.ts'
import { createTopic } from '../cluster/topics.ts'
import type { LatencySummary } from '../load/latency-histogram.ts'
import { runLoad } from '../load/load-process.ts'
import { type BareCounts, decodeBare } from './bare-decoder.ts'

/** Settings of a run. */
export interface ReplayBenchOptions {
  readonly rounds: number
  readonly valueBytes: number
  /** Values written. */
  readonly dataBytes: number
  readonly partitionCount: number
  readonly parallelisms: readonly number[]
  readonly formats: readonly FileFormat[]
  /** Records a second of the writer beside a replay; 0 = leave it out. */
  readonly liveRatePerSecond: number
  readonly liveSeconds: number
  readonly brokerSettings: Readonly<Record<string, string>>
  readonly outDirectory: string
  readonly nodeFlags: readonly string[]
  readonly onProgress: (line: string) => void
}

/** One measurement. */
export interface ReplayFigure {
  /** `cat`, `bare decoder`, `files x2`, `cluster x4`, `files to parquet`... */
  readonly name: string
  readonly records: number
  /** Bytes of segment files. */
  readonly fileBytes: number
  readonly seconds: number
  /** Of this process with all its threads (of `cat`: not known, 0). */
  readonly cpuSeconds: number
}

/** What a run gives: figures by round, and the writer's latency without and with a replay beside it. */
export interface ReplayBenchRun {
  readonly rounds: readonly (readonly ReplayFigure[])[]
  /** In microseconds; null when it was left out. */
  readonly live: { readonly alone: LatencySummary; readonly besideReplay: LatencySummary } | null
}

const TOPIC = 'replay'
const MARKS_TIMEOUT_MS = 30_000
const MARKS_INTERVAL_MS = 100
const LIVE_TOPIC = 'live'
const EXTENSION = import.meta.filename.slice(-3)
const COUNT_SINK = new URL(`./count-sink${EXTENSION}`, import.meta.url).href

/** Runs the scenario. Throws when a replay does not count every record. */
export function runReplayBench(options: ReplayBenchOptions): Promise<ReplayBenchRun> {
  return inScratchFolder(options.outDirectory, async (directory) => {
    const { brokerSettings, nodeFlags, partitionCount, valueBytes, dataBytes, onProgress } = options
    await using cluster = await BenchCluster.start({ brokerCount: 1, directory, settings: brokerSettings, nodeFlags })
    const { bootstrap } = cluster
    await createTopic(bootstrap, { name: TOPIC, partitionCount, replicationFactor: 1 })
    const recordCount = Math.ceil(dataBytes / valueBytes)
    onProgress(`writing ${recordCount} records of ${valueBytes} B`)
    await runLoad({ kind: 'produce', bootstrap, topic: TOPIC, partitionCount, directory, valueBytes, recordCount })
    const bench = new Bench(options, bootstrap, join(directory, 'broker-1'), join(directory, 'replays'), recordCount)
    await bench.waitForMarks()
    const rounds: ReplayFigure[][] = []
    for (let round = 1; round <= options.rounds; round++) {
      onProgress(`round ${round} of ${options.rounds}`)
      rounds.push(await bench.round(round))
    }
    return { rounds, live: options.liveRatePerSecond === 0 ? null : await bench.live() }
  })
}

/** One topic that was written. */
class Bench {
  readonly #options: ReplayBenchOptions
  readonly #bootstrap: string
  readonly #dataDir: string
  readonly #outDir: string
  readonly #recordCount: number

  constructor(options: ReplayBenchOptions, bootstrap: string, dataDir: string, outDir: string, recordCount: number) {
    this.#options = options
    this.#bootstrap = bootstrap
    this.#dataDir = dataDir
    this.#outDir = outDir
    this.#recordCount = recordCount
  }

  /** The broker notes what is committed, for readers of its folder, once a second. */
  async waitForMarks(): Promise<void> {
    await using source = folderSource(this.#dataDir)
    const places = Array.from({ length: this.#options.partitionCount }, (_, partition) => ({ topic: TOPIC, partition }))
    const deadlineMs = performance.now() + MARKS_TIMEOUT_MS
    for (;;) {
      const bounds = await source.bounds(places)
      if (bounds.reduce((sum, { visibleEnd }) => sum + visibleEnd, 0) >= this.#recordCount) return
      if (performance.now() > deadlineMs) throw new Error('the folder never showed all that was written')
      await setTimeout(MARKS_INTERVAL_MS)
    }
  }

  async round(round: number): Promise<ReplayFigure[]> {
    const { parallelisms, formats } = this.#options
    const paths = this.#segmentPaths()
    await cat(paths)
    const figures = [await this.#measure('cat', async () => ({ ...NOTHING, seconds: await cat(paths) }))]
    figures.push(await this.#measure('bare decoder', () => Promise.resolve(decodeBare(paths))))
    const fileBytes = figures.at(-1)!.fileBytes
    figures[0] = { ...figures[0]!, fileBytes }
    const count: ReplaySink = { kind: 'module', url: COUNT_SINK }
    for (const threads of parallelisms) figures.push(await this.#replay(`files x${threads}`, threads, count, fileBytes))
    for (const threads of parallelisms)
      figures.push(await this.#replay(`cluster x${threads}`, threads, count, fileBytes))
    for (const format of formats) {
      const dir = join(this.#outDir, `${format}-${round}`)
      const sink: ReplaySink = { kind: 'files', dir, format, columns: format === 'ndjson' ? 'text' : 'raw' }
      figures.push(await this.#replay(`files x1 to ${format}`, 1, sink, fileBytes))
    }
    return figures
  }

  /** The writer's latency by itself, then while the whole topic is replayed again and again. */
  async live(): Promise<{ alone: LatencySummary; besideReplay: LatencySummary }> {
    await createTopic(this.#bootstrap, { name: LIVE_TOPIC, partitionCount: 1, replicationFactor: 1 })
    this.#options.onProgress('a writer by itself')
    const alone = await this.#write(0)
    this.#options.onProgress('a writer beside a replay')
    const stop = new AbortController()
    const replays = this.#replayUntil(stop.signal)
    try {
      return { alone, besideReplay: await this.#write(1) }
    } finally {
      stop.abort()
      await replays
    }
  }

  async #write(turn: number): Promise<LatencySummary> {
    const { liveRatePerSecond: ratePerSecond, liveSeconds, valueBytes } = this.#options
    const recordCount = ratePerSecond * liveSeconds
    const pace = { ratePerSecond, warmUpCount: Math.floor(recordCount / 4) }
    const { latencies } = await runLoad({
      kind: 'paced-produce',
      bootstrap: this.#bootstrap,
      topic: LIVE_TOPIC,
      partitionCount: 1,
      directory: this.#outDir,
      valueBytes,
      recordCount,
      firstRecord: turn * recordCount,
      pace,
    })
    const summary = latencies['produce']
    if (summary === undefined) throw new Error('the load measured no latency')
    return summary
  }

  async #replayUntil(signal: AbortSignal): Promise<void> {
    const sink: ReplaySink = { kind: 'module', url: COUNT_SINK }
    while (!signal.aborted) {
      try {
        await this.#withSource('cluster', (source, manifest) =>
          replay({ source, manifest, sink, parallelism: 1, signal }),
        )
      } catch (error) {
        if (!signal.aborted) throw error
      }
    }
  }

  #replay(name: string, parallelism: number, sink: ReplaySink, fileBytes: number): Promise<ReplayFigure> {
    return this.#measure(name, () =>
      this.#withSource(name.startsWith('files') ? 'files' : 'cluster', async (source, manifest) => {
        const { recordCount } = await replay({ source, manifest, sink, parallelism })
        if (recordCount !== this.#recordCount)
          throw new Error(`${name}: ${recordCount} of ${this.#recordCount} records`)
        return { recordCount, fileBytes }
      }),
    )
  }

  async #withSource<T>(
    from: 'files' | 'cluster',
    use: (source: ReplaySource, manifest: ReplayManifest) => Promise<T>,
  ): Promise<T> {
    await using client = createClient({ bootstrap: this.#bootstrap })
    await using source = from === 'files' ? folderSource(this.#dataDir) : clusterSource(client)
    // So many pieces that four threads are busy to the end.
    return await use(source, await planReplay(source, { topics: [TOPIC], splits: 16 }))
  }

  async #measure(
    name: string,
    work: () => Promise<Pick<BareCounts, 'recordCount' | 'fileBytes'> & { readonly seconds?: number }>,
  ): Promise<ReplayFigure> {
    const cpuBefore = process.cpuUsage()
    const startedAt = performance.now()
    const { recordCount, fileBytes, seconds = (performance.now() - startedAt) / 1000 } = await work()
    const { user, system } = process.cpuUsage(cpuBefore)
    return { name, records: recordCount, fileBytes, seconds, cpuSeconds: (user + system) / 1e6 }
  }

  #segmentPaths(): string[] {
    const topics = join(this.#dataDir, 'topics')
    return readdirSync(topics)
      .filter((name) => name.startsWith(`${TOPIC}-`))
      .flatMap((name) => readdirSync(join(topics, name)).map((file) => join(topics, name, file)))
      .filter((path) => path.endsWith('.log'))
      .sort()
  }
}

const NOTHING = { recordCount: 0, fileBytes: 0 }

/** Seconds that `cat` of the files takes. */
async function cat(paths: readonly string[]): Promise<number> {
  const startedAt = performance.now()
  const child = spawn('cat', paths, { stdio: ['ignore', 'ignore', 'inherit'] })
  const [status] = await once(child, 'exit')
  if (status !== 0) throw new Error(`cat ended with ${status}`)
  return (performance.now() - startedAt) / 1000
}
