/** What a failure run found, for people. */
import Table from 'cli-table3'
import { ANOMALIES, type Verdict } from '../history/index.ts'
import type { FaultGaps } from '../history/unavailability.ts'
import { faultNamed } from './nemesis/faults.ts'

/** Of one run. */
export interface ChaosReport {
  readonly seed: number
  /** Nothing illegal in the history, and no violation. */
  readonly valid: boolean
  /** What went wrong beside the history: no recovery, replicas that differ, processes that ended. */
  readonly violations: readonly string[]
  readonly verdict: Verdict
  readonly faults: readonly FaultGaps[]
  readonly recoveriesMs: readonly { readonly fault: string; readonly tookMs: number }[]
  /** What the clients counted. */
  readonly notes: Readonly<Record<string, number>>
  readonly comparedBatches: number
  readonly comparedBytes: number
  readonly tookMs: number
  readonly folder: string
}

/** The report as text, findings last. */
export function renderReport(report: ChaosReport): string {
  const { verdict, notes, comparedBatches, comparedBytes } = report
  const { totals } = verdict
  const lines = [
    '',
    renderFaults(report),
    '',
    `${report.faults.length} faults of ${new Set(report.faults.map(({ fault }) => fault)).size} kinds in ${Math.round(report.tookMs / 1000)} s, seed ${report.seed}`,
    `${totals.invoked} values sent: ${totals.ok} acknowledged, ${totals.failed} refused, ${totals.unknown} unknown (${totals.unknownRead} of them read)`,
    `${totals.read} records read; ${totals.events} events checked; ${notes['duplicates'] ?? 0} retries found their record written`,
    `${notes['seeks'] ?? 0} seeks, ${notes['subscriptions'] ?? 0} subscriptions, ${notes['answers'] ?? 0} answers on where partitions end`,
    `${comparedBatches} batches (${(comparedBytes / 1e6).toFixed(1)} MB) compared between replicas`,
    '',
  ]
  for (const { kind, illegal, count, examples } of verdict.anomalies) {
    lines.push(`${illegal ? 'ILLEGAL' : 'allowed'} ${kind}: ${count} (${ANOMALIES[kind].text})`)
    if (illegal) lines.push(...examples.map((example) => `    ${example}`))
  }
  lines.push(...report.violations.map((violation) => `VIOLATION ${violation}`))
  lines.push(report.valid ? 'no violation' : `VIOLATED; everything is kept in ${report.folder}`)
  return lines.join('\n')
}

/** A row for each kind of fault: how often, and the longest time without a write. */
function renderFaults({ faults, recoveriesMs }: ChaosReport): string {
  const table = new Table({
    head: ['fault', 'times', 'no write at all, ms', 'a partition, ms', 'whole after, ms', 'what'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'right', 'right', 'right', 'left'],
  })
  const names = [...new Set(faults.map(({ fault }) => fault))].sort()
  for (const name of names) {
    const those = faults.filter(({ fault }) => fault === name)
    const recoveries = recoveriesMs.filter(({ fault }) => fault === name).map(({ tookMs }) => tookMs)
    table.push([
      name,
      those.length,
      Math.round(Math.max(...those.map(({ overallMs }) => overallMs))),
      Math.round(Math.max(...those.map(({ partitionMs }) => partitionMs))),
      recoveries.length === 0 ? '-' : Math.round(Math.max(...recoveries)),
      faultNamed(name)?.text ?? '',
    ])
  }
  return table.toString()
}
