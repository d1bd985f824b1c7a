/** Runs one load job in a process of its own, so that client, broker and bench do not share an event loop. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { LoadJob, LoadResult } from './job.ts'

const EXTENSION = import.meta.filename.slice(-3)

/**
 * @param nodeFlags flags of the process's Node, such as `--cpu-prof`
 * @throws when the load fails: the figures of a run that lost a record do not exist
 */
export async function runLoad(job: LoadJob, nodeFlags: readonly string[] = []): Promise<LoadResult> {
  const child = fork(join(import.meta.dirname, `main${EXTENSION}`), {
    execArgv: [...process.execArgv, ...nodeFlags],
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
  })
  let result: LoadResult | null = null
  child.once('message', (message: LoadResult) => {
    result = message
  })
  child.send(job)
  const [status] = await once(child, 'exit')
  if (result === null) throw new Error(`${job.kind} failed (exit status ${status})`)
  return result
}
