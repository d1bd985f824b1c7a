/**
 * The scenario `idle`: what brokers cost that hold many partitions and have nothing to do.
 *
 * A cluster with three replicas of each partition is left alone for a while, then watched. At the end records are
 * written to every partition and read back, so that what was idle is known to have been alive.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchCluster } from '../cluster/bench-cluster.ts'
import { waitForPartitions } from '../cluster/partition-health.ts'
import { inScratchFolder } from '../cluster/scratch-folder.ts'
import { createTopic } from '../cluster/topics.ts'
import { runLoad } from '../load/load-process.ts'
import { readPeerTraffic } from '../system/peer-traffic.ts'

/** Settings of a run. */
export interface IdleOptions {
  readonly partitionCounts: readonly number[]
  readonly brokerCount: number
  readonly brokerSettings: Readonly<Record<string, string>>
  /** From when all partitions are served to the beginning of the measurement. */
  readonly settleSeconds: number
  readonly measuredSeconds: number
  readonly outDirectory: string
  readonly nodeFlags: readonly string[]
  readonly onProgress: (line: string) => void
}

/** One broker while nothing happened. */
export interface IdleBroker {
  readonly brokerId: number
  /** Of one core. */
  readonly cpuShare: number
  /** The same second by second. */
  readonly cpuShares: readonly number[]
  /** At the end of the measurement, and the most since the start. */
  readonly rssBytes: number
  readonly peakRssBytes: number
}

/** One number of partitions. */
export interface IdleRound {
  readonly partitionCount: number
  /** From the call that creates the topic until every partition has a leader and all replicas are caught up. */
  readonly createSeconds: number
  readonly brokers: readonly IdleBroker[]
  /** Between all brokers, both directions; null where the machine has no `ss`. */
  readonly framesPerSecond: number | null
  /** From one broker to one other, on average. */
  readonly framesPerSecondAndPeer: number | null
  readonly peerBytesPerSecond: number | null
  readonly verifiedRecords: number
}

const TOPIC = 'idle'
const VALUE_BYTES = 100
const RECORDS_PER_PARTITION = 3
const SECOND_MS = 1000

/** Runs every number of partitions once. */
export async function runIdle(options: IdleOptions): Promise<IdleRound[]> {
  const rounds: IdleRound[] = []
  for (const partitionCount of options.partitionCounts) {
    options.onProgress(`${partitionCount} partitions`)
    rounds.push(
      await inScratchFolder(options.outDirectory, (directory) => runRound(options, partitionCount, directory)),
    )
  }
  return rounds
}

async function runRound(options: IdleOptions, partitionCount: number, directory: string): Promise<IdleRound> {
  const { brokerCount, brokerSettings, nodeFlags } = options
  await using cluster = await BenchCluster.start({ brokerCount, directory, settings: brokerSettings, nodeFlags })
  const { bootstrap } = cluster
  const startedAtMs = performance.now()
  await createTopic(bootstrap, { name: TOPIC, partitionCount, replicationFactor: brokerCount })
  await waitForPartitions(bootstrap, TOPIC, partitionCount)
  const createSeconds = (performance.now() - startedAtMs) / SECOND_MS
  options.onProgress(`  created in ${createSeconds.toFixed(1)} s; quiet for ${options.settleSeconds} s`)
  await sleep(options.settleSeconds * SECOND_MS)
  const watched = await watch(cluster, options.measuredSeconds)
  const recordCount = partitionCount * RECORDS_PER_PARTITION
  const job = { bootstrap, topic: TOPIC, partitionCount, directory, valueBytes: VALUE_BYTES, recordCount }
  await runLoad({ ...job, kind: 'produce' })
  const { records: verifiedRecords } = await runLoad({ ...job, kind: 'consume' })
  return { partitionCount, createSeconds, ...watched, verifiedRecords }
}

async function watch(
  cluster: BenchCluster,
  seconds: number,
): Promise<Omit<IdleRound, 'partitionCount' | 'createSeconds' | 'verifiedRecords'>> {
  const ids = cluster.brokerIds
  const peerPorts = ids.map((id) => cluster.peerPort(id))
  const trafficBefore = await readPeerTraffic(peerPorts)
  const startedAtMs = performance.now()
  const samples = [{ atMs: startedAtMs, stats: cluster.stats() }]
  for (let second = 1; second <= seconds; second++) {
    await sleep(startedAtMs + second * SECOND_MS - performance.now())
    samples.push({ atMs: performance.now(), stats: cluster.stats() })
  }
  const trafficAfter = await readPeerTraffic(peerPorts)
  const elapsedSeconds = (performance.now() - startedAtMs) / SECOND_MS
  const share = (brokerId: number, from: number, to: number): number => {
    const [before, after] = [samples.at(from), samples.at(to)]
    const cpu = (sample: typeof before) => sample?.stats.get(brokerId)?.cpuSeconds ?? Number.NaN
    return (cpu(after) - cpu(before)) / (((after?.atMs ?? 0) - (before?.atMs ?? 0)) / SECOND_MS)
  }
  const brokers = ids.map((brokerId) => ({
    brokerId,
    cpuShare: share(brokerId, 0, -1),
    cpuShares: samples.slice(1).map((_, index) => share(brokerId, index, index + 1)),
    rssBytes: samples.at(-1)?.stats.get(brokerId)?.rssBytes ?? Number.NaN,
    peakRssBytes: samples.at(-1)?.stats.get(brokerId)?.peakRssBytes ?? Number.NaN,
  }))
  if (trafficBefore === null || trafficAfter === null) {
    return { brokers, framesPerSecond: null, framesPerSecondAndPeer: null, peerBytesPerSecond: null }
  }
  const framesPerSecond = (trafficAfter.dataSegments - trafficBefore.dataSegments) / elapsedSeconds
  return {
    brokers,
    framesPerSecond,
    framesPerSecondAndPeer: framesPerSecond / (ids.length * Math.max(1, ids.length - 1)),
    peerBytesPerSecond: (trafficAfter.bytes - trafficBefore.bytes) / elapsedSeconds,
  }
}
