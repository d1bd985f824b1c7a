/**
 * The end of a process that can no longer vouch for its data: the last log line, then exit.
 *
 * What is acknowledged is on disk; recovery at the next start is the way back. Nothing is flushed, closed or answered
 * on the way out, since all of that would be done by code that has just been proved wrong.
 */
import type { Logger } from './observability/logger.ts'

/** Exit status after a broken invariant or an error that nobody caught (sysexits: internal software error). */
export const FAIL_STOP_EXIT_STATUS = 70

/** Logs the error and ends the process. The log is written synchronously, so the line is there. */
export function failStop(logger: Logger, error: unknown): never {
  logger.fatal({ error }, 'this process can no longer vouch for its data and stops')
  process.exit(FAIL_STOP_EXIT_STATUS)
}

/**
 * Makes every error that nobody catches a fail-stop, with a line in the broker's log. For the command that runs one
 * broker in a process of its own; not for processes that embed one.
 */
export function installFailStop(logger: Logger): void {
  process.on('uncaughtException', (error) => failStop(logger, error))
  process.on('unhandledRejection', (error) => failStop(logger, error))
}
