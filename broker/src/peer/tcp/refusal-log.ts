/**
 * Says in the log why connections end, without becoming a flood: peers try again several times a second.
 */
import type { Logger } from '../../observability/logger.ts'

/** Reasons that are counted apart; beyond it counting begins anew. */
const REASONS_MAX = 1_000

/** See the file's header. Owner: TcpPeers. */
export class RefusalLog {
  readonly #logger: Logger
  readonly #counts = new Map<string, number>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Logs the 1st, 2nd, 4th, 8th ... time that the same thing happens. @param details go on the line, not into the count. */
  warn(what: string, reason: string, details: Readonly<Record<string, unknown>>): void {
    const key = `${what}: ${reason}`
    if (this.#counts.size >= REASONS_MAX && !this.#counts.has(key)) this.#counts.clear()
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    if (Number.isInteger(Math.log2(count))) this.#logger.warn({ ...details, reason, count }, what)
  }

  /** Whatever is wrong is told anew the next time. */
  clear(): void {
    this.#counts.clear()
  }
}
