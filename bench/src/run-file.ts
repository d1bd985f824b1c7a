/**
 * What a run leaves: one JSON file with the machine, the versions, the settings and the figures of every round, so that
 * runs can be compared later. Figures of different machines or hours are not comparable, ratios within a run are.
 */
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { arch, cpus, platform, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Counts up when the shape of the file changes. */
const SCHEMA = 2

/** A run to be kept. */
export interface Run {
  readonly scenario: string
  /**
   * What an acknowledgement means here: D2 = one copy, fsynced; D4 = a majority of copies, fsynced. Null where the
   * scenario measures no writes.
   */
  readonly durabilityClass: 'D2' | 'D4' | null
  readonly settings: unknown
  readonly rounds: unknown
}

/** Writes the run into `directory`. @returns the file's path. */
export async function writeRun(directory: string, run: Run): Promise<string> {
  await mkdir(directory, { recursive: true })
  const at = new Date().toISOString()
  const path = join(directory, `${run.scenario}-${at.replaceAll(':', '')}.json`)
  const content = { schema: SCHEMA, at, machine: machine(), versions: await versions(), ...run }
  await writeFile(path, `${JSON.stringify(content, null, 2)}\n`)
  return path
}

function machine(): object {
  return {
    platform: `${platform()}-${arch()}`,
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
  }
}

async function versions(): Promise<object> {
  const manifest: unknown = JSON.parse(await readFile(join(import.meta.dirname, '../package.json'), 'utf8'))
  const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : null
  return { stratalog: version, commit: await commit(), node: process.version, v8: process.versions.v8 }
}

/** The commit that is checked out, with `+` when files differ from it; null outside of a repository. */
async function commit(): Promise<string | null> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)('git', args, { cwd: import.meta.dirname })).stdout.trim()
  try {
    const hash = await git('rev-parse', '--short=12', 'HEAD')
    return (await git('status', '--porcelain', '--untracked-files=no')) === '' ? hash : `${hash}+`
  } catch {
    return null
  }
}
