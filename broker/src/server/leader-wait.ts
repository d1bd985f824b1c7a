/**
 * Holds back, for a moment, the news that a partition has no leader: when one is elected meanwhile, the client is told that
 * instead and goes there at once. A planned transfer takes a few milliseconds, and a client that is told of a partition
 * without a leader waits for longer than that.
 *
 * Bound: whoever waits still counts against the limits of its stream. Owner: the server.
 */
import type { StratalogError } from '@stratalog/proto'
import type { ClusterView } from '../cluster/cluster-view.ts'
import type { ClientErrors } from './client-errors.ts'

/** Tells a client of an error, now or in a moment. Called once. */
export type TellError = (error: StratalogError) => void

/** How long an error is held back: longer than a transfer, shorter than an election. */
const PATIENCE_MS = 200

interface Waiting {
  readonly error: StratalogError
  readonly tell: TellError
  readonly sinceMs: number
  /** This broker served the partition when it refused: it is handing it over. */
  readonly wasServing: boolean
}

/** What it is made of. */
export interface LeaderWaitOptions {
  readonly errors: ClientErrors
  readonly cluster: Pick<ClusterView, 'onChange'>
  /** Whether this broker leads a partition and serves it. */
  readonly isServing: (topic: string, partition: number) => boolean
  readonly nowMs: () => number
}

/** See the file's header. */
export class LeaderWait {
  readonly #options: LeaderWaitOptions
  readonly #stopListening: () => void
  #waiting: Waiting[] = []
  #timer: NodeJS.Timeout | null = null

  constructor(options: LeaderWaitOptions) {
    this.#options = options
    this.#stopListening = options.cluster.onChange(() => this.#look())
  }

  /** Tells the error as the client is to see it: at once, unless it is that there is no leader. */
  tell(error: StratalogError, tell: TellError): void {
    const told = this.#options.errors.of(error)
    if (told.code !== 'LEADER_NOT_AVAILABLE') {
      tell(told)
      return
    }
    this.#waiting.push({ error, tell, sinceMs: this.#options.nowMs(), wasServing: this.#isServing(error) })
    this.#timer ??= setTimeout(() => this.#onTimer(), PATIENCE_MS)
  }

  /** Tells all who wait. */
  close(): void {
    this.#stopListening()
    this.#settle(() => true)
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #isServing({ topic, partition }: StratalogError): boolean {
    return topic !== null && partition !== null && this.#options.isServing(topic, partition)
  }

  #look(): void {
    if (this.#waiting.length > 0) this.#settle(() => false)
  }

  #onTimer(): void {
    this.#timer = null
    const nowMs = this.#options.nowMs()
    this.#settle(({ sinceMs }) => nowMs - sinceMs >= PATIENCE_MS)
    const [oldest] = this.#waiting
    if (oldest === undefined) return
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(1, oldest.sinceMs + PATIENCE_MS - nowMs))
  }

  /** Tells those whose partition has a leader, here or elsewhere, and those whose time is over. */
  #settle(isOver: (waiting: Waiting) => boolean): void {
    const due = this.#waiting
    this.#waiting = []
    for (const waiting of due) {
      const told = this.#options.errors.of(waiting.error)
      const beganHere = !waiting.wasServing && this.#isServing(waiting.error)
      if (told.code !== 'LEADER_NOT_AVAILABLE' || beganHere || isOver(waiting)) waiting.tell(told)
      else this.#waiting.push(waiting)
    }
  }
}
