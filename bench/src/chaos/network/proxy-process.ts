/** The proxy in a process of its own, so that a busy run does not slow the brokers' links. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { ProxyTarget } from './fault-proxy.ts'
import type { LinkFault } from './link-rules.ts'
import type { ProxyOrder } from './proxy-main.ts'

const EXTENSION = import.meta.filename.slice(-3)

/** One order at a time. */
export class ProxyProcess {
  readonly #child: ChildProcess
  #last: Promise<unknown> = Promise.resolve()
  #faults: readonly LinkFault[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Starts it; `ports` are the proxy's, by broker id. */
  static async start(
    targets: readonly ProxyTarget[],
  ): Promise<{ readonly proxy: ProxyProcess; readonly ports: Readonly<Record<number, number>> }> {
    const child = fork(join(import.meta.dirname, `proxy-main${EXTENSION}`), { execArgv: process.execArgv })
    const proxy = new ProxyProcess(child)
    return { proxy, ports: await proxy.#order({ kind: 'listen', targets }) }
  }

  /** Rules in force. */
  get faults(): readonly LinkFault[] {
    return this.#faults
  }

  /** Replaces all rules; resolves when they hold. */
  async setRules(faults: readonly LinkFault[]): Promise<void> {
    this.#faults = faults
    await this.#order({ kind: 'rules', faults })
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }

  #order(order: ProxyOrder): Promise<Record<number, number>> {
    const answered = this.#last.then(async () => {
      const answer = once(this.#child, 'message')
      const gone = once(this.#child, 'exit').then(() => Promise.reject(new Error('the proxy process has ended')))
      gone.catch(() => {})
      this.#child.send(order)
      const [message] = (await Promise.race([answer, gone])) as [{ ports: Record<number, number> }]
      return message.ports
    })
    this.#last = answered.catch(() => {})
    return answered
  }
}
