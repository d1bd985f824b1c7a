/** How figures of several rounds stand in a table: the median, and in brackets the least and the most. */
import { spreadOf } from './statistics.ts'

/** Like `0.52 (0.48..0.55)`; only the figure when there is one. */
export function spreadCell(values: readonly number[], digits: number): string {
  const { min, median, max } = spreadOf(values)
  if (values.length === 1) return median.toFixed(digits)
  return `${median.toFixed(digits)} (${min.toFixed(digits)}..${max.toFixed(digits)})`
}
