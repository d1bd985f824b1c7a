/** Plants one bug and lets the simulation hunt for it, in a child process. */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { applyEdit, type Mutant } from './mutant.ts'

const BROKER = new URL('../../../../broker/src/', import.meta.url)

/** A run of one seed that takes longer than this is stuck, which counts as caught. */
const STUCK_MS = 120_000

/** What came of one planted bug. */
export interface Hunt {
  readonly mutant: Mutant
  /** Name of the violated invariant; `stuck` or `exception` when it did not get that far; null when not caught. */
  readonly invariant: string | null
  /** Seed that caught it, or the last one that was tried. */
  readonly seed: number
  readonly seconds: number
  readonly detail: string
}

/** Checks that every edit of a mutant still fits the sources. Throws an Error that names the first that does not. */
export async function checkMutant(mutant: Mutant): Promise<void> {
  const texts = new Map<string, string>()
  for (const edit of mutant.edits) {
    const text = texts.get(edit.file) ?? (await readFile(new URL(edit.file, BROKER), 'utf8'))
    texts.set(edit.file, applyEdit(text, edit, mutant.name))
  }
}

/** Plants the bug and hunts for it, for at most `budgetMs`. */
export async function huntMutant(mutant: Mutant, budgetMs: number): Promise<Hunt> {
  const startMs = Date.now()
  const planted = new URL('./planted.ts', import.meta.url).href
  const script = fileURLToPath(new URL('./hunt.ts', import.meta.url))
  const args = ['--conditions=typescript-source', '--import', planted, script, JSON.stringify(mutant.focus ?? {})]
  const env = { ...process.env, STRATALOG_MUTANT: mutant.name, NODE_OPTIONS: '' }
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  let seed = 0
  let invariant: string | null = null
  let detail = ''
  let killed = false
  const stop = (why: string | null): void => {
    invariant = why
    killed = true
    child.kill('SIGKILL')
  }
  const budget = setTimeout(() => stop(null), budgetMs)
  let stuck = setTimeout(() => stop('stuck'), STUCK_MS)
  const complaints: Buffer[] = []
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk))
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  for await (const line of createInterface({ input: child.stdout })) {
    const news: { seed: number; invariant?: string; detail?: string } = JSON.parse(line)
    seed = news.seed
    invariant = news.invariant ?? null
    detail = news.detail ?? ''
    clearTimeout(stuck)
    stuck = setTimeout(() => stop('stuck'), STUCK_MS)
  }
  const status = await ended
  clearTimeout(budget)
  clearTimeout(stuck)
  if (status !== 0 && !killed) throw new Error(`${mutant.name} did not run: ${Buffer.concat(complaints).toString()}`)
  return { mutant, invariant, seed, seconds: (Date.now() - startMs) / 1000, detail }
}
