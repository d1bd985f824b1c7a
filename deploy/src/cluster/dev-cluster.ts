/**
 * A cluster of broker processes on this machine, each with its folder `broker-<id>` and its log `broker-<id>.log` under
 * one data folder. Used by `stratalog dev`, the demo and the benchmarks.
 */
import { join, resolve } from 'node:path'
import { CommandError } from '../command-error.ts'
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

/** What became of a broker that ended without being asked to. */
export type BrokerNews =
  | { readonly kind: 'ended'; readonly brokerId: number; readonly how: string }
  | { readonly kind: 'back'; readonly brokerId: number; readonly address: string; readonly pid: number }

/** A broker that ends again within this time of its start is not started anew for ever. */
const SHORT_LIFE_MS = 10_000
const SHORT_LIVES_MAX = 3
const RESTART_DELAY_MS = 1000

/** Running brokers. */
export class DevCluster implements AsyncDisposable {
  readonly #brokers: BrokerProcess[]
  #stopping = false

  private constructor(brokers: BrokerProcess[]) {
    this.#brokers = brokers
  }

  /** As they run now, by id; a broker that was started anew has another process. */
  get brokers(): readonly BrokerProcess[] {
    return this.#brokers
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

  /**
   * Starts brokers anew that end without being asked to, as whatever runs them in production would.
   *
   * @param tell hears of every end and every return.
   * Rejects with a sentence about the broker when one cannot be kept up: it ends {@link SHORT_LIVES_MAX} times right after
   * its start, or does not start. Resolves when the cluster is stopped.
   */
  async supervise(tell: (news: BrokerNews) => void): Promise<void> {
    await Promise.all(this.#brokers.map((_, index) => this.#keepUp(index, tell)))
  }

  async #keepUp(index: number, tell: (news: BrokerNews) => void): Promise<void> {
    let shortLives = 0
    for (;;) {
      const broker = this.#brokers[index]!
      const startedMs = performance.now()
      const how = await broker.exited
      if (this.#stopping) return
      const { brokerId, logPath } = broker
      tell({ kind: 'ended', brokerId, how })
      shortLives = performance.now() - startedMs < SHORT_LIFE_MS ? shortLives + 1 : 0
      if (shortLives >= SHORT_LIVES_MAX) {
        throw new CommandError(
          'BROKER_EXITED',
          `broker ${brokerId} ${how}, again and again`,
          `read its log: ${logPath}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, RESTART_DELAY_MS))
      if (this.#stopping) return
      const next = await broker.again()
      this.#brokers[index] = next
      if (this.#stopping) await next.stop()
      else tell({ kind: 'back', brokerId, address: next.address, pid: next.pid })
    }
  }

  /** Starts a broker again that has ended; resolves when it serves. */
  async restart(brokerId: number): Promise<void> {
    const index = this.#brokers.findIndex((broker) => broker.brokerId === brokerId)
    this.#brokers[index] = await this.#brokers[index]!.again()
  }

  /** Where brokers reach those of this cluster, for the setting `join`. */
  get peerAddresses(): readonly string[] {
    return this.#brokers.map((broker) => broker.peerAddress)
  }

  /** Stops every broker in order; the data stays. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#brokers.map((broker) => broker.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}
