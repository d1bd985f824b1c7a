/**
 * Telling of a violation: what was violated, in which run, what happened last, and how to see it again.
 */
import { drawOptions, type SimReport, simulate, traceLines } from '../../testing/sim/index.ts'

const LAST_LINES_COUNT = 60

/** Runs the seed once more with a trace, for its last events. */
export function explainViolation(report: SimReport): string {
  const lines: string[] = []
  const again = simulate(
    report.seed,
    traceLines((line) => {
      lines.push(line)
      if (lines.length > 20 * LAST_LINES_COUNT) lines.splice(0, lines.length - LAST_LINES_COUNT)
    }),
  )
  return [
    `seed ${report.seed} violates ${report.violation?.message}`,
    `options ${JSON.stringify(drawOptions(report.seed))}`,
    ...lines.slice(-LAST_LINES_COUNT),
    ...(again.hash === report.hash ? [] : [`the run with a trace went another way: ${again.hash}, not ${report.hash}`]),
    `replay: pnpm sim --seed ${report.seed} --trace`,
  ].join('\n')
}
