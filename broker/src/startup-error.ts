/**
 * What can keep a broker from starting: one class with a closed list of codes.
 *
 * These are operator errors, told at start and never to clients. The command prints code, message and hint and ends
 * with the exit status of the table; nothing in the data folder has been changed when one of these is thrown.
 */

/** The codes with the exit status that the command ends with (BSD sysexits where one fits). */
export const STARTUP_ERRORS: Readonly<
  Record<StartupErrorCode, { readonly exitStatus: number; readonly hint: string }>
> = {
  CONFIG_INVALID: { exitStatus: 78, hint: 'See docs/config.md for every setting, its range and its default.' },
  DATA_DIRECTORY_FOREIGN: {
    exitStatus: 73,
    hint: 'Choose an empty folder or one that a broker has used; nothing in this one was touched.',
  },
  DATA_DIRECTORY_MISMATCH: {
    exitStatus: 73,
    hint: 'Start the broker that this folder belongs to, or choose another folder; nothing was touched.',
  },
  DATA_DIRECTORY_UNUSABLE: {
    exitStatus: 73,
    hint: "Check the folder's owner, its permissions and that its disk is mounted and writable.",
  },
  DATA_DIRECTORY_IN_USE: {
    exitStatus: 75,
    hint: 'Stop the other broker first, or choose another data folder: two brokers never share one.',
  },
  PORT_IN_USE: { exitStatus: 75, hint: 'Stop what listens there, or choose another port with --listen HOST:PORT.' },
  REGISTRATION_REFUSED: {
    exitStatus: 78,
    hint: 'Give the broker an id, a cluster and a data folder that belong together; see cluster.id, broker.id and data.dir.',
  },
  LISTEN_FAILED: { exitStatus: 69, hint: 'Check that the host of --listen is an address of this machine.' },
}

/** Stable names of the failures. */
export type StartupErrorCode =
  | 'CONFIG_INVALID'
  | 'DATA_DIRECTORY_FOREIGN'
  | 'DATA_DIRECTORY_IN_USE'
  | 'DATA_DIRECTORY_MISMATCH'
  | 'DATA_DIRECTORY_UNUSABLE'
  | 'LISTEN_FAILED'
  | 'PORT_IN_USE'
  | 'REGISTRATION_REFUSED'

/** The broker cannot start. */
export class StartupError extends Error {
  override readonly name = 'StartupError'
  readonly code: StartupErrorCode
  /** Machine-readable particulars, such as path, pid, port, setting. */
  readonly details: Readonly<Record<string, string>>

  constructor(
    code: StartupErrorCode,
    message: string,
    options: { readonly details?: Readonly<Record<string, string>>; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  /** What to do about it, for people. */
  get hint(): string {
    return STARTUP_ERRORS[this.code].hint
  }

  /** Exit status that the command ends with. */
  get exitStatus(): number {
    return STARTUP_ERRORS[this.code].exitStatus
  }
}
