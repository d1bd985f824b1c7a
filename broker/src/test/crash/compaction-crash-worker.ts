/** Runs the crash suite of compaction in a worker thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { crashCompaction } from './compaction-crash-suite.ts'

parentPort?.postMessage(await crashCompaction(workerData as boolean))
