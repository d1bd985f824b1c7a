/**
 * A planted bug: source text of raft-ts, and what a mistake would have made of it.
 */

import type { SimOptions } from '../../testing/sim/index.ts'

/** One replacement; `find` occurs exactly once in the file. */
export interface Edit {
  /** Path below `src`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** One planted bug. */
export interface Mutant {
  readonly name: string
  /** Where such a bug was met: a system's issue, a section of the Raft paper (§) or dissertation, or this project's own. */
  readonly source: string
  readonly edits: readonly Edit[]
  /** Options that take the place of the drawn ones, for a bug that shows only in a corner. */
  readonly focus?: Focus
}

/** Options of the simulator that a hunt fixes. */
export type Focus = Partial<Omit<SimOptions, 'seed'>>

/** A planted bug of a single replacement. */
export function plant(name: string, source: string, file: string, find: string, replace: string): Mutant {
  return { name, source, edits: [{ file, find, replace }] }
}

/** Applies an edit. Throws when the text to be replaced is not there exactly once: the source has moved on. */
export function applyEdit(source: string, edit: Edit, mutant: string): string {
  const count = source.split(edit.find).length - 1
  if (count !== 1) throw new Error(`${mutant}: found ${count} times in ${edit.file}: ${edit.find}`)
  return source.replace(edit.find, () => edit.replace)
}
