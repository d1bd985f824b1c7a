/** Sums over many seeds of the simulation, and how they are told. */
import type { BrokerFaultKind, BrokerSimReport } from '@stratalog/broker/simulation'

/** Adds up reports. */
export class SimTotals {
  seeds = 0
  events = 0
  messages = 0
  simulatedMs = 0
  acknowledged = 0
  read = 0
  elections = 0
  violations = 0
  recoveries = 0
  recoveryMaxMs = 0
  readonly faults: Map<BrokerFaultKind, number> = new Map()

  add(report: BrokerSimReport): void {
    this.seeds++
    this.events += report.events
    this.messages += report.messages
    this.simulatedMs += report.simulatedMs
    this.acknowledged += report.acknowledged
    this.read += report.read
    this.elections += report.elections
    if (report.violation !== null) this.violations++
    if (report.recoveryMs !== null) {
      this.recoveries++
      this.recoveryMaxMs = Math.max(this.recoveryMaxMs, report.recoveryMs)
    }
    for (const [kind, count] of report.faults) this.faults.set(kind, (this.faults.get(kind) ?? 0) + count)
  }

  /** @param seconds processor time that the seeds took. */
  describe(seconds: number): string {
    const faults = [...this.faults].sort(([a], [b]) => a.localeCompare(b))
    const faultCount = faults.reduce((sum, [, count]) => sum + count, 0)
    const perHour = Math.round((this.seeds / seconds) * 3600)
    return [
      `${this.seeds} seeds, ${this.violations} violations`,
      `${this.events} events, ${this.messages} messages, ${(this.simulatedMs / 3_600_000).toFixed(2)} simulated hours`,
      `${this.acknowledged} records acknowledged, ${this.read} read, ${this.elections} leaders`,
      `${faultCount} faults (${(faultCount / this.seeds).toFixed(1)} a seed): ${faults.map((f) => f.join(' ')).join(', ')}`,
      `${this.recoveries} clusters healed, the slowest in ${(this.recoveryMaxMs / 1000).toFixed(1)} s`,
      `${seconds.toFixed(1)} s of processor time: ${perHour} seeds an hour, ${Math.round(this.events / seconds)} events ` +
        `and ${(this.simulatedMs / 1000 / seconds).toFixed(0)} simulated seconds a second`,
    ].join('\n')
  }
}
