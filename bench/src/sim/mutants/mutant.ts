/** A planted bug: source text of the broker, and what a mistake would have made of it. */
import type { BrokerSimOptions } from '@stratalog/broker/simulation'

/** One replacement; `find` occurs exactly once in the file. */
export interface Edit {
  /** Path below `broker/src`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** One planted bug. */
export interface Mutant {
  readonly name: string
  /** Where such a bug was met: a system's issue, or this project's own. */
  readonly source: string
  readonly edits: readonly Edit[]
  /** Options that take the place of the drawn ones, for a bug that shows only in a corner. */
  readonly focus?: Partial<Omit<BrokerSimOptions, 'seed'>>
}

/** A planted bug of a single replacement. */
export function plant(
  name: string,
  source: string,
  file: string,
  find: string,
  replace: string,
  focus: Mutant['focus'] = {},
): Mutant {
  return { name, source, edits: [{ file, find, replace }], focus }
}

/** Applies an edit. Throws when the text to be replaced is not there exactly once: the source has moved on. */
export function applyEdit(source: string, edit: Edit, mutant: string): string {
  const count = source.split(edit.find).length - 1
  if (count !== 1) throw new Error(`${mutant}: found ${count} times in ${edit.file}: ${edit.find}`)
  return source.replace(edit.find, () => edit.replace)
}
