/**
 * Assertions that stay on in production.
 *
 * A broken invariant means that this process can no longer vouch for its data: the error is never caught and
 * turned into an answer; it stops the partition or the process that met it (STYLE: fail-stop).
 */

/** Thrown by {@link invariant}. Nobody catches it to continue. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/**
 * Throws {@link InvariantError} unless `condition` holds.
 *
 * @param detail text, or a function that makes it, called only on failure so that the hot path builds no strings.
 */
export function invariant(condition: boolean, detail: string | (() => string)): asserts condition {
  if (!condition) throw new InvariantError(typeof detail === 'string' ? detail : detail())
}
