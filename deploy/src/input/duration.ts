/**
 * Durations as typed by a person: `500ms`, `90s`, `15m`, `2h`, `7d`, and several in a row, `1d12h`.
 */
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds; `null` when it is no duration, or one beyond 2^53-1 ms. */
export function parseDuration(text: string): number | null {
  if (!/^(\d+(ms|[smhd]))+$/.test(text)) return null
  let durationMs = 0
  for (const [, count, unit = ''] of text.matchAll(/(\d+)(ms|[smhd])/g)) durationMs += Number(count) * UNIT_MS[unit]!
  return Number.isSafeInteger(durationMs) ? durationMs : null
}
