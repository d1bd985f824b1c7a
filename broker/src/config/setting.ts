/**
 * One setting of the broker: how its text is read, what values it takes, and what it is for.
 *
 * A setting comes as text (environment, flags) or typed (TOML); either way it passes the same zod schema, and the
 * sentence of allowed values that an error shows is the one that the documentation shows.
 */
import { z } from 'zod'

/** A row of the table of settings. */
export interface Setting<Value> {
  readonly kind: 'integer' | 'text' | 'choice' | 'boolean'
  /** Allowed values, for people: `1 to 65535`, `one of debug, info`. */
  readonly allowed: string
  readonly default: Value
  readonly doc: string
  /** Accepts the typed value and its text. */
  readonly schema: z.ZodType<Value>
}

/** A whole number within [min, max], both inclusive. */
export function integer(options: {
  readonly default: number
  readonly min: number
  readonly max?: number
  readonly doc: string
}): Setting<number> {
  const max = options.max ?? Number.MAX_SAFE_INTEGER
  return {
    kind: 'integer',
    allowed: options.max === undefined ? `${options.min} or more` : `${options.min} to ${max}`,
    default: options.default,
    doc: options.doc,
    schema: z.preprocess(numberFromText, z.int().min(options.min).max(max)) as z.ZodType<number>,
  }
}

/** Text that matches a pattern; `allowed` says in words what the pattern says. */
export function text(options: {
  readonly default: string
  readonly pattern?: RegExp
  readonly allowed?: string
  readonly doc: string
}): Setting<string> {
  return {
    kind: 'text',
    allowed: options.allowed ?? 'any text',
    default: options.default,
    doc: options.doc,
    schema: options.pattern === undefined ? z.string() : z.string().regex(options.pattern),
  }
}

/** One of a few words. */
export function choice<const Value extends string>(options: {
  readonly default: Value
  readonly of: readonly Value[]
  readonly doc: string
}): Setting<Value> {
  return {
    kind: 'choice',
    allowed: `one of ${options.of.join(', ')}`,
    default: options.default,
    doc: options.doc,
    schema: z.enum(options.of) as unknown as z.ZodType<Value>,
  }
}

/** `true` or `false`. */
export function boolean(options: { readonly default: boolean; readonly doc: string }): Setting<boolean> {
  return {
    kind: 'boolean',
    allowed: 'true or false',
    default: options.default,
    doc: options.doc,
    schema: z.preprocess(booleanFromText, z.boolean()) as z.ZodType<boolean>,
  }
}

function numberFromText(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d+$/.test(value.trim()) ? Number(value) : value
}

function booleanFromText(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value
}
