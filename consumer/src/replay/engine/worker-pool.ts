/**
 * The worker threads of a replay: each takes the next split when it is done with one, so that none waits for a slow one.
 *
 * Invariant: splits are given out in the order that they came in. The first failure ends the run, as `readSplit` has tried
 * again already what may pass: what is under way is stopped and discarded.
 * Owner: one replay; `close` ends the threads.
 */
import { Worker } from 'node:worker_threads'
import { StratalogError } from '@stratalog/proto'
import type { ReplaySplit } from '../manifest.ts'
import {
  type FromWorker,
  fromPlainError,
  type SplitCounts,
  type SplitResult,
  type ToWorker,
  type WorkerSetup,
} from './thread-messages.ts'

/** Longest that a thread may take to stop by itself. */
const STOP_TIMEOUT_MS = 10_000
const EXTENSION = import.meta.filename.slice(-3)

/** What the pool tells. All are called in the main thread. */
export interface PoolListeners {
  progress(splitId: string, counts: SplitCounts, position: number): void
  /** Bytes of a split, in order; `taken` gives the worker its credit back. */
  chunk(splitId: string, bytes: Buffer, taken: () => void): void
  done(result: SplitResult): void
}

/** Options of a pool. */
export interface PoolOptions {
  readonly setup: WorkerSetup
  /** 1..; no more threads than splits are started. */
  readonly threadCount: number
  /** Whether the first split begins a stream: later ones, and those of a resume, go on with it. */
  readonly firstHasHeader: boolean
}

interface Thread {
  readonly worker: Worker
  split: ReplaySplit | null
}

/** See the file's header. */
export class WorkerPool {
  readonly #options: PoolOptions
  readonly #waiting: ReplaySplit[]
  readonly #listeners: PoolListeners
  readonly #threads = new Set<Thread>()
  readonly #finished: Promise<void>
  readonly #failure: Promise<never>
  #resolve: () => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #leftCount: number
  #isFirst: boolean
  #isClosing = false

  /** Starts the threads. */
  constructor(options: PoolOptions, splits: readonly ReplaySplit[], listeners: PoolListeners) {
    this.#options = options
    this.#listeners = listeners
    this.#waiting = [...splits]
    this.#leftCount = splits.length
    this.#isFirst = options.firstHasHeader
    this.#failure = new Promise((_, reject) => {
      this.#reject = reject
    })
    const done = new Promise<void>((resolve) => {
      this.#resolve = resolve
    })
    this.#finished = Promise.race([done, this.#failure])
    this.#failure.catch(() => {})
    this.#finished.catch(() => {})
    if (splits.length === 0) this.#resolve()
    for (let index = 0; index < Math.min(options.threadCount, splits.length); index++) this.#start()
  }

  /** Resolves when every split is done. Rejects with the first failure. */
  get finished(): Promise<void> {
    return this.#finished
  }

  /** Never resolves; rejects with the first failure, also one that comes after the last split. */
  get failed(): Promise<never> {
    return this.#failure
  }

  /** Ends the run with an error, from the main thread's side. */
  fail(error: unknown): void {
    this.#reject(error)
  }

  /** Stops what is under way and ends the threads. */
  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.all([...this.#threads].map((thread) => this.#end(thread)))
  }

  #start(): void {
    const worker = new Worker(new URL(`./worker-main${EXTENSION}`, import.meta.url), {
      workerData: this.#options.setup,
      name: 'stratalog-replay',
    })
    const thread: Thread = { worker, split: null }
    this.#threads.add(thread)
    worker.on('message', (message: FromWorker) => this.#receive(thread, message))
    worker.once('error', (error) => this.#lost(thread, error))
    worker.once('exit', () => {
      this.#threads.delete(thread)
      if (!this.#isClosing) this.#lost(thread, null)
    })
  }

  #receive(thread: Thread, message: FromWorker): void {
    if (this.#isClosing) return
    switch (message.type) {
      case 'ready':
        this.#giveNext(thread)
        break
      case 'progress':
        this.#listeners.progress(message.splitId, message.counts, message.position)
        break
      case 'chunk': {
        const { buffer, byteOffset, byteLength } = message.bytes
        const taken = (): void => tell(thread, { type: 'credit', bytes: byteLength })
        this.#listeners.chunk(message.splitId, Buffer.from(buffer, byteOffset, byteLength), taken)
        break
      }
      case 'done':
        this.#done(thread, message.result)
        break
      case 'failed':
        thread.split = null
        this.#reject(fromPlainError(message.error))
    }
  }

  #done(thread: Thread, result: SplitResult): void {
    thread.split = null
    try {
      this.#listeners.done(result)
    } catch (error) {
      this.#reject(error)
      return
    }
    this.#leftCount--
    if (this.#leftCount === 0) this.#resolve()
    this.#giveNext(thread)
  }

  #giveNext(thread: Thread): void {
    const split = this.#waiting.shift()
    if (split === undefined) return
    thread.split = split
    tell(thread, { type: 'split', split, withHeader: this.#isFirst })
    this.#isFirst = false
  }

  #lost({ split }: Thread, cause: unknown): void {
    const during = split === null ? '' : ` while it read ${split.id}`
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    this.#reject(new StratalogError('WORKER_FAILED', `a worker thread ended${during}${why}`, { cause }))
  }

  async #end({ worker }: Thread): Promise<void> {
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.postMessage({ type: 'stop' } satisfies ToWorker)
    const timer = setTimeout(() => void worker.terminate(), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }
}

function tell({ worker }: Thread, message: ToWorker): void {
  worker.postMessage(message)
}
