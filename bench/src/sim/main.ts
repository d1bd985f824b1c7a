/**
 * `pnpm sim --broker`: runs seeds of the simulation of whole brokers, prints what they saw, and exits with 1 if an
 * invariant was violated.
 */
import { randomInt } from 'node:crypto'
import { type BrokerSimReport, drawBrokerOptions } from '@stratalog/broker/simulation'
import { parseArguments, type SimArguments } from './arguments.ts'
import { runChecked } from './checked-run.ts'
import { explainViolation, traceLines } from './explain.ts'
import { powerLossOptions } from './power-losses.ts'
import { SimTotals } from './totals.ts'

const PROGRESS_EVERY_MS = 30_000

async function main(args: SimArguments): Promise<number> {
  const totals = new SimTotals()
  const startMs = Date.now()
  const startCpu = process.cpuUsage().user
  const seconds = (): number => (process.cpuUsage().user - startCpu) / 1e6
  let toldMs = startMs
  console.log(`seeds from ${args.first}`)
  for (let seed = args.first; seed <= args.last; seed++) {
    const options = args.powerLosses > 0 ? powerLossOptions(seed) : drawBrokerOptions(seed)
    const report = await runChecked(options, args.trace ? traceLines((line) => console.log(line)) : null)
    totals.add(report)
    if (report.violation !== null) console.log(await explainViolation(report, options))
    if (args.twice) compare(report, await runChecked(options))
    const nowMs = Date.now()
    if (nowMs - startMs > args.minutes * 60_000) break
    if (args.powerLosses > 0 && (totals.faults.get('power-loss-all') ?? 0) >= args.powerLosses) break
    if (nowMs - toldMs > PROGRESS_EVERY_MS) {
      toldMs = nowMs
      console.log(`... ${totals.seeds} seeds, ${totals.events} events, ${totals.violations} violations`)
    }
    if (args.first === args.last) console.log(`hash ${report.hash}`)
  }
  console.log(totals.describe(seconds()))
  return totals.violations === 0 ? 0 : 1
}

function compare(first: BrokerSimReport, second: BrokerSimReport): void {
  if (first.hash === second.hash) return
  throw new Error(`seed ${first.seed} ran differently the second time: ${first.hash}, ${second.hash}`)
}

main(parseArguments(process.argv.slice(2), () => randomInt(2 ** 40))).then(
  (code) => {
    process.exitCode = code
  },
  (error: Error) => {
    console.error(error.message)
    process.exitCode = 2
  },
)
