/**
 * How long a partition cannot be written: leaders killed and leaderships moved on purpose, again and again, under a
 * producer that sends a value every millisecond.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ChaosCluster } from './broker/chaos-cluster.ts'
import { untilHealthy } from './broker/cluster-health.ts'
import { percentile, renderGaps } from './gap-histogram.ts'
import { ClientProcess } from './workload/client-process.ts'

/** What to measure. */
export interface FailoverOptions {
  /** Deaths, and transfers. */
  readonly rounds: number
  readonly brokerCount: number
  readonly folder: string
  readonly tell: (line: string) => void
}

const TOPIC = 'probe'
const PARTITION = { topic: TOPIC, partition: 0 }
const HEALTH_TIMEOUT_MS = 60_000
/** After the event, until the gap is over for sure, ms. */
const DEATH_WINDOW_MS = 4000
const TRANSFER_WINDOW_MS = 1000
/** Bars of the project: p99 of a leader's death, and of a planned transfer, ms. */
const DEATH_BAR_MS = 2000
const TRANSFER_BAR_MS = 50

/** Runs and prints; 0 when the bars are met. */
export async function runFailover(options: FailoverOptions): Promise<number> {
  const { folder, brokerCount, rounds, tell } = options
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await using cluster = await ChaosCluster.start({ brokerCount, folder, hasProxy: false, isNextLossy: () => false })
  const { admin } = cluster.client
  await admin.createTopic({ name: TOPIC, partitionCount: 1, replicationFactor: Math.min(3, brokerCount) })
  await recovered(cluster)
  const job = { kind: 'probe', bootstrap: cluster.bootstrap, ...PARTITION, intervalMs: 1 } as const
  const probe = await ClientProcess.start('probe', job, join(folder, 'logs', 'probe.log'))
  try {
    await pause(TRANSFER_WINDOW_MS)
    const calm: Window[] = []
    for (let round = 0; round < rounds; round++) calm.push(await windowOf(probe, TRANSFER_WINDOW_MS, async () => {}))
    tell(renderGaps('seconds without a fault, what the machine adds', gapsOf(calm)))
    const transfers: Window[] = []
    if (brokerCount > 1) {
      for (let round = 0; round < rounds; round++) {
        transfers.push(await windowOf(probe, TRANSFER_WINDOW_MS, () => transfer(cluster)))
      }
    }
    const deaths: Window[] = []
    for (let round = 0; round < rounds; round++) {
      const leader = cluster.broker((await cluster.leaderOf(TOPIC, 0)) ?? 1)
      deaths.push(await windowOf(probe, DEATH_WINDOW_MS, () => leader.kill()))
      await leader.start()
      await recovered(cluster)
      tell(`death ${round + 1} of broker ${leader.brokerId}: ${deaths.at(-1)!.gapMs.toFixed(0)} ms`)
    }
    return summary(transfers, deaths, await probe.stop(), tell)
  } finally {
    await probe.kill()
  }
}

interface Window {
  readonly gapMs: number
  readonly errorCodes: readonly string[]
}

function gapsOf(windows: readonly Window[]): number[] {
  return windows.map(({ gapMs }) => gapMs)
}

async function windowOf(probe: ClientProcess, windowMs: number, event: () => Promise<void>): Promise<Window> {
  await probe.gap()
  await event()
  await pause(windowMs)
  return probe.gap()
}

/** To a replica that does not lead, the next one by number. */
async function transfer(cluster: ChaosCluster): Promise<void> {
  const leader = (await cluster.leaderOf(TOPIC, 0)) ?? 1
  const followers = cluster.ids.filter((brokerId) => brokerId !== leader)
  const to = followers.find((brokerId) => brokerId > leader) ?? followers[0]!
  await cluster.client.admin.transferLeader(TOPIC, 0, to, { timeoutMs: 10_000 })
}

function summary(
  transfers: readonly Window[],
  deaths: readonly Window[],
  counts: Readonly<Record<string, number>>,
  tell: (line: string) => void,
): number {
  if (transfers.length > 0) tell(renderGaps('planned transfers', gapsOf(transfers)))
  tell(renderGaps("leaders' deaths", gapsOf(deaths)))
  const transferErrors = transfers.flatMap(({ errorCodes }) => errorCodes)
  const deathErrors = deaths.flatMap(({ errorCodes }) => errorCodes)
  tell(
    `values: ${JSON.stringify(counts)}; failed in transfers ${transferErrors.length}, in deaths ${deathErrors.length}`,
  )
  const isMet =
    percentile(gapsOf(deaths), 0.99) <= DEATH_BAR_MS &&
    (transfers.length === 0 || percentile(gapsOf(transfers), 0.99) <= TRANSFER_BAR_MS) &&
    transferErrors.length === 0
  tell(
    isMet
      ? 'the bars are met'
      : `MISSED a bar: deaths ${DEATH_BAR_MS} ms, transfers ${TRANSFER_BAR_MS} ms and no error`,
  )
  return isMet ? 0 : 1
}

async function recovered(cluster: ChaosCluster): Promise<void> {
  const { isHealthy, problems } = await untilHealthy(cluster, [PARTITION], HEALTH_TIMEOUT_MS)
  if (!isHealthy) throw new Error(`the cluster does not recover: ${problems.join('; ')}`)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
