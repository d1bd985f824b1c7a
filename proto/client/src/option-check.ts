/** Checks of numeric options, so that a bad one fails at construction and names itself, its value and its range. */
import { StratalogError } from '@stratalog/proto'

/** An option's default and the range that it must be in, both ends included. */
export interface NumberRange {
  readonly default: number
  readonly min: number
  readonly max: number
}

/** The option's value or its default. Errors: INVALID_CONFIG unless an integer in the range. */
export function checkedInteger(name: string, value: number | undefined, range: NumberRange): number {
  if (value === undefined) return range.default
  if (!Number.isInteger(value) || value < range.min || value > range.max) {
    throw invalidOption(name, value, `an integer of ${range.min}..${range.max}`)
  }
  return value
}

/** The option's value or its default. Errors: INVALID_CONFIG unless one of `allowed`. */
export function checkedChoice<T extends string>(
  name: string,
  value: T | undefined,
  allowed: readonly T[],
  fallback: T,
): T {
  if (value === undefined) return fallback
  if (!allowed.includes(value)) throw invalidOption(name, value, `one of ${allowed.join(', ')}`)
  return value
}

/** The error for an option that is not what it must be. */
export function invalidOption(name: string, value: unknown, expected: string): StratalogError {
  return new StratalogError('INVALID_CONFIG', `option ${name} is ${String(value)}; it must be ${expected}`, {
    hint: `Give ${name} as ${expected}.`,
    metadata: { field: name, value: String(value) },
  })
}
