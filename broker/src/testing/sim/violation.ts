/** What the simulation throws, or notes, when it has found something. */

/** Every invariant that is checked, by name. */
export type InvariantName =
  | 'one-serving-leader-per-term'
  | 'high-watermark-monotonic'
  | 'offsets-in-order'
  | 'committed-immutable'
  | 'committed-durable'
  | 'acknowledged-durable'
  | 'acknowledged-kept'
  | 'read-committed'
  | 'promise-durable'
  | 'vote-durable'
  | 'dedupe-exact'
  | 'sequence-consecutive'
  | 'served-within-flushed'
  | 'replicas-identical'
  | 'metadata-agrees'
  | 'progress-after-healing'
  | 'history'
  | 'starts-again'
  | 'core-invariant'

/** An invariant does not hold. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
  readonly invariant: InvariantName

  constructor(invariant: InvariantName, detail: string, options?: ErrorOptions) {
    super(`${invariant}: ${detail}`, options)
    this.invariant = invariant
  }
}

/** Throws an {@link InvariantViolation} unless `condition` holds; `detail` is only made when it does not. */
export function hold(condition: boolean, invariant: InvariantName, detail: () => string): asserts condition {
  if (!condition) throw new InvariantViolation(invariant, detail())
}
