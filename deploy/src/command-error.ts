/**
 * Failures that the command itself finds, beside the StratalogErrors that come from a cluster.
 */
import { EXIT_STATUS, type ExitStatus } from './exit-status.ts'

/** Stable names of the command's own errors. */
export type CommandErrorCode =
  | 'USAGE'
  | 'INPUT_INVALID'
  | 'FILE_NOT_FOUND'
  | 'FILE_UNREADABLE'
  | 'BROKER_EXITED'
  | 'UNHEALTHY'
  | 'LAGGING'
  | 'NOT_A_SEGMENT'
  | 'SEGMENT_DAMAGED'
  | 'INTERRUPTED'

/** A failure with a stable code, advice and an exit status. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: CommandErrorCode
  readonly hint: string
  readonly exitStatus: ExitStatus
  /** Machine-readable particulars. */
  readonly metadata: Readonly<Record<string, string>>

  constructor(
    code: CommandErrorCode,
    message: string,
    hint: string,
    exitStatus: ExitStatus = EXIT_STATUS.failure,
    metadata: Readonly<Record<string, string>> = {},
  ) {
    super(message)
    this.metadata = metadata
    this.code = code
    this.hint = hint
    this.exitStatus = exitStatus
  }
}

/** A wrong option or argument: status 2. */
export function usageError(message: string, hint: string): CommandError {
  return new CommandError('USAGE', message, hint, EXIT_STATUS.usage)
}

/** A file of the user's that cannot be opened or read, from Node's error. */
export function fileError(path: string, cause: unknown): CommandError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  if (code === 'ENOENT') {
    return new CommandError('FILE_NOT_FOUND', `${path} does not exist`, 'check the path', EXIT_STATUS.notFound)
  }
  return new CommandError('FILE_UNREADABLE', `${path} cannot be read (${code})`, 'check its permissions and type')
}
