/**
 * Calls back at fixed moments, more exactly than timers, which know whole milliseconds only, and without keeping a core
 * busy: a thread of its own sleeps until the next moment and posts a message. A late call is followed by those that
 * were missed, at once.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const EXTENSION = import.meta.filename.slice(-3)

/** What the thread is told. */
export interface PacerPlan {
  /** Of `nowNs`: when the first call is due. */
  readonly startNs: number
  readonly intervalNs: number
  readonly count: number
}

/** Monotonic time that all processes of this machine share, in ns. */
export function nowNs(): number {
  return Number(process.hrtime.bigint())
}

/** Resolves after the last call. Rejects when the thread fails or `onTurn` throws. */
export async function pace(plan: PacerPlan, onTurn: () => void): Promise<void> {
  const worker = new Worker(new URL(`./pacer-thread${EXTENSION}`, import.meta.url), { workerData: plan })
  const failed = new Promise<never>((_, reject) => {
    worker.on('message', () => {
      try {
        onTurn()
      } catch (error) {
        reject(error)
      }
    })
  })
  try {
    await Promise.race([once(worker, 'exit'), failed])
  } finally {
    await worker.terminate()
  }
}
