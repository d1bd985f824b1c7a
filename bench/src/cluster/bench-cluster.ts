/**
 * A cluster of broker processes for a scenario: each can be stopped, killed and started again at the same address, and
 * its CPU time and memory are read from the kernel.
 *
 * Invariant: after `stop` no process of it is left.
 */
import { join } from 'node:path'
import { BrokerProcess, type BrokerProcessOptions, planDevCluster } from 'stratalog'
import { type ProcessStats, readProcessStats } from '../system/process-stats.ts'

/** What to start. */
export interface BenchClusterOptions {
  readonly brokerCount: number
  /** Folder of all data. */
  readonly directory: string
  /** Settings of docs/config.md for every broker. */
  readonly settings?: Readonly<Record<string, string>>
  /** Flags of the brokers' Node. */
  readonly nodeFlags?: readonly string[]
}

const HOST = '127.0.0.1'

/** See the file's header. */
export class BenchCluster implements AsyncDisposable {
  readonly #options: Map<number, BrokerProcessOptions>
  readonly #running = new Map<number, BrokerProcess>()

  private constructor(options: readonly BrokerProcessOptions[]) {
    this.#options = new Map(options.map((each) => [each.brokerId, each]))
  }

  /** Starts every broker; when one cannot start, those that did are stopped. */
  static async start(options: BenchClusterOptions): Promise<BenchCluster> {
    const { brokerCount, directory, nodeFlags = [] } = options
    const plan = await planDevCluster({ brokerCount, basePort: 0, host: HOST })
    const cluster = new BenchCluster(
      plan.map(({ brokerId, port, settings }) => ({
        brokerId,
        dataDir: join(directory, `broker-${brokerId}`),
        logPath: join(directory, `broker-${brokerId}.log`),
        host: HOST,
        port,
        settings: { 'log.level': 'warn', ...settings, ...options.settings },
        nodeFlags,
      })),
    )
    await cluster.startAll()
    return cluster
  }

  /** Ids of all brokers, running or not. */
  get brokerIds(): readonly number[] {
    return [...this.#options.keys()]
  }

  /** Addresses of the brokers that run, for `bootstrap`. */
  get bootstrap(): string {
    return [...this.#running.values()].map((broker) => broker.address).join(',')
  }

  /** Port on which a broker is reached by the others. */
  peerPort(brokerId: number): number {
    const address = this.#options.get(brokerId)?.settings?.['peer.listen'] ?? ''
    return Number(address.slice(address.lastIndexOf(':') + 1))
  }

  /** A broker that runs. Throws when it does not. */
  broker(brokerId: number): BrokerProcess {
    const broker = this.#running.get(brokerId)
    if (broker === undefined) throw new Error(`broker ${brokerId} does not run`)
    return broker
  }

  /** By broker id, of those that run. */
  stats(): Map<number, ProcessStats> {
    return new Map([...this.#running].map(([brokerId, { pid }]) => [brokerId, readProcessStats(pid)]))
  }

  /** Starts one that does not run; resolves when its process says that it serves. */
  async startOne(brokerId: number): Promise<BrokerProcess> {
    const options = this.#options.get(brokerId)
    if (options === undefined || this.#running.has(brokerId)) throw new Error(`broker ${brokerId} cannot be started`)
    const broker = await BrokerProcess.start(options)
    this.#running.set(brokerId, broker)
    this.#options.set(brokerId, { ...options, port: broker.port })
    return broker
  }

  /** Ends one in order, or as a crash would. Resolves when it is gone. */
  async endOne(brokerId: number, how: 'stop' | 'kill'): Promise<void> {
    const broker = this.broker(brokerId)
    await broker[how]()
    this.#running.delete(brokerId)
  }

  /** Starts all at once. When one cannot start, those that did are stopped. */
  async startAll(): Promise<void> {
    const started = await Promise.allSettled(this.brokerIds.map((brokerId) => this.startOne(brokerId)))
    const failed = started.find((each) => each.status === 'rejected')
    if (failed === undefined) return
    await this.stop()
    throw failed.reason
  }

  /** Ends all at once. */
  async endAll(how: 'stop' | 'kill'): Promise<void> {
    await Promise.all([...this.#running.keys()].map((brokerId) => this.endOne(brokerId, how)))
  }

  /** Ends those that run in order; the data stays. */
  async stop(): Promise<void> {
    await this.endAll('stop')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
