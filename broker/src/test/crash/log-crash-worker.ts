/** Runs one task of the crash suite in a worker thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { type CrashTask, runCrashTask } from './log-crash-suite.ts'

parentPort?.postMessage(await runCrashTask(workerData as CrashTask))
