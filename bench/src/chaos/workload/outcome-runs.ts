/**
 * Gathers outcomes of single values into events: consecutive values at consecutive offsets are one line.
 *
 * Outcomes are held for one turn of the event loop at most, so an event is later than the outcomes in it, never earlier.
 */
import type { Happening, HistoryFile } from './history-file.ts'

type Outcome =
  | {
      readonly kind: 'ok'
      readonly offset: number
      readonly acks: 'all' | 'leader'
      readonly durability: string
      /** Term of the leader that answered; unset when unknown. */
      readonly leader?: number
    }
  | { readonly kind: 'fail' | 'info'; readonly error: string }

interface Run {
  readonly producer: number
  readonly partition: number
  readonly first: number
  count: number
  readonly outcome: Outcome
}

/** See the file's header. */
export class OutcomeRuns {
  readonly #history: HistoryFile
  readonly #runs = new Map<string, Run>()
  #isScheduled = false

  constructor(history: HistoryFile) {
    this.#history = history
  }

  add(producer: number, partition: number, sequence: number, outcome: Outcome): void {
    const key = `${producer}/${partition}`
    const run = this.#runs.get(key)
    if (run !== undefined) {
      if (continues(run, sequence, outcome)) {
        run.count++
        return
      }
      this.#write(run)
    }
    this.#runs.set(key, { producer, partition, first: sequence, count: 1, outcome })
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.flush())
  }

  /** Writes what is held. */
  flush(): void {
    this.#isScheduled = false
    for (const run of this.#runs.values()) this.#write(run)
    this.#runs.clear()
  }

  #write({ producer, partition, first, count, outcome }: Run): void {
    this.#history.append({ producer, partition, first, count, ...outcome } as Happening)
  }
}

function continues(run: Run, sequence: number, outcome: Outcome): boolean {
  if (sequence !== run.first + run.count || outcome.kind !== run.outcome.kind) return false
  if (outcome.kind !== 'ok' || run.outcome.kind !== 'ok') {
    return outcome.kind !== 'ok' && run.outcome.kind !== 'ok' && outcome.error === run.outcome.error
  }
  const { offset, durability, leader } = run.outcome
  const follows = offset < 0 ? outcome.offset < 0 : outcome.offset === offset + run.count
  return follows && outcome.durability === durability && outcome.leader === leader
}
