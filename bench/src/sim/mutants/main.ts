/**
 * `pnpm mutants --broker`: plants every bug in turn and prints which invariant catches it. Exits with 1 if one is not caught.
 *
 * Arguments: names of mutants (default: all), `--minutes M` for each (default 5), `--jobs N` at a time (default 2),
 * `--write` to put the table into the page.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { MUTANTS } from './catalogue.ts'
import { replaceReport, reportOf } from './report.ts'
import { checkMutant, type Hunt, huntMutant } from './runner.ts'

const PAGE = new URL('../../../../docs/simulation.md', import.meta.url)

async function main(argv: readonly string[]): Promise<number> {
  const names = argv.filter((word, i) => !word.startsWith('--') && !TAKES_VALUE.has(argv[i - 1] ?? ''))
  const minutes = numberAfter(argv, '--minutes', 5)
  const unknown = names.filter((name) => !MUTANTS.some((mutant) => mutant.name === name))
  if (unknown.length > 0) throw new Error(`no such mutant: ${unknown.join(', ')}`)
  const mutants = names.length === 0 ? MUTANTS : MUTANTS.filter(({ name }) => names.includes(name))
  for (const mutant of mutants) await checkMutant(mutant)
  const hunts: Hunt[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < mutants.length) {
      const at = next++
      const hunt = await huntMutant(mutants[at]!, minutes * 60_000)
      hunts[at] = hunt
      const outcome = hunt.invariant === null ? 'NOT CAUGHT' : hunt.detail || hunt.invariant
      console.log(`${hunt.mutant.name}: seed ${hunt.seed}, ${hunt.seconds.toFixed(1)} s: ${outcome.slice(0, 200)}`)
    }
  }
  await Promise.all(Array.from({ length: numberAfter(argv, '--jobs', 2) }, work))
  const report = reportOf(hunts, minutes)
  console.log(report)
  if (argv.includes('--write')) await writeFile(PAGE, replaceReport(await readFile(PAGE, 'utf8'), report))
  return hunts.every(({ invariant }) => invariant !== null) ? 0 : 1
}

const TAKES_VALUE: ReadonlySet<string> = new Set(['--minutes', '--jobs'])

function numberAfter(argv: readonly string[], name: string, fallback: number): number {
  const at = argv.indexOf(name)
  if (at === -1) return fallback
  const value = Number(argv[at + 1])
  if (!(value > 0)) throw new Error(`${name} takes a number above 0`)
  return value
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: Error) => {
    console.error(error.message)
    process.exitCode = 2
  },
)
