/**
 * A producer that sends a small value every millisecond to one partition and measures the gaps between acknowledgements:
 * how long a user would have been unable to write.
 */
import { createProducer, isStratalogError, type Producer } from '@stratalog/producer'
import type { ProbeJob, RunningClient } from './job.ts'

const OUTSTANDING_MAX = 20_000

/** See the file's header. */
export class Probe implements RunningClient {
  readonly ended: Promise<void> = new Promise(() => {})
  readonly #job: ProbeJob
  readonly #producer: Producer
  readonly #timer: NodeJS.Timeout
  readonly #counts = { sent: 0, ok: 0, failed: 0 }
  readonly #value = Buffer.alloc(32)
  #startedMs: number = performance.now()
  #outstanding = 0
  #lastOkMs: number | null = null
  #longestMs = 0
  #errorCodes: string[] = []

  constructor(job: ProbeJob) {
    this.#job = job
    this.#producer = createProducer({ bootstrap: job.bootstrap, clientId: 'chaos-probe' }, { acks: 'all' })
    this.#timer = setInterval(() => this.#tick(), 1)
  }

  /** The longest gap since the last call, the one under way included; and what failed since. */
  takeGap(): { readonly gapMs: number; readonly errorCodes: readonly string[] } {
    const nowMs = performance.now()
    const gapMs = Math.max(this.#longestMs, this.#lastOkMs === null ? 0 : nowMs - this.#lastOkMs)
    const errorCodes = this.#errorCodes
    this.#longestMs = 0
    this.#errorCodes = []
    return { gapMs, errorCodes }
  }

  async stop(): Promise<Record<string, number>> {
    clearInterval(this.#timer)
    await this.#producer.close()
    return this.#counts
  }

  #tick(): void {
    const due = Math.floor((performance.now() - this.#startedMs) / this.#job.intervalMs)
    // After a stall of this process the values that are late are left out: they would hide a gap.
    const skipped = due - this.#counts.sent - 10
    if (skipped > 0) this.#startedMs += skipped * this.#job.intervalMs
    const until = Math.min(due, this.#counts.sent + 10)
    while (this.#counts.sent < until && this.#outstanding < OUTSTANDING_MAX) this.#send()
  }

  #send(): void {
    const { topic, partition } = this.#job
    this.#counts.sent++
    this.#outstanding++
    this.#producer.send({ topic, partition, value: this.#value }).then(
      () => {
        const nowMs = performance.now()
        if (this.#lastOkMs !== null) this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastOkMs)
        this.#lastOkMs = nowMs
        this.#counts.ok++
        this.#outstanding--
      },
      (error: unknown) => {
        this.#counts.failed++
        this.#outstanding--
        this.#errorCodes.push(isStratalogError(error) ? error.code : String(error))
      },
    )
  }
}
