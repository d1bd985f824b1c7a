/**
 * Runs seeds in a worker thread, away from the test runner's hooks on every promise, which would take most of the time.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type BrokerSimReport, drawBrokerOptions } from '@stratalog/broker/simulation'
import { runChecked } from './checked-run.ts'
import { explainViolation } from './explain.ts'
import { powerLossOptions } from './power-losses.ts'

/** What a worker is to do. */
export interface SimTask {
  readonly seeds: readonly number[]
  readonly powerLosses: boolean
}

/** What it has done: the figures of each seed, and the story of the first violation, if any. */
export interface SimOutcome {
  readonly reports: readonly Omit<BrokerSimReport, 'violation'>[]
  readonly violation: string | null
}

async function runTask({ seeds, powerLosses }: SimTask): Promise<SimOutcome> {
  const reports: Omit<BrokerSimReport, 'violation'>[] = []
  for (const seed of seeds) {
    const options = powerLosses ? powerLossOptions(seed) : drawBrokerOptions(seed)
    const { violation, ...report } = await runChecked(options)
    reports.push(report)
    if (violation !== null) {
      return { reports, violation: await explainViolation({ ...report, violation }, options) }
    }
  }
  return { reports, violation: null }
}

parentPort?.postMessage(await runTask(workerData as SimTask))
