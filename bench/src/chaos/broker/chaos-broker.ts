/**
 * One broker of a failure run: a process that is started, killed, paused and told of its disk, any number of times.
 *
 * Invariant: at most one process runs for it. An end that nobody asked for is told to `onUnexpectedEnd`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DiskFaults, PowerLossReport } from '@stratalog/broker/testing'
import type { BrokerNews, BrokerOrder, BrokerSpec } from './broker-messages.ts'

/** What stays the same over all its starts. */
export interface ChaosBrokerOptions {
  readonly brokerId: number
  readonly dataDir: string
  readonly logPath: string
  /** `host:port` for clients. */
  readonly address: string
  readonly settings: Readonly<Record<string, string>>
  /** Whether the disk of the process that starts now loses at a power cut what is not synced. */
  readonly isNextLossy: () => boolean
  /** Longest time from start to ready, ms. */
  readonly startTimeoutMs: number
  /** A sentence about an end that nobody asked for. */
  readonly onUnexpectedEnd: (sentence: string) => void
}

/** What the process does. */
export type BrokerState = 'running' | 'paused' | 'down'

const STOP_TIMEOUT_MS = 30_000
const EXTENSION = import.meta.filename.slice(-3)

/** See the file's header. */
export class ChaosBroker {
  readonly options: ChaosBrokerOptions
  #child: ChildProcess | null = null
  #state: BrokerState = 'down'
  #diskFaults: DiskFaults = {}
  /** The next end of the process is wanted. */
  #endExpected = false

  constructor(options: ChaosBrokerOptions) {
    this.options = options
  }

  get brokerId(): number {
    return this.options.brokerId
  }

  get state(): BrokerState {
    return this.#state
  }

  /** Process id; null while it is down. */
  get pid(): number | null {
    return this.#state === 'down' ? null : (this.#child?.pid ?? null)
  }

  /** Starts the process and resolves when it serves; does nothing when it runs. Errors: it failed, or took too long. */
  async start(): Promise<void> {
    if (this.#state !== 'down') return
    const child = this.#spawn()
    const ended = once(child, 'exit').then(([status, signal]) => `ended with ${signal ?? `status ${status}`}`)
    const timeout = new AbortController()
    const late = once(
      AbortSignal.any([AbortSignal.timeout(this.options.startTimeoutMs), timeout.signal]),
      'abort',
    ).then(() => `is not ready after ${this.options.startTimeoutMs} ms`)
    const outcome = await Promise.race([news(child, 'ready', 'failed'), ended, late])
    timeout.abort()
    if (typeof outcome !== 'string' && outcome.kind === 'ready') return
    await this.kill()
    const what = typeof outcome === 'string' ? outcome : outcome.kind === 'failed' ? outcome.message : outcome.kind
    throw new Error(`broker ${this.brokerId} ${what}; its log is ${this.options.logPath}`)
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#end((child) => child.kill('SIGKILL'))
  }

  /** SIGTERM and wait. Errors: it did not end in time. */
  async stop(): Promise<void> {
    this.resume()
    let isLate = false
    await this.#end((child) => {
      child.kill('SIGTERM')
      const timer = setTimeout(() => {
        isLate = true
        child.kill('SIGKILL')
      }, STOP_TIMEOUT_MS)
      child.once('exit', () => clearTimeout(timer))
    })
    if (isLate) throw new Error(`broker ${this.brokerId} did not stop in ${STOP_TIMEOUT_MS} ms`)
  }

  pause(): void {
    if (this.#state !== 'running') return
    this.#child?.kill('SIGSTOP')
    this.#state = 'paused'
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#child?.kill('SIGCONT')
    this.#state = 'running'
  }

  /** Sets what is wrong with its disk, at once and for later starts. */
  async setDisk(faults: DiskFaults): Promise<void> {
    this.#diskFaults = faults
    const child = this.#child
    if (this.#state !== 'running' || child === null) return
    const set = news(child, 'disk-set')
    this.#order(child, { kind: 'disk', faults })
    await Promise.race([set, once(child, 'exit')])
  }

  /** Cuts its power; resolves when the process is gone, with what it lost. */
  async losePower(seed: number): Promise<PowerLossReport | null> {
    let report: PowerLossReport | null = null
    await this.#end((child) => {
      child.on('message', (message: BrokerNews) => {
        if (message.kind === 'power-lost') report = message.report
      })
      this.#order(child, { kind: 'power-loss', seed })
    })
    return report
  }

  /** From now on its process may end without being asked to, as after a failed fsync. */
  mayEnd(may: boolean): void {
    this.#endExpected = may
  }

  #spawn(): ChildProcess {
    const { options } = this
    mkdirSync(dirname(options.logPath), { recursive: true })
    const log = openSync(options.logPath, 'a')
    const atticDir = options.isNextLossy() ? `${options.dataDir}.attic` : null
    const spec: BrokerSpec = { settings: options.settings, atticDir, diskFaults: this.#diskFaults }
    const main = fileURLToPath(new URL(`./broker-main${EXTENSION}`, import.meta.url))
    const conditions = EXTENSION === '.ts' ? ['--conditions=typescript-source'] : []
    const child = spawn(process.execPath, [...conditions, main, JSON.stringify(spec)], {
      stdio: ['ignore', 'ignore', log, 'ipc'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    })
    closeSync(log)
    this.#child = child
    this.#state = 'running'
    this.#endExpected = false
    child.once('exit', (status, signal) => {
      this.#state = 'down'
      if (this.#endExpected) return
      options.onUnexpectedEnd(`broker ${this.brokerId} ended with ${signal ?? `status ${status}`}`)
    })
    child.on('error', (error) => options.onUnexpectedEnd(`broker ${this.brokerId}: ${error.message}`))
    return child
  }

  async #end(how: (child: ChildProcess) => void): Promise<void> {
    const child = this.#child
    if (this.#state === 'down' || child === null) return
    this.#endExpected = true
    const exited = once(child, 'exit')
    how(child)
    await exited
  }

  #order(child: ChildProcess, order: BrokerOrder): void {
    if (child.connected) child.send(order, () => {})
  }
}

/** The next message of one of these kinds. */
function news(child: ChildProcess, ...kinds: BrokerNews['kind'][]): Promise<BrokerNews> {
  return new Promise((resolve) => {
    const listener = (message: BrokerNews): void => {
      if (!kinds.includes(message.kind)) return
      child.off('message', listener)
      resolve(message)
    }
    child.on('message', listener)
  })
}
