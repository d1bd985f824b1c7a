/** A client in a process of its own: no fault of a broker takes it along, and no load of it slows the run. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ClientJob, ClientNews, ClientOrder } from './job.ts'

const EXTENSION = import.meta.filename.slice(-3)

/** See the file's header. */
export class ClientProcess {
  readonly name: string
  /** Resolves with the counts that the client ended with. Errors: what it failed with; it ended without a word. */
  readonly done: Promise<Readonly<Record<string, number>>>
  readonly #child: ChildProcess
  #gapId = 0

  private constructor(name: string, child: ChildProcess) {
    this.name = name
    this.#child = child
    this.done = new Promise((resolve, reject) => {
      child.on('message', (news: ClientNews) => {
        if (news.kind === 'done') resolve(news.notes)
        else if (news.kind === 'failed') reject(new Error(`${name} failed: ${news.message}`))
      })
      child.once('exit', (status, signal) => reject(new Error(`${name} ended with ${signal ?? `status ${status}`}`)))
    })
    this.done.catch(() => {})
  }

  /** Starts the client; resolves when it is at work. */
  static async start(name: string, job: ClientJob, logPath: string): Promise<ClientProcess> {
    mkdirSync(dirname(logPath), { recursive: true })
    const log = openSync(logPath, 'a')
    const child = fork(join(import.meta.dirname, `client-main${EXTENSION}`), {
      execArgv: process.execArgv,
      stdio: ['ignore', log, log, 'ipc'],
    })
    closeSync(log)
    const client = new ClientProcess(name, child)
    const started = new Promise<void>((resolve) => {
      child.on('message', (news: ClientNews) => {
        if (news.kind === 'started') resolve()
      })
    })
    client.#order({ kind: 'start', job })
    await Promise.race([started, client.done])
    return client
  }

  /** Ends it in order. Errors: as {@link done}. */
  stop(): Promise<Readonly<Record<string, number>>> {
    this.#order({ kind: 'stop' })
    return this.done
  }

  /** Probe: the longest gap since the last call, and the codes of values that failed since. */
  async gap(): Promise<{ readonly gapMs: number; readonly errorCodes: readonly string[] }> {
    const id = this.#gapId++
    const answer = new Promise<{ gapMs: number; errorCodes: readonly string[] }>((resolve) => {
      const listener = (news: ClientNews): void => {
        if (news.kind !== 'gap' || news.id !== id) return
        this.#child.off('message', listener)
        resolve(news)
      }
      this.#child.on('message', listener)
    })
    this.#order({ kind: 'gap', id })
    return Promise.race([answer, this.done.then(() => Promise.reject(new Error(`${this.name} has ended`)))])
  }

  /** SIGSTOP. */
  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  /** SIGCONT. */
  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #order(order: ClientOrder): void {
    if (this.#child.connected) this.#child.send(order, () => {})
  }
}
