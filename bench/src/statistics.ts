/** Middle and spread of a few runs. */

/** Minimum, median and maximum. */
export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

/** Of a non-empty list. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  return { min: at(0), median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, max: at(sorted.length - 1) }
}
