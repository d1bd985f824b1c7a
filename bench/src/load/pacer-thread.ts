/** The thread of a pacer: sleeps and posts, see pacer.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import { nowNs, type PacerPlan } from './pacer.ts'

const NS_PER_MS = 1e6

const { startNs, intervalNs, count } = workerData as PacerPlan
const never = new Int32Array(new SharedArrayBuffer(4))
for (let turn = 0; turn < count; turn++) {
  for (let left = startNs + turn * intervalNs - nowNs(); left > 0; left = startNs + turn * intervalNs - nowNs()) {
    Atomics.wait(never, 0, 0, left / NS_PER_MS)
  }
  parentPort?.postMessage(null)
}
