/**
 * What the simulator throws when it has found something.
 */

/** Every invariant that is checked, by name. */
export type InvariantName =
  | 'one-leader-per-term'
  | 'leader-completeness'
  | 'vote-once-per-term'
  | 'vote-durable'
  | 'term-monotonic'
  | 'log-matching'
  | 'committed-immutable'
  | 'commit-monotonic'
  | 'commit-held-by-majority'
  | 'state-machine-safety'
  | 'promise-durable'
  | 'flushed-within-written'
  | 'acknowledged-kept'
  | 'applied-once'
  | 'linearizable-read'
  | 'configurations-agree'
  | 'configurations-overlap'
  | 'one-change-at-a-time'
  | 'removal-keeps-live-majority'
  | 'leader-is-voter'
  | 'elected-by-majority'
  | 'leader-hears-majority'
  | 'term-has-candidate'
  | 'transfer-is-level'
  | 'progress-consistent'
  | 'quiescent-silence'
  | 'quiescent-is-level'
  | 'pre-vote-keeps-term'
  | 'bounded-window'
  | 'no-impossible-message'
  | 'core-invariant'
  | 'ready-terminates'
  | 'answers-die-out'
  | 'snapshot-whole'
  | 'progress-after-healing'
  | 'stable-after-healing'

/** An invariant does not hold. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
  readonly invariant: InvariantName

  constructor(invariant: InvariantName, detail: string) {
    super(`${invariant}: ${detail}`)
    this.invariant = invariant
  }
}

/** Throws an {@link InvariantViolation} unless `condition` holds; `detail` is only made when it does not. */
export function hold(condition: boolean, invariant: InvariantName, detail: () => string): asserts condition {
  if (!condition) throw new InvariantViolation(invariant, detail())
}
