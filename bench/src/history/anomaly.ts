/**
 * What can be wrong with a history. Names and definitions are those of Jepsen's Kafka workload where it has them.
 */

/** Every check: whether it may never happen, and what it means. */
export const ANOMALIES = {
  'inconsistent-offsets': {
    illegal: true,
    text: 'one offset holds two values, from acknowledgements and reads together',
  },
  'inconsistent-epochs': { illegal: true, text: 'one offset was read under two leader epochs: its batch has changed' },
  'epoch-order': { illegal: true, text: 'a later offset has an earlier leader epoch' },
  duplicate: { illegal: true, text: 'one value is at two offsets' },
  'lost-write': { illegal: true, text: 'an acknowledged value below the highest offset read was never read' },
  unseen: { illegal: true, text: 'an acknowledged value was read by nobody, final reads included' },
  'aborted-read': { illegal: true, text: 'a value that was refused for good was read' },
  'invented-read': { illegal: true, text: 'a record was read that nobody sent, or not like this' },
  'read-refused': { illegal: true, text: 'a consumer was refused an offset that it had come to by reading' },
  'int-poll-skip': { illegal: true, text: 'inside one batch a consumer passed over an offset that holds a value' },
  'poll-skip': { illegal: true, text: 'between two batches a consumer passed over an offset that holds a value' },
  'int-nonmonotonic-poll': { illegal: true, text: 'inside one batch offsets go back or repeat' },
  'nonmonotonic-poll': { illegal: true, text: 'between two batches offsets go back or repeat without a seek' },
  'nonmonotonic-send': {
    illegal: true,
    text: 'values of one producer are in the partition in another order than sent',
  },
  'send-skip': {
    illegal: false,
    text: "between consecutive values of a producer lie others' (allowed: there is no isolation)",
  },
  'realtime-order': {
    illegal: true,
    text: 'a value lies below one that had been acknowledged or read before it was sent',
  },
  'zero-offset': { illegal: true, text: 'offset 0 was acknowledged for a record that was not the first' },
  'weak-acknowledgement': { illegal: true, text: 'an acknowledgement vouches for less than the topic promises' },
  'read-above-end': {
    illegal: true,
    text: 'a leader reported an end at or below an offset that had been read or acknowledged under its term or before',
  },
  'stale-end': {
    illegal: false,
    text: 'the same of a leader that did not know yet that it had been replaced (allowed: it says what it may still serve)',
  },
  'end-order': { illegal: true, text: 'a visible end above the high watermark, or a log start that is not 0' },
  'beyond-final-end': { illegal: true, text: 'an offset read or acknowledged is at or above the final end' },
  'short-final-read': { illegal: true, text: 'final reads stopped before the final end' },
} as const satisfies Record<string, { readonly illegal: boolean; readonly text: string }>

/** Name of a check. */
export type AnomalyKind = keyof typeof ANOMALIES

/** How often something was found, and the first examples. */
export interface AnomalyCount {
  readonly kind: AnomalyKind
  readonly illegal: boolean
  readonly count: number
  readonly examples: readonly string[]
}

const EXAMPLES_MAX = 10

/** Counts anomalies; keeps the first examples of each. */
export class AnomalyLedger {
  readonly #found = new Map<AnomalyKind, { count: number; examples: string[] }>()

  /** @param describe called only for the examples that are kept */
  add(kind: AnomalyKind, describe: () => string): void {
    const found = this.#found.get(kind) ?? { count: 0, examples: [] }
    this.#found.set(kind, found)
    found.count++
    if (found.examples.length < EXAMPLES_MAX) found.examples.push(describe())
  }

  /** What was found, illegal ones first. */
  counts(): AnomalyCount[] {
    return [...this.#found]
      .map(([kind, { count, examples }]) => ({ kind, illegal: ANOMALIES[kind].illegal, count, examples }))
      .sort((a, b) => Number(b.illegal) - Number(a.illegal) || (a.kind < b.kind ? -1 : 1))
  }
}
