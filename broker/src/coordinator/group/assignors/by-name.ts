/** The assignors by name, and which one a group uses. */
import { ASSIGNOR_NAMES, type AssignorName } from '../group-limits.ts'
import type { Assignor } from './assignor.ts'
import { assignRange } from './range.ts'
import { assignUniform } from './uniform.ts'

/** All assignors. */
export const ASSIGNORS: Readonly<Record<AssignorName, Assignor>> = { uniform: assignUniform, range: assignRange }

/**
 * The one that most members ask for; of those asked for equally often the broker's default, else the first.
 *
 * @param wishes of each member; null = the default.
 */
export function mostAskedFor(wishes: Iterable<string | null>, byDefault: AssignorName): AssignorName {
  const votes: Record<AssignorName, number> = { uniform: 0, range: 0 }
  for (const wish of wishes) {
    const name = ASSIGNOR_NAMES.find((known) => known === wish) ?? byDefault
    votes[name]++
  }
  let best = byDefault
  for (const name of ASSIGNOR_NAMES) if (votes[name] > votes[best]) best = name
  return best
}
