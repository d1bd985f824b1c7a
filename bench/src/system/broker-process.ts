/**
 * A broker in a process of its own, started through the `stratalog` command as a user would start it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createClient } from '@stratalog/client'
import { type ProcessStats, readProcessStats } from './process-stats.ts'

const COMMAND = join(import.meta.dirname, '../../../deploy/bin/stratalog.mjs')
const START_TIMEOUT_MS = 20_000

/** A running broker and its address. */
export class BrokerProcess implements AsyncDisposable {
  readonly bootstrap: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, bootstrap: string) {
    this.#child = child
    this.bootstrap = bootstrap
  }

  /**
   * Starts a broker on a free port and waits until it answers.
   *
   * @param nodeFlags flags of the broker's Node, such as `--cpu-prof`
   */
  static async start(dataDirectory: string, nodeFlags: readonly string[] = []): Promise<BrokerProcess> {
    const port = await freePort()
    const bootstrap = `127.0.0.1:${port}`
    const child = spawn(
      process.execPath,
      [...nodeFlags, COMMAND, 'broker', '--data', dataDirectory, '--listen', bootstrap],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, STRATALOG_LOG__LEVEL: 'warn', UV_THREADPOOL_SIZE: '16' },
      },
    )
    const broker = new BrokerProcess(child, bootstrap)
    const client = createClient({ bootstrap })
    try {
      await waitUntilServing(child, () => client.admin.describeCluster())
    } catch (cause) {
      child.kill('SIGKILL')
      throw cause
    } finally {
      await client.close()
    }
    return broker
  }

  /** CPU and memory of the broker so far. */
  stats(): ProcessStats {
    return readProcessStats(this.#child.pid ?? -1) ?? { cpuSeconds: Number.NaN, peakRssBytes: Number.NaN }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await exited
  }
}

async function waitUntilServing(child: ChildProcess, probe: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the broker ended with status ${child.exitCode}`)
    try {
      await probe()
      return
    } catch (cause) {
      if (Date.now() > deadline) throw new Error('the broker did not answer in time', { cause })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
