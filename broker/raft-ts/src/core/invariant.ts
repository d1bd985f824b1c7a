/**
 * Assertions that stay on in production.
 *
 * A broken invariant means that this replica can no longer vouch for its log: the error is never caught to continue, the
 * shell stops the group. Bad *input* never ends here; it is refused with a typed result.
 */

/** Thrown by {@link invariant}. Nobody catches it to continue. */
export class RaftInvariantError extends Error {
  override readonly name = 'RaftInvariantError'
}

/**
 * Throws {@link RaftInvariantError} unless `condition` holds.
 *
 * @param detail text, or a function that makes it: called only on failure, so that the hot path builds no strings.
 */
export function invariant(condition: boolean, detail: string | (() => string)): asserts condition {
  if (!condition) throw new RaftInvariantError(typeof detail === 'string' ? detail : detail())
}
