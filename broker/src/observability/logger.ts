/**
 * The broker's log: pino's JSON lines, written synchronously to a file descriptor so that the last line before a
 * crash is there. Nothing is logged per batch or per request at `info`.
 */
import pino from 'pino'

/** What the broker's parts log with: pino's own shape. */
export type Logger = pino.Logger

/** Options of {@link createLogger}. */
export interface LoggerOptions {
  readonly level: string
  /** On every line. */
  readonly brokerId: number
  /** File descriptor, default 2 (standard error), or a path to append to. */
  readonly destination?: number | string
}

/** Makes the root logger; parts derive theirs with `child({ topic, partition })`. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      base: { brokerId: options.brokerId },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError, err: describeError },
    },
    pino.destination({ dest: options.destination ?? 2, sync: true }),
  )
}

/** An error with its code, hint and causes, whatever its class. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code, hint } = error as { code?: unknown; hint?: unknown }
  return {
    type: error.name,
    ...(code === undefined ? {} : { code }),
    message: error.message,
    ...(hint === undefined ? {} : { hint }),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  }
}
