/**
 * How a long-running command learns that it should stop.
 *
 * The first SIGINT, SIGTERM or SIGHUP asks; a second one ends the process at once. One Ctrl-C reaches a process several
 * times (from the terminal, from npm, from the process that started it), so what follows within a moment is the same.
 * Owner: the command that runs; `release` gives the signals back.
 */
import { constants } from 'node:os'

/** Signals that ask for an end. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
const SAME_PRESS_MS = 500

/** Listens from its construction on. */
export class ShutdownSignal {
  /** Resolves with the first signal; never rejects. */
  readonly received: Promise<StopSignal>
  readonly #abort = new AbortController()
  readonly #listener: (signal: StopSignal) => void

  constructor() {
    let firstAtMs: number | null = null
    let resolve: (signal: StopSignal) => void = () => {}
    this.received = new Promise((settle) => {
      resolve = settle
    })
    this.#listener = (signal) => {
      if (firstAtMs === null) {
        firstAtMs = performance.now()
        this.#abort.abort()
        resolve(signal)
      } else if (performance.now() - firstAtMs > SAME_PRESS_MS) {
        process.exit(128 + constants.signals[signal])
      }
    }
    for (const signal of SIGNALS) process.on(signal, this.#listener)
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Signals do again what they do by default. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener)
  }
}
