/**
 * `pnpm sim`: runs seeds of the simulator, prints what they saw, and exits with 1 if an invariant was violated.
 */
import { randomInt } from 'node:crypto'
import { type SimReport, simulate, traceLines } from '../../testing/sim/index.ts'
import { parseArguments, type SimArguments } from './arguments.ts'
import { explainViolation } from './explain.ts'
import { SimTotals } from './totals.ts'

const PROGRESS_EVERY_MS = 30_000

function main(args: SimArguments): number {
  const totals = new SimTotals()
  const startMs = Date.now()
  const startCpu = process.cpuUsage().user
  const seconds = (): number => (process.cpuUsage().user - startCpu) / 1e6
  let toldMs = startMs
  console.log(`seeds from ${args.first}`)
  for (let seed = args.first; seed <= args.last; seed++) {
    const report = run(seed, args.trace)
    totals.add(report)
    if (report.violation !== null) console.log(explainViolation(report))
    if (args.twice) compare(report, run(seed, false))
    const nowMs = Date.now()
    if (nowMs - startMs > args.minutes * 60_000) break
    if (nowMs - toldMs > PROGRESS_EVERY_MS) {
      toldMs = nowMs
      console.log(`... ${totals.seeds} seeds, ${totals.events} events, ${totals.violations} violations`)
    }
    if (args.first === args.last) console.log(`hash ${report.hash}`)
  }
  console.log(totals.describe(seconds()))
  return totals.violations === 0 ? 0 : 1
}

function run(seed: number, trace: boolean): SimReport {
  return simulate(seed, trace ? traceLines((line) => console.log(line)) : null)
}

function compare(first: SimReport, second: SimReport): void {
  if (first.hash === second.hash) return
  throw new Error(`seed ${first.seed} ran differently the second time: ${first.hash}, ${second.hash}`)
}

try {
  process.exitCode = main(parseArguments(process.argv.slice(2), () => randomInt(2 ** 40)))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 2
}
