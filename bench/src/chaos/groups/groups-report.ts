/** What a group run found, for people. */
import Table from 'cli-table3'
import { percentile } from '../gap-histogram.ts'
import { GROUP_VIOLATIONS } from './group-checker.ts'
import type { HandOverKind } from './hand-overs.ts'
import type { GroupReport } from './run-groups.ts'

const HAND_OVERS: Readonly<Record<HandOverKind, string>> = {
  'given-up': 'given up by one member, assigned to another',
  returned: 'given up by a member, back at it after its restart',
  'taken-over': 'after the last record of a member that died or was silent',
}

/** The report as text, findings last. */
export function renderGroupReport(report: GroupReport): string {
  const { verdict, lastSettleMs, closesMs } = report
  const { writtenCount, processedCount, duplicateCount, lateCount, wokenCount, groupEpochs, ownershipCount } = verdict
  const faultCount = Object.values(verdict.faults).reduce((sum, count) => sum + count, 0)
  const share = ((100 * duplicateCount) / Math.max(1, processedCount)).toFixed(3)
  const lines = [
    '',
    renderFaults(report),
    renderHandOvers(report),
    `${faultCount} faults of ${Object.keys(verdict.faults).length} kinds in ${Math.round(report.tookMs / 1000)} s, seed ${report.seed}`,
    `${writtenCount} records written, ${processedCount} processed: ${duplicateCount} of them again (${share} %), ${lateCount} while the partition was lost`,
    `${wokenCount} times a member that had been paused still processed records of a partition that was another's already`,
    `${groupEpochs} rebalances; ${ownershipCount} times a member got a partition`,
    `settled after the last fault: ${lastSettleMs === null ? 'never' : `${Math.round(lastSettleMs)} ms`}; members closed in ${span(closesMs)}`,
    '',
  ]
  for (const { kind, count, examples } of verdict.violations) {
    lines.push(
      `VIOLATION ${kind}: ${count} (${GROUP_VIOLATIONS[kind]})`,
      ...examples.map((example) => `    ${example}`),
    )
  }
  lines.push(...report.problems.map((problem) => `VIOLATION ${problem}`))
  lines.push(report.valid ? 'no violation' : `VIOLATED; everything is kept in ${report.folder}`)
  return lines.join('\n')
}

function renderFaults({ verdict, settlings }: GroupReport): string {
  const table = new Table({
    head: ['fault', 'times', 'settled after it, ms (median)', 'max'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right'],
  })
  for (const name of Object.keys(verdict.faults).sort()) {
    const took = settlings.filter(({ fault }) => fault === name).map(({ tookMs }) => tookMs)
    table.push([name, verdict.faults[name]!, ...[0.5, 1].map((rank) => ms(took, rank))])
  }
  return table.toString()
}

function renderHandOvers({ verdict }: GroupReport): string {
  const table = new Table({
    head: ['a partition stood still', 'times', 'median, ms', 'p95', 'max'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right', 'right'],
  })
  for (const [kind, text] of Object.entries(HAND_OVERS)) {
    const took = verdict.handOvers.filter((each) => each.kind === kind).map(({ tookMs }) => tookMs)
    table.push([text, took.length, ...[0.5, 0.95, 1].map((rank) => ms(took, rank))])
  }
  return table.toString()
}

function span(values: readonly number[]): string {
  return `${ms(values, 0.5)} ms (median), at most ${ms(values, 1)} ms`
}

function ms(values: readonly number[], rank: number): string {
  return values.length === 0 ? '-' : percentile(values, rank).toFixed(0)
}
