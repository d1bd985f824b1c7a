/**
 * A cluster of broker processes on this machine, each with its folder `broker-<id>` and its log `broker-<id>.log` under
 * one data folder. Used by `stratalog dev`, the demo and the benchmarks.
 */
import { join, resolve } from 'node:path'
import { BrokerProcess } from './broker-process.ts'
import { planDevCluster } from './dev-topology.ts'

/** What to start. */
export interface DevClusterOptions {
  /** Number of brokers, 1 or more; the first three hold the metadata. */
  readonly brokerCount: number
  /** Folder of all data; created when missing, kept when stopped. */
  readonly dataDir: string
  /** Port of the first broker for clients, the others follow; those between brokers are 100 above. 0 = free ones. */
  readonly basePort: number
  /** Default `127.0.0.1`. */
  readonly host?: string
  /** Settings of docs/config.md for every broker. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Running brokers. */
export class DevCluster implements AsyncDisposable {
  readonly brokers: readonly BrokerProcess[]

  private constructor(brokers: readonly BrokerProcess[]) {
    this.brokers = brokers
  }

  /** Starts every broker; when one cannot start, those that did are stopped. Errors: as BrokerProcess.start. */
  static async start(options: DevClusterOptions): Promise<DevCluster> {
    const dataDir = resolve(options.dataDir)
    const host = options.host ?? '127.0.0.1'
    const plan = await planDevCluster({ brokerCount: options.brokerCount, basePort: options.basePort, host })
    const started = await Promise.allSettled(
      plan.map(({ brokerId, port, settings }) =>
        BrokerProcess.start({
          brokerId,
          dataDir: join(dataDir, `broker-${brokerId}`),
          logPath: join(dataDir, `broker-${brokerId}.log`),
          host,
          port,
          settings: { ...settings, ...options.settings },
        }),
      ),
    )
    const cluster = new DevCluster(started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])))
    const failed = started.find((each) => each.status === 'rejected')
    if (failed === undefined) return cluster
    await cluster.stop()
    throw failed.reason
  }

  /** Addresses of all brokers, for `--bootstrap`. */
  get bootstrap(): string {
    return this.brokers.map((broker) => broker.address).join(',')
  }

  /** Resolves when any broker has ended, with a sentence that names it and its log. */
  anyExited(): Promise<string> {
    return Promise.race(
      this.brokers.map(
        async (broker) => `broker ${broker.brokerId} ${await broker.exited}; its log is ${broker.logPath}`,
      ),
    )
  }

  /** Stops every broker in order; the data stays. */
  async stop(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
