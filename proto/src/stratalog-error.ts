/**
 * The one error class of the public API: brokers answer with it, clients throw it.
 *
 * Its `code` is a name of the error table (docs/errors.md); everything else is for the reader of a log or a screen.
 * Broken invariants are InvariantError and never become one of these.
 */
import { ERRORS, type ErrorName } from './error-codes.ts'

/** Who leads a partition, as told by a broker. */
export interface LeaderHint {
  /** `null` when no leader is known. */
  readonly leaderId: number | null
  /** Term of that leader; 0 = none ever. */
  readonly leaderEpoch: number
  readonly host: string | null
  readonly port: number | null
}

/** Particulars of an error beside its name and message. */
export interface StratalogErrorOptions {
  readonly cause?: unknown
  readonly topic?: string
  readonly partition?: number
  readonly leader?: LeaderHint
  /** Overrides the table's advice where the place of the error knows better. */
  readonly hint?: string
  /** Machine-readable particulars, such as field, limit, logStartOffset, visibleEnd. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** A failure with a stable name. */
export class StratalogError extends Error {
  override readonly name: string = 'StratalogError'
  /** Stable name, such as `UNKNOWN_TOPIC_OR_PARTITION`. */
  readonly code: ErrorName
  readonly topic: string | null
  readonly partition: number | null
  readonly leader: LeaderHint | null
  /** What to do about it. */
  readonly hint: string
  readonly metadata: Readonly<Record<string, string>>

  /** @param message what happened: names the field, the value and the limit; the table's text when left out. */
  constructor(code: ErrorName, message?: string, options: StratalogErrorOptions = {}) {
    super(message ?? ERRORS[code].text, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.topic = options.topic ?? null
    this.partition = options.partition ?? null
    this.leader = options.leader ?? null
    this.hint = options.hint ?? ERRORS[code].whatToDo
    this.metadata = options.metadata ?? {}
  }

  /** Number of the error in the table. */
  get number(): number {
    return ERRORS[this.code].code
  }

  /** Whether the same request may succeed later. */
  get retriable(): boolean {
    return ERRORS[this.code].retriable
  }
}

/** Whether `value` is a StratalogError, of that code if one is given. */
export function isStratalogError(value: unknown, code?: ErrorName): value is StratalogError {
  return value instanceof StratalogError && (code === undefined || value.code === code)
}
