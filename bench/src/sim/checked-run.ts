/** One seed of the simulation with the history of its clients checked, as histories of real clusters are. */
import {
  type BrokerSimOptions,
  type BrokerSimReport,
  InvariantViolation,
  type SimTrace,
  simulateBroker,
} from '@stratalog/broker/simulation'
import { HistoryChecker } from '../history/index.ts'

/** Runs it. What the history checker finds is a violation like any other. */
export async function runChecked(
  seedOrOptions: number | BrokerSimOptions,
  trace: SimTrace | null = null,
): Promise<BrokerSimReport> {
  const checker = new HistoryChecker({ durability: 'fsynced' })
  const report = await simulateBroker(seedOrOptions, { trace, history: (event) => checker.add(event) })
  if (report.violation !== null) return report
  const { valid, anomalies } = checker.finish()
  if (valid) return report
  const found = anomalies
    .filter(({ illegal }) => illegal)
    .map(({ kind, count, examples }) => `${kind} ${count} times: ${examples[0]}`)
  return { ...report, violation: new InvariantViolation('history', found.join('; ')) }
}
