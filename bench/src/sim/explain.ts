/** Telling of a violation: what was violated, in which run, what happened last, and how to see it again. */
import type { BrokerSimOptions, BrokerSimReport, SimTrace } from '@stratalog/broker/simulation'
import { runChecked } from './checked-run.ts'

const LAST_LINES_COUNT = 60

/** A trace of whole lines. */
export function traceLines(line: (text: string) => void): SimTrace {
  return (timeMs, who, text) => {
    line(`${(timeMs / 1000).toFixed(3).padStart(8)}s ${who === null ? '' : `${who} `}${text}`)
  }
}

/** Runs it once more with a trace, for its last events. */
export async function explainViolation(report: BrokerSimReport, options: BrokerSimOptions): Promise<string> {
  const lines: string[] = []
  const again = await runChecked(
    options,
    traceLines((line) => {
      lines.push(line)
      if (lines.length > 20 * LAST_LINES_COUNT) lines.splice(0, lines.length - LAST_LINES_COUNT)
    }),
  )
  return [
    `seed ${report.seed} violates ${report.violation?.message}`,
    `options ${JSON.stringify(options)}`,
    ...lines.slice(-LAST_LINES_COUNT),
    ...(again.hash === report.hash ? [] : [`the run with a trace went another way: ${again.hash}, not ${report.hash}`]),
    `replay: pnpm sim --broker --seed ${report.seed} --trace`,
  ].join('\n')
}
