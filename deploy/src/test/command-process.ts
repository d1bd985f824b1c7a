/**
 * The `stratalog` command as tests run it: a real process from source, its input given, its output kept as bytes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

/** How a run ended and what it wrote. */
export interface CommandResult {
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Longest that a command run to its end may take; one that hangs must not hold the test's process. */
const RUN_TIMEOUT_MS = 120_000

/** What a run gets. */
export interface CommandInput {
  readonly bootstrap?: string
  readonly input?: Buffer | string
  readonly env?: Readonly<Record<string, string>>
}

/** Starts the command and leaves it running. */
export function startCommand(args: readonly string[], given: CommandInput = {}): ChildProcess {
  const { STRATALOG_BOOTSTRAP: _, ...env } = process.env
  return spawn(process.execPath, ['--conditions=typescript-source', MAIN, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...env,
      ...(given.bootstrap === undefined ? {} : { STRATALOG_BOOTSTRAP: given.bootstrap }),
      ...given.env,
    },
  })
}

/** Runs the command to its end. */
export async function runCommand(args: readonly string[], given: CommandInput = {}): Promise<CommandResult> {
  const child = startCommand(args, given)
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_TIMEOUT_MS)
  // A command that fails early closes its input while it is still being written.
  child.stdin?.on('error', () => {})
  child.stdin?.end(given.input ?? '')
  const [status] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return { status, stdout: Buffer.concat(stdout), stderr }
}

/** Resolves with everything on standard output once `pattern` is in it. Rejects when the process ends before. */
export async function waitForOutput(child: ChildProcess, pattern: RegExp): Promise<string> {
  let text = ''
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  return await new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (pattern.test(text)) resolve(text)
    })
    child.once('close', (status) => reject(new Error(`ended with ${status} before ${pattern}:\n${text}\n${errors}`)))
  })
}
