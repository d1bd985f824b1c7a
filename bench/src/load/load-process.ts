/** Runs one load job in a process of its own, so that client, broker and bench do not share an event loop. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { LoadJob, LoadResult } from './job.ts'

const EXTENSION = import.meta.filename.slice(-3)

/** How a load process is run. */
export interface LoadProcessOptions {
  /** Flags of its Node, such as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[]
  /** Ends it, and the run fails. */
  readonly signal?: AbortSignal
}

/** @throws when the load fails: the figures of a run that lost a record do not exist */
export async function runLoad(job: LoadJob, options: LoadProcessOptions = {}): Promise<LoadResult> {
  const { nodeFlags = [], signal } = options
  signal?.throwIfAborted()
  const child = fork(join(import.meta.dirname, `main${EXTENSION}`), {
    execArgv: [...process.execArgv, ...nodeFlags],
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
  })
  const end = (): void => void child.kill('SIGKILL')
  signal?.addEventListener('abort', end)
  let result: LoadResult | null = null
  child.once('message', (message: LoadResult) => {
    result = message
  })
  child.send(job)
  const [status, killedBy] = await once(child, 'exit')
  signal?.removeEventListener('abort', end)
  if (result === null) throw new Error(`${job.kind} failed (${killedBy ?? `exit status ${status}`})`)
  return result
}

/** Runs jobs at the same time; when one fails the others are ended. @throws the first failure */
export async function runLoads(jobs: readonly LoadJob[], nodeFlags: readonly string[] = []): Promise<LoadResult[]> {
  const stop = new AbortController()
  const { signal } = stop
  const running = jobs.map(async (job) => {
    try {
      return await runLoad(job, { nodeFlags, signal })
    } catch (error) {
      stop.abort(error)
      throw error
    }
  })
  const settled = await Promise.allSettled(running)
  signal.throwIfAborted()
  return settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
}
