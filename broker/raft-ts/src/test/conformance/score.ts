/**
 * Runs the conformance scripts and counts: *semantic* leaves out the library's own log lines, which are etcd's wording;
 * *strict* compares every byte.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfChangeSuite } from './confchange-suite.ts'
import { type Directive, parseScript } from './datadriven.ts'
import { InteractionSuite } from './interaction-suite.ts'
import { runQuorum } from './quorum-suite.ts'

/** A directive whose output differs in more than log lines. */
export interface Failure {
  readonly script: string
  readonly line: number
  readonly command: string
  readonly expected: string
  readonly actual: string
}

/** What came of a run. */
export interface Score {
  readonly scripts: number
  readonly directives: number
  readonly semantic: number
  readonly strict: number
  readonly failures: readonly Failure[]
}

const BESIDE_CHECKOUT = '../../../../../../shared/raft-conformance'

/** Where the scripts are: named by RAFT_CONFORMANCE_DIR, or beside the checkout; null when they are not at hand. */
export function scriptsDirectory(): string | null {
  const named = process.env['RAFT_CONFORMANCE_DIR']
  const directory = named ?? fileURLToPath(new URL(BESIDE_CHECKOUT, import.meta.url))
  return existsSync(join(directory, 'interaction')) ? directory : null
}

/** Runs every script, or those whose name contains `filter`; `onInexact` hears of what is not equal to the byte. */
export function runScripts(directory: string, filter = '', onInexact: (failure: Failure) => void = () => {}): Score {
  const failures: Failure[] = []
  let [scripts, directives, semantic, strict] = [0, 0, 0, 0]
  for (const folder of ['quorum', 'confchange', 'interaction']) {
    for (const file of readdirSync(join(directory, folder))
      .filter((name) => name.endsWith('.txt'))
      .sort()) {
      if (!file.includes(filter)) continue
      scripts++
      const run = suiteOf(folder)
      for (const directive of parseScript(readFileSync(join(directory, folder, file), 'utf8'))) {
        directives++
        const actual = attempt(run, directive)
        if (trimmed(actual) === trimmed(directive.expected)) strict++
        else onInexact({ ...directive, script: `${folder}/${file}`, actual })
        if (withoutLog(actual) === withoutLog(directive.expected)) semantic++
        else failures.push({ ...directive, script: `${folder}/${basename(file)}`, actual })
      }
    }
  }
  return { scripts, directives, semantic, strict, failures }
}

function attempt(run: (directive: Directive) => string, directive: Directive): string {
  try {
    return run(directive)
  } catch (error) {
    return `threw ${error instanceof Error ? error.stack : String(error)}`
  }
}

function suiteOf(folder: string): (directive: Directive) => string {
  if (folder === 'quorum') return runQuorum
  if (folder === 'confchange') {
    const suite = new ConfChangeSuite()
    return (directive) => suite.run(directive)
  }
  const suite = new InteractionSuite()
  return (directive) => suite.run(directive)
}

/** Log lines are dropped, and with them the difference between "only log lines" and "ok". */
function withoutLog(text: string): string {
  const lines = text.split('\n').filter((line) => !/^\s*(DEBUG|INFO|WARN|ERROR) /.test(line))
  const rest = trimmed(lines.join('\n'))
  return rest === '' ? 'ok' : rest
}

function trimmed(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trim()
}
