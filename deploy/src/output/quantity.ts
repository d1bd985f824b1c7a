/**
 * Quantities for people. Scripts get plain numbers from `--output json`.
 */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `1536` becomes `1.5 KiB`; below 1,024 no decimals. */
export function formatBytes(bytes: number): string {
  let amount = bytes
  let unit = 0
  while (amount >= 1024 && unit < BYTE_UNITS.length - 1) {
    amount /= 1024
    unit += 1
  }
  return `${unit === 0 ? String(Math.round(amount)) : amount.toFixed(1)} ${BYTE_UNITS[unit]}`
}

/** `1234567` becomes `1,234,567`; fractions are dropped. */
export function formatCount(count: number): string {
  return Math.trunc(count)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',')
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** `850 ms`, `12.3 s`, `4 min 5 s`, `3 h 20 min`, `2 d 7 h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 999.5) return `${Math.round(durationMs)} ms`
  if (durationMs < 59_950) return `${(durationMs / 1000).toFixed(1)} s`
  const wholeMs = Math.round(durationMs / 1000) * 1000
  const part = (unitMs: number, ofMs: number): number => Math.floor((wholeMs % ofMs) / unitMs)
  if (wholeMs < HOUR_MS) return `${part(MINUTE_MS, HOUR_MS)} min ${part(1000, MINUTE_MS)} s`
  if (wholeMs < DAY_MS) return `${part(HOUR_MS, DAY_MS)} h ${part(MINUTE_MS, HOUR_MS)} min`
  return `${Math.floor(wholeMs / DAY_MS)} d ${part(HOUR_MS, DAY_MS)} h`
}

/** `12,345 records/s, 1.2 MiB/s`; an empty run counts as one millisecond. */
export function formatRate(recordCount: number, bytes: number, durationMs: number): string {
  const seconds = Math.max(durationMs, 1) / 1000
  return `${formatCount(recordCount / seconds)} records/s, ${formatBytes(bytes / seconds)}/s`
}
