/**
 * How far a replay is, on standard error: a bar that rewrites itself on a terminal, a line now and then in a log, JSON lines
 * for scripts.
 */
import type { ReplayProgress } from '@stratalog/consumer'
import type { OutputFormat } from '../output/failure.ts'
import { formatBytes, formatCount, formatDuration } from '../output/quantity.ts'

const BAR_CELLS = 24
const LOG_INTERVAL_MS = 10_000
const JSON_INTERVAL_MS = 1_000

/** Draws. Owner: one replay; `stop` leaves a clean line. */
export class ReplayBar {
  readonly #stream: NodeJS.WriteStream
  readonly #format: OutputFormat
  #toldAtMs: number
  #isDrawn = false

  constructor(stream: NodeJS.WriteStream, format: OutputFormat) {
    this.#stream = stream
    this.#format = format
    this.#toldAtMs = performance.now()
  }

  /** As often as it likes. */
  show(progress: ReplayProgress): void {
    if (this.#stream.isTTY && this.#format === 'table') {
      this.#isDrawn = true
      this.#stream.write(`\r${barLine(progress)}\u001b[K`)
      return
    }
    const intervalMs = this.#format === 'table' ? LOG_INTERVAL_MS : JSON_INTERVAL_MS
    if (performance.now() - this.#toldAtMs < intervalMs) return
    this.#toldAtMs = performance.now()
    this.#stream.write(this.#format === 'table' ? `${barLine(progress)}\n` : `${JSON.stringify({ progress })}\n`)
  }

  stop(): void {
    if (this.#isDrawn) this.#stream.write('\r\u001b[K')
    this.#isDrawn = false
  }
}

/** The text of one line, without control characters. */
export function barLine(progress: ReplayProgress): string {
  const { share, recordCount, recordsPerSecond, bytesPerSecond, timeLeftMs, doneSplitCount, splitCount } = progress
  const cells = Math.floor(share * BAR_CELLS)
  const bar = `${'#'.repeat(cells)}${'.'.repeat(BAR_CELLS - cells)}`
  const left = timeLeftMs === null ? '' : `, ${formatDuration(timeLeftMs)} left`
  const rate = `${formatCount(recordsPerSecond)} records/s, ${formatBytes(bytesPerSecond)}/s`
  const percent = String(Math.floor(share * 100)).padStart(3)
  return `[${bar}] ${percent} %  ${formatCount(recordCount)} records, ${doneSplitCount}/${splitCount} pieces, ${rate}${left}`
}
