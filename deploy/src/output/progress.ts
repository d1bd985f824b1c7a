/**
 * How far a long run is, on standard error: one line that rewrites itself on a terminal, a line now and then in a log.
 * Nothing is shown before the first interval has passed, so short runs stay quiet.
 */
import { formatBytes, formatCount, formatRate } from './quantity.ts'

const TERMINAL_INTERVAL_MS = 200
const LOG_INTERVAL_MS = 10_000

/** Counts so far; `totalBytes` is `null` when the end is not known (standard input). */
export interface ProgressState {
  readonly recordCount: number
  readonly bytes: number
  readonly totalBytes: number | null
}

/** A display that asks for the counts when it draws. */
export class Progress {
  readonly #stream: NodeJS.WriteStream
  readonly #verb: string
  readonly #read: () => ProgressState
  readonly #startedAtMs = performance.now()
  readonly #timer: NodeJS.Timeout
  #drawn = false

  constructor(stream: NodeJS.WriteStream, verb: string, read: () => ProgressState) {
    this.#stream = stream
    this.#verb = verb
    this.#read = read
    this.#timer = setInterval(() => this.#draw(), stream.isTTY ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS)
    this.#timer.unref()
  }

  /** Ends the display and leaves a clean line. */
  stop(): void {
    clearInterval(this.#timer)
    if (this.#drawn && this.#stream.isTTY) this.#stream.write('\r\u001b[K')
  }

  #draw(): void {
    const line = progressLine(this.#verb, this.#read(), performance.now() - this.#startedAtMs)
    this.#drawn = true
    this.#stream.write(this.#stream.isTTY ? `\r${line}\u001b[K` : `${line}\n`)
  }
}

/** The text of one line, without control characters. */
export function progressLine(verb: string, state: ProgressState, elapsedMs: number): string {
  const share =
    state.totalBytes === null || state.totalBytes === 0
      ? ''
      : ` of ${formatBytes(state.totalBytes)} (${Math.min(100, Math.floor((100 * state.bytes) / state.totalBytes))} %)`
  const rate = formatRate(state.recordCount, state.bytes, elapsedMs)
  return `${verb} ${formatCount(state.recordCount)} records, ${formatBytes(state.bytes)}${share}, ${rate}`
}
