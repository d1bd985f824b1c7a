/** What the client libraries log to: the part of pino's interface that they use, so that any logger fits. */

/** Writes one line: particulars first, then the sentence, as pino does. */
export type LogMethod = (particulars: object, message: string) => void

/** A logger; pino's fits as it is. */
export interface Logger {
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
}

const ignore: LogMethod = () => {}

/** Logs nothing: the default, for a library does not write to its host's output unasked. */
export const SILENT_LOGGER: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
