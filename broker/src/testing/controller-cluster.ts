/**
 * Controllers on several brokers over one log in memory: real groups, decisions and senders; log, peers, disk and clock
 * are fakes with faults.
 */
import { StratalogError } from '@stratalog/proto'
import type { BrokerRegistration } from '../controller/commands.ts'
import { Controller, type RegistrationAnswer } from '../controller/controller.ts'
import { MetadataGroup } from '../controller/metadata-group.ts'
import type { BrokerImage } from '../controller/metadata-image.ts'
import { MetadataStore } from '../controller/metadata-store.ts'
import type { PeerIdentity, Peers } from '../peer/peer-port.ts'
import type { Replica } from '../replication/raft-ids.ts'
import { seededRandom } from './fake-disk.ts'
import { ManualClock, settled } from './manual-clock.ts'
import { MemoryLogCluster, type MemoryReplicatedLog } from './memory-replicated-log.ts'
import { MemoryStore } from './memory-store.ts'

const CLUSTER_ID = 'the-cluster'

/** One broker's part of it. */
export interface ControllerNode {
  readonly brokerId: number
  readonly log: MemoryReplicatedLog
  readonly disk: MemoryStore
  readonly group: MetadataGroup
  readonly controller: Controller
  /** What ended the group. */
  readonly failures: unknown[]
}

/** What happens to a request between brokers. */
export type RequestFault = 'lost' | 'answer-lost' | null

/** See the file's header. */
export class ControllerCluster {
  readonly clock: ManualClock = new ManualClock()
  readonly log: MemoryLogCluster = new MemoryLogCluster()
  readonly nodes: Map<number, ControllerNode> = new Map()
  /** Brokers that are taken for up. */
  readonly up: Set<number> = new Set()
  /** Asked for every request. */
  fault: (from: number, to: number) => RequestFault = () => null
  requestCount = 0
  #random = seededRandom(7)

  /** A founded cluster: these brokers, all of them controllers and registered; the first one leads. */
  static async founded(
    brokerIds: readonly number[],
    options: { pendingCountMax?: number } = {},
  ): Promise<ControllerCluster> {
    const cluster = new ControllerCluster()
    for (const brokerId of brokerIds) await cluster.start(brokerId, new MemoryStore(), options)
    cluster.log.elect(brokerIds[0]!)
    const controllers: Replica[] = brokerIds.map((brokerId) => ({ brokerId, generation: 0 }))
    await cluster.controller(brokerIds[0]!).foundCluster({ clusterId: CLUSTER_ID, controllers })
    for (const brokerId of brokerIds) await cluster.register(brokerId)
    return cluster
  }

  controller(brokerId: number): Controller {
    return this.node(brokerId).controller
  }

  node(brokerId: number): ControllerNode {
    const node = this.nodes.get(brokerId)
    if (node === undefined) throw new Error(`the test has no broker ${brokerId}`)
    return node
  }

  /** Starts, or starts anew, a broker on a disk. */
  async start(
    brokerId: number,
    disk: MemoryStore,
    options: { pendingCountMax?: number } = {},
  ): Promise<ControllerNode> {
    const log = this.log.replica(brokerId)
    const failures: unknown[] = []
    const onFailed = (error: unknown) => failures.push(error)
    const group = await MetadataGroup.open({ log, store: new MetadataStore(disk), onFailed })
    const controller = new Controller({
      brokerId,
      group,
      peers: this.#peersOf(brokerId),
      clock: this.clock,
      random: this.#random,
      randomBytes: (count) => Buffer.from(Array.from({ length: count }, () => Math.floor(this.#random() * 256))),
      isBrokerUp: (broker: BrokerImage) => this.up.has(broker.brokerId),
      ...options,
    })
    const node: ControllerNode = { brokerId, log, disk, group, controller, failures }
    this.nodes.set(brokerId, node)
    this.up.add(brokerId)
    return node
  }

  /** Registers a broker of the cluster, by itself. */
  register(brokerId: number, changes: Partial<BrokerRegistration> = {}): Promise<RegistrationAnswer> {
    return this.controller(brokerId).registerBroker({ ...registrationOf(brokerId), ...changes })
  }

  /** Runs a command while time passes. */
  async within<Result>(result: Promise<Result>, stepMs = 50, limitMs = 60_000): Promise<Result> {
    let isSettled = false
    const watched = result.finally(() => {
      isSettled = true
    })
    watched.catch(() => undefined)
    for (let passedMs = 0; !isSettled && passedMs < limitMs; passedMs += stepMs) {
      await this.clock.advance(stepMs)
      await settled()
    }
    return watched
  }

  #peersOf(from: number): Pick<Peers, 'request'> {
    return {
      request: async (to, _kind, body) => {
        this.requestCount++
        const fault = this.fault(from, to)
        const node = this.nodes.get(to)
        if (fault === 'lost' || node === undefined) throw new StratalogError('BROKER_NOT_AVAILABLE')
        const answer = await node.controller.handleControllerRequest(body, identityOf(from))
        if (fault === 'answer-lost') throw new StratalogError('REQUEST_TIMED_OUT')
        return answer
      },
    }
  }
}

/** What a broker says of itself on its first start. */
export function registrationOf(brokerId: number): BrokerRegistration {
  return {
    brokerId,
    clusterId: CLUSTER_ID,
    host: `host-${brokerId}`,
    port: 9400,
    rack: '',
    peerHost: `host-${brokerId}`,
    peerPort: 9500,
    directoryId: `directory-${brokerId}`,
    runs: [`run-${brokerId}`],
  }
}

/** How a broker of the cluster presents itself. */
export function identityOf(brokerId: number): PeerIdentity {
  const { directoryId, runs } = registrationOf(brokerId)
  return { clusterId: CLUSTER_ID, brokerId, directoryId, runs, registeredAt: null, version: 'test' }
}
