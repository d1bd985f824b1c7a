/**
 * `npm test`: every check of the repository, then every test, then one line that says how many passed and failed.
 *
 * Tests run from source, a process per file, as many at once as there are cores. A check counts as one test. With
 * `--quick` only unit tests run (beside their files, not those of `test/` folders). Further arguments choose test files
 * whose path contains one of them, and leave the checks out.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type Outcome, runTestFile } from './test-file.ts'
import { ROOT, readTree } from './tidy/source-tree.ts'

/** Longest that one test file may take, in ms. */
const FILE_TIMEOUT_MS = 300_000

const CHECKS: readonly { readonly name: string; readonly args: readonly string[] }[] = [
  { name: 'generated code is current', args: ['proto/generate.mjs', '--check'] },
  { name: 'lint and format', args: ['node_modules/@biomejs/biome/bin/biome', 'ci', '--colors=off', '.'] },
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '-b'] },
]

/** Runs a check; its output is shown only when it fails. */
async function runCheck(name: string, args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const keep = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}`)
  if (status === 0) return { passed: 1, failed: 0, skipped: 0 }
  console.log(output.trimEnd())
  return { passed: 0, failed: 1, skipped: 0 }
}

/** Runs test files, a few at a time, and prints a line for each as it ends and its failures under it. */
async function runTestFiles(files: readonly string[]): Promise<Outcome[]> {
  const waiting = files.values()
  const outcomes: Outcome[] = []
  const work = async (): Promise<void> => {
    for (const file of waiting) {
      const result = await runTestFile(join(ROOT, file), FILE_TIMEOUT_MS)
      const skipped = result.skipped === 0 ? '' : `, ${result.skipped} skipped`
      const failed = result.failed === 0 ? '' : `, ${result.failed} failed`
      const seconds = (result.durationMs / 1000).toFixed(1)
      console.log(
        `${failed === '' ? 'ok    ' : 'FAILED'} ${file} (${result.passed} passed${failed}${skipped}, ${seconds} s)`,
      )
      for (const failure of result.failures) console.log(failure.replace(/^/gm, '  '))
      outcomes.push(result)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return outcomes
}

// Tests start hundreds of processes from the same sources: what the first has compiled the others load.
process.env['NODE_COMPILE_CACHE'] ??= join(ROOT, 'node_modules', '.cache', 'compiled')

const args = process.argv.slice(2)
const quick = args.includes('--quick')
const chosen = args.filter((arg) => !arg.startsWith('--'))
const files = readTree(['.test.ts', '.test.mjs'])
  .map(({ path }) => path)
  .filter((path) => !(quick && path.includes('/test/')))
  .filter((path) => chosen.length === 0 || chosen.some((part) => path.includes(part)))

const outcomes: Outcome[] = []
if (chosen.length === 0) for (const check of CHECKS) outcomes.push(await runCheck(check.name, check.args))
outcomes.push(...(await runTestFiles(files)))

const sum = (field: keyof Outcome): number => outcomes.reduce((total, outcome) => total + outcome[field], 0)
const skipped = sum('skipped') === 0 ? '' : `, ${sum('skipped')} skipped`
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed${skipped}`)
process.exitCode = sum('failed') === 0 && sum('passed') > 0 ? 0 : 1
