/**
 * JSON as it stands in a record's value: parsed without losing digits. An integer beyond 2^53 becomes a raw JSON number
 * (`JSON.rawJSON`), which is written as it was read.
 */

/** A number whose text is kept, because a double does not hold it. */
export interface RawNumber {
  readonly rawJSON: string
}

/** What this runtime's JSON has beyond the library's types. */
interface ExactJson {
  rawJSON(text: string): RawNumber
  isRawJSON(value: unknown): boolean
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown
}

const EXACT = JSON as unknown as ExactJson
const MANY_DIGITS = /\d{16}/
const INTEGER = /^-?\d+$/

/** Parses. Errors: SyntaxError. */
export function parseJsonExact(text: string): unknown {
  return MANY_DIGITS.test(text) ? EXACT.parse(text, keepDigits) : JSON.parse(text)
}

/** The exact integer behind a value that `parseJsonExact` kept as text, or null. */
export function exactInteger(value: unknown): bigint | null {
  return EXACT.isRawJSON(value) ? BigInt((value as RawNumber).rawJSON) : null
}

/** Whether a value is an object of fields, not null, a list or a kept number. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !EXACT.isRawJSON(value)
}

/** The value of a field of its own; what every object inherits is no field. */
export function ownField(object: Readonly<Record<string, unknown>>, name: string): unknown {
  const value = object[name]
  if (value === undefined || (name in Object.prototype && !Object.hasOwn(object, name))) return undefined
  return value
}

function keepDigits(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined) return value
  return INTEGER.test(source) ? EXACT.rawJSON(source) : value
}
