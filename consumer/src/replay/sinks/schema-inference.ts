/**
 * Columns for JSON objects, found by looking at some: each field gets the narrowest type that holds all its values.
 *
 * boolean, int64, double and string stay what they are; integers and fractions together are doubles; anything else (lists,
 * objects, a mixture) is `json`. Fields are in the order in which they were first met. Pure.
 */
import type { Column, ColumnType } from './columns.ts'
import { exactInteger, isJsonObject } from './json-value.ts'

const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)

/** See the file's header. */
export class SchemaInference {
  /** null = only nulls so far. */
  readonly #types = new Map<string, ColumnType | null>()
  /** Integer columns with a value that a double does not hold. */
  readonly #beyondDouble = new Set<string>()
  #objectCount = 0
  #otherCount = 0

  /** Values that were objects. */
  get objectCount(): number {
    return this.#objectCount
  }

  /** Values that were something else. */
  get otherCount(): number {
    return this.#otherCount
  }

  /** Takes a parsed value into account. */
  add(value: unknown): void {
    if (!isJsonObject(value)) {
      this.#otherCount++
      return
    }
    this.#objectCount++
    for (const name of Object.keys(value)) {
      const field = value[name]
      const before = this.#types.get(name)
      if (exactInteger(field) !== null) this.#beyondDouble.add(name)
      if (field === null) this.#types.set(name, before ?? null)
      else this.#types.set(name, merge(before ?? null, typeOf(field), this.#beyondDouble.has(name)))
    }
  }

  /** Takes into account what another inference saw, for instance one of another thread. */
  addFields(fields: readonly Column[]): void {
    for (const { name, type } of fields) {
      this.#types.set(name, merge(this.#types.get(name) ?? null, type, this.#beyondDouble.has(name)))
    }
  }

  /** The columns. A field that was null throughout is `json`, which holds whatever it turns out to be. */
  fields(): Column[] {
    return [...this.#types].map(([name, type]) => ({ name, type: type ?? 'json' }))
  }
}

function typeOf(value: unknown): ColumnType {
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'int64' : 'double'
  const integer = exactInteger(value)
  return integer !== null && integer <= INT64_MAX && integer >= INT64_MIN ? 'int64' : 'json'
}

function merge(before: ColumnType | null, type: ColumnType, beyondDouble: boolean): ColumnType {
  if (before === null || before === type) return type
  const isNumeric = (each: ColumnType): boolean => each === 'int64' || each === 'double'
  return isNumeric(before) && isNumeric(type) && !beyondDouble ? 'double' : 'json'
}
