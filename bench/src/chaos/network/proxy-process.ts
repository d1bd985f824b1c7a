/** The proxy in a process of its own, so that a busy run does not slow the brokers' links. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { ProxyTarget } from './fault-proxy.ts'
import type { LinkFault } from './link-rules.ts'
import type { ProxyOrder } from './proxy-main.ts'

const EXTENSION = import.meta.filename.slice(-3)

type Ports = Readonly<Record<number, number>>

/** See the file's header. Orders are answered in their order. */
export class ProxyProcess {
  readonly #child: ChildProcess
  #waiting: { readonly resolve: (ports: Ports) => void; readonly reject: (error: Error) => void }[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', ({ ports }: { ports: Ports }) => this.#waiting.shift()?.resolve(ports))
    child.once('exit', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the proxy process has ended'))
    })
  }

  /** Starts it; `ports` are the proxy's, by broker id. */
  static async start(
    targets: readonly ProxyTarget[],
  ): Promise<{ readonly proxy: ProxyProcess; readonly ports: Ports }> {
    const child = fork(join(import.meta.dirname, `proxy-main${EXTENSION}`), { execArgv: process.execArgv })
    const proxy = new ProxyProcess(child)
    return { proxy, ports: await proxy.#order({ kind: 'listen', targets }) }
  }

  /** Replaces all rules; resolves when they hold. */
  async setRules(faults: readonly LinkFault[]): Promise<void> {
    await this.#order({ kind: 'rules', faults })
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }

  #order(order: ProxyOrder): Promise<Ports> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#child.send(order, (error) => {
        if (error) reject(error)
      })
    })
  }
}
