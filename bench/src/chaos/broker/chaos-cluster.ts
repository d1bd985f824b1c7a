/**
 * The brokers of a failure run: processes on this host, each behind the proxy for its peers, data and logs in one folder.
 *
 * ```
 *  FOLDER/broker-1, broker-2, ...   data       FOLDER/logs/broker-1.log, ...   FOLDER/history/...
 *  broker a ──peer.advertised of b──> proxy ──peer.listen of b──> broker b
 * ```
 * Clients reach the brokers without the proxy: a broker cut off from its peers is still asked by them.
 */
import { join } from 'node:path'
import { type Client, createClient } from '@stratalog/client'
import { invariant } from '@stratalog/proto'
import { ProxyProcess } from '../network/proxy-process.ts'
import { ChaosBroker } from './chaos-broker.ts'
import { freePorts } from './free-ports.ts'

/** What to start. */
export interface ChaosClusterOptions {
  readonly brokerCount: number
  readonly folder: string
  /** Whether peers talk through the proxy; without it links cannot be cut. */
  readonly hasProxy: boolean
  /** Asked at each start of a broker: whether its disk loses at a power cut what is not synced. */
  readonly isNextLossy: () => boolean
  /** Settings of every broker. */
  readonly settings?: Readonly<Record<string, string>>
}

const HOST = '127.0.0.1'
const START_TIMEOUT_MS = 60_000

/** See the file's header. */
export class ChaosCluster implements AsyncDisposable {
  readonly brokers: readonly ChaosBroker[]
  readonly proxy: ProxyProcess | null
  /** For administration, and for looking. */
  readonly client: Client
  readonly bootstrap: string
  /** Sentences about brokers that ended without being asked to. */
  readonly unexpectedEnds: readonly string[]

  private constructor(brokers: readonly ChaosBroker[], proxy: ProxyProcess | null, unexpectedEnds: string[]) {
    this.brokers = brokers
    this.proxy = proxy
    this.unexpectedEnds = unexpectedEnds
    this.bootstrap = brokers.map(({ options }) => options.address).join(',')
    this.client = createClient({ bootstrap: this.bootstrap, clientId: 'chaos', requestTimeoutMs: 10_000 })
  }

  /** Starts proxy and brokers; resolves when all serve. */
  static async start(options: ChaosClusterOptions): Promise<ChaosCluster> {
    const { brokerCount, folder, hasProxy } = options
    const ports = await freePorts(brokerCount * 2)
    const ids = Array.from({ length: brokerCount }, (_, index) => index + 1)
    const peerPorts = Object.fromEntries(ids.map((id) => [id, ports[brokerCount + id - 1]!]))
    const targets = ids.map((brokerId) => ({ brokerId, listenPort: 0, port: peerPorts[brokerId]! }))
    const proxied = hasProxy ? await ProxyProcess.start(targets) : null
    const reachedPorts = proxied?.ports ?? peerPorts
    const controllers = ids.map((id) => `${id}@${HOST}:${reachedPorts[id]}`).join(',')
    const unexpectedEnds: string[] = []
    const brokers = ids.map((id) => {
      const dataDir = join(folder, `broker-${id}`)
      const address = `${HOST}:${ports[id - 1]}`
      return new ChaosBroker({
        brokerId: id,
        dataDir,
        logPath: join(folder, 'logs', `broker-${id}.log`),
        address,
        settings: {
          'broker.id': String(id),
          'data.dir': dataDir,
          listen: address,
          'peer.listen': `${HOST}:${peerPorts[id]}`,
          'peer.advertised': `${HOST}:${reachedPorts[id]}`,
          ...(brokerCount > 1 ? { controllers } : {}),
          'reflection.enabled': 'false',
          'shutdown.grace.ms': '5000',
          ...options.settings,
        },
        isNextLossy: options.isNextLossy,
        startTimeoutMs: START_TIMEOUT_MS,
        onUnexpectedEnd: (sentence) => unexpectedEnds.push(`${sentence}; its log is ${folder}/logs/broker-${id}.log`),
      })
    })
    const cluster = new ChaosCluster(brokers, proxied?.proxy ?? null, unexpectedEnds)
    try {
      await Promise.all(brokers.map((broker) => broker.start()))
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  }

  get ids(): number[] {
    return this.brokers.map(({ brokerId }) => brokerId)
  }

  /** The broker of that number. */
  broker(brokerId: number): ChaosBroker {
    const broker = this.brokers.find((each) => each.brokerId === brokerId)
    invariant(broker !== undefined, () => `there is no broker ${brokerId}`)
    return broker
  }

  /** Who leads, as far as the brokers know; null = nobody. */
  async leaderOf(topic: string, partition: number): Promise<number | null> {
    const [metadata] = await this.client.admin.describeTopics([topic])
    return metadata?.partitions.find((each) => each.partition === partition)?.leaderId ?? null
  }

  /** Ends all faults of processes, network and disks: every broker runs and reaches every other one. */
  async heal(): Promise<void> {
    await this.proxy?.setRules([])
    for (const broker of this.brokers) {
      broker.resume()
      await broker.setDisk({})
    }
    await Promise.all(this.brokers.map((broker) => broker.start()))
  }

  /** Stops all brokers in order. Errors: one did not stop in time. */
  async stop(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.stop()))
  }

  /** Leaves no process behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close()
    await Promise.all(this.brokers.map((broker) => broker.kill()))
    await this.proxy?.stop()
  }
}
