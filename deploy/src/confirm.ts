/**
 * Asks before what cannot be undone: on a terminal the name of the thing must be typed, elsewhere `--yes` is needed.
 */
import { createInterface } from 'node:readline/promises'
import { usageError } from './command-error.ts'

/** What is about to be done. */
export interface Danger {
  /** What will happen, as a sentence, such as `This deletes all records of x.` */
  readonly warning: string
  /** What must be typed. */
  readonly name: string
  /** What will not have happened, such as `topic x was not deleted`. */
  readonly refusal: string
}

/** Resolves when it may be done. Errors: `USAGE`. @param yes whether `--yes` was given. */
export async function confirm(danger: Danger, yes: boolean): Promise<void> {
  if (yes) return
  const { warning, name, refusal } = danger
  if (!process.stdin.isTTY) throw usageError(refusal, 'add --yes to do it without being asked')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await terminal.question(`${warning} Type ${name} to go on: `)
  terminal.close()
  if (answer.trim() !== name) throw usageError(refusal, `what was typed is not ${name}`)
}
