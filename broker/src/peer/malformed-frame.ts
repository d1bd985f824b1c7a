/**
 * How the decoders leave off in the middle: thrown inside the codec only, and turned into an outcome at its edge.
 */

/** Bytes from a peer that mean nothing. */
export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame'
}

/** Refuses unless `condition` holds. @param reason a clause without a full stop. */
export function wellFormed(condition: boolean, reason: string | (() => string)): asserts condition {
  if (!condition) throw new MalformedFrame(typeof reason === 'string' ? reason : reason())
}
