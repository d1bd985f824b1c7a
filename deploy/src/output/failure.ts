/**
 * The one place where a failure becomes text and an exit status.
 *
 * For people: `error: CODE: message` and `hint: what to do`. With `--output json`: one JSON object on a line. Both on
 * standard error. What is not an expected failure also shows its stack, because that is a defect to report.
 */
import { StratalogError } from '@stratalog/proto'
import { CommandError } from '../command-error.ts'
import { EXIT_STATUS, exitStatusOf } from '../exit-status.ts'

/** How results and failures are written. */
export type OutputFormat = 'table' | 'json' | 'jsonl'

/** A failure, ready to be printed. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly retriable: boolean
  readonly metadata: Readonly<Record<string, string>>
  readonly exitStatus: number
  /** Set only for what nobody expected. */
  readonly stack?: string
}

/** Names, words and status of anything thrown. */
export function describeFailure(thrown: unknown): Failure {
  if (thrown instanceof StratalogError) {
    const { code, message, hint, retriable, metadata } = thrown
    return { code, message, hint, retriable, metadata, exitStatus: exitStatusOf(code) }
  }
  if (thrown instanceof CommandError) {
    const { code, message, hint, exitStatus, metadata } = thrown
    return { code, message, hint, retriable: false, metadata, exitStatus }
  }
  if (thrown instanceof Error) {
    const operational = operationalFields(thrown)
    if (operational !== null) {
      return { ...operational, message: thrown.message, retriable: false, metadata: {} }
    }
  }
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  return {
    code: 'UNEXPECTED',
    message: error.message,
    hint: 'this is a defect: please report it with the lines above',
    retriable: false,
    metadata: {},
    exitStatus: EXIT_STATUS.failure,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
  }
}

/** The lines for standard error, with a newline at the end. */
export function renderFailure(failure: Failure, format: OutputFormat): string {
  if (format !== 'table') {
    const { stack: _, exitStatus, ...rest } = failure
    return `${JSON.stringify({ error: { ...rest, exitStatus } })}\n`
  }
  const stack = failure.stack === undefined ? '' : `${failure.stack}\n`
  return `${stack}error: ${failure.code}: ${failure.message}\nhint: ${failure.hint}\n`
}

/** Operational errors of our packages carry a code and a hint, some an exit status too; anything else is unexpected. */
function operationalFields(error: Error): { code: string; hint: string; exitStatus: number } | null {
  if (!('code' in error) || typeof error.code !== 'string') return null
  if (!('hint' in error) || typeof error.hint !== 'string') return null
  const own = 'exitStatus' in error && typeof error.exitStatus === 'number' ? error.exitStatus : EXIT_STATUS.failure
  return { code: error.code, hint: error.hint, exitStatus: own }
}
