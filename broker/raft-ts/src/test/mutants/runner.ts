/**
 * Plants one bug into a copy of raft-ts's sources and lets the simulator hunt for it in a child process.
 */
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { applyEdit, type Mutant } from './mutant.ts'

const SOURCE = fileURLToPath(new URL('../../', import.meta.url))

/** A run of one seed that takes longer than this is stuck, which counts as caught. */
const STUCK_MS = 60_000

/** What came of one planted bug. */
export interface Hunt {
  readonly mutant: Mutant
  /** Name of the violated invariant; `stuck` or `exception` when the copy did not get that far; null when not caught. */
  readonly invariant: string | null
  /** Seed that caught it, or the last one that was tried. */
  readonly seed: number
  readonly seconds: number
  readonly detail: string
}

/** Checks that every edit of a mutant still fits the sources. Throws an Error that names the first that does not. */
export async function checkMutant(mutant: Mutant): Promise<void> {
  await mutate(mutant, async () => undefined)
}

async function mutate(mutant: Mutant, write: (file: string, text: string) => Promise<void>): Promise<void> {
  const texts = new Map<string, string>()
  for (const edit of mutant.edits) {
    const text = texts.get(edit.file) ?? (await readFile(join(SOURCE, edit.file), 'utf8'))
    texts.set(edit.file, applyEdit(text, edit, mutant.name))
  }
  for (const [file, text] of texts) await write(file, text)
}

/** Plants the bug and hunts for it, for at most `budgetMs`. */
export async function huntMutant(mutant: Mutant, budgetMs: number): Promise<Hunt> {
  const folder = await mkdtemp(join(tmpdir(), 'raft-mutant-'))
  try {
    for (const part of ['core', 'testing', 'test/mutants', 'raw-node.ts', 'memory-storage.ts', 'index.ts']) {
      await cp(join(SOURCE, part), join(folder, part), { recursive: true })
    }
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await mutate(mutant, (file, text) => writeFile(join(folder, file), text))
    return await runHunt(mutant, join(folder, 'test/mutants/hunt.ts'), budgetMs)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runHunt(mutant: Mutant, script: string, budgetMs: number): Promise<Hunt> {
  const startMs = Date.now()
  const child = spawn(process.execPath, [script, JSON.stringify(mutant.focus ?? {})], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let seed = 0
  let invariant: string | null = null
  let detail = ''
  const stop = (why: string | null): void => {
    invariant = why
    child.kill('SIGKILL')
  }
  const budget = setTimeout(() => stop(null), budgetMs)
  let stuck = setTimeout(() => stop('stuck'), STUCK_MS)
  for await (const line of createInterface({ input: child.stdout })) {
    const news: { seed: number; invariant?: string; detail?: string } = JSON.parse(line)
    seed = news.seed
    invariant = news.invariant ?? null
    detail = news.detail ?? ''
    clearTimeout(stuck)
    stuck = setTimeout(() => stop('stuck'), STUCK_MS)
  }
  clearTimeout(budget)
  clearTimeout(stuck)
  return { mutant, invariant, seed, seconds: (Date.now() - startMs) / 1000, detail }
}
