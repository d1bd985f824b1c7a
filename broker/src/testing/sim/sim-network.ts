/**
 * The network between simulated brokers, as the faults have it, and what a process sees of it.
 *
 * Cuts of faults and hosts without power are kept apart, so that mending the one leaves the other. Whatever comes out of the
 * network is an event of the process that gets it: a dead one gets nothing, one that stands still gets it later.
 */
import type { Message } from 'raft-ts'
import type { PeerAddress, PeerAnswer, PeerIdentity, PeerListener, PeerNetwork } from '../../peer/peer-port.ts'
import { type SimNetworkFaults, SimPeerNetwork } from '../sim-peer-network.ts'
import type { SimPeers } from '../sim-peers.ts'
import type { PeerLink } from './options.ts'
import type { SimBroker } from './sim-broker.ts'
import { START_MS } from './sim-clock.ts'
import type { SimProcess } from './sim-process.ts'
import type { World } from './world.ts'

/** Where a broker listens. */
export function peerAddressOf(brokerId: number): PeerAddress {
  return { host: 'sim', port: brokerId }
}

/** See the file's header. */
export class SimNetwork {
  sentCount = 0
  readonly #brokerIds: readonly number[]
  readonly #peers: SimPeerNetwork
  readonly #cuts = new Set<string>()
  /** Hosts without power, and what their processes had open. */
  readonly #dark = new Map<number, SimPeers>()

  constructor(world: World, link: PeerLink, brokerIds: readonly number[]) {
    const random = world.random(104)
    this.#brokerIds = brokerIds
    this.#peers = new SimPeerNetwork({
      clock: {
        nowMs: () => START_MS + world.now,
        monotonicMs: () => world.now,
        schedule: (delayMs, task) => {
          let due = true
          world.after(Math.ceil(delayMs), () => {
            if (due) task()
          })
          return () => {
            due = false
          }
        },
        every: (intervalMs, task) => {
          let due = true
          const plan = (): void =>
            world.after(intervalMs, () => {
              if (!due) return
              plan()
              task()
            })
          plan()
          return () => {
            due = false
          }
        },
      },
      random: () => random.next(),
    })
    this.weather(link)
  }

  /** A process takes part in the network from when it begins to. */
  open(broker: SimBroker, process: SimProcess, identity: () => PeerIdentity): PeerNetwork {
    const before = this.#dark.get(broker.id)
    this.#dark.delete(broker.id)
    this.#cutWhatIsCut()
    // The host is back, and knows nothing of the connections that others still hold.
    if (before !== undefined) this.#peers.leave(before)
    const peers = this.#peers.create(identity, broker.id)
    process.onDeath(() => {
      if (broker.isDark) {
        this.#dark.set(broker.id, peers)
        this.#cutWhatIsCut()
      }
      peers.crash()
    })
    return new ProcessPeers(this, peers, broker, process)
  }

  /** How messages fare from now on. */
  weather({ loss, duplication, delayMaxMs, reorders }: PeerLink): void {
    const faults: SimNetworkFaults = {
      delayMinMs: 1,
      delayMaxMs,
      lossRate: loss,
      duplicationRate: duplication,
      reorderRate: reorders ? 0.1 : 0,
      refusalRate: 0,
      requestLossRate: loss,
    }
    this.#peers.faults = faults
  }

  /** Nothing gets from the one to the other. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`)
    this.#peers.cut(from, to)
  }

  /** Everything gets everywhere, but to hosts without power. */
  mend(): void {
    this.#cuts.clear()
    this.#cutWhatIsCut()
  }

  #cutWhatIsCut(): void {
    this.#peers.mendAll()
    for (const cut of this.#cuts) {
      const [from, to] = cut.split('>').map(Number)
      this.#peers.cut(from!, to!)
    }
    for (const dark of this.#dark.keys()) {
      for (const id of this.#brokerIds) if (id !== dark) this.#peers.cutBoth(id, dark)
    }
  }
}

/** A process's end of the network. */
class ProcessPeers implements PeerNetwork {
  readonly #network: SimNetwork
  readonly #peers: SimPeers
  readonly #broker: SimBroker
  readonly #process: SimProcess

  constructor(network: SimNetwork, peers: SimPeers, broker: SimBroker, process: SimProcess) {
    this.#network = network
    this.#peers = peers
    this.#broker = broker
    this.#process = process
  }

  get address(): PeerAddress {
    return this.#peers.address
  }

  get stats(): PeerNetwork['stats'] {
    return this.#peers.stats
  }

  begin(listener: PeerListener): void {
    const process = this.#process
    const { world } = process
    this.#peers.begin({
      mayReplicate: (peer) => {
        const may = listener.mayReplicate(peer)
        if (!may) world.note(this.#broker.id, () => `takes no messages of ${JSON.stringify(peer)}`)
        return may
      },
      refusal: (peer) => listener.refusal(peer),
      onMessage: (message) =>
        process.enter(() => {
          world.hash.add(message.from ^ (message.term << 8) ^ (message.type.length << 24))
          listener.onMessage(message)
        }),
      onSendFailed: (message) => process.enter(() => listener.onSendFailed(message)),
      onRequest: (kind, body, from) =>
        new Promise((resolve, reject) => {
          process.enter(() => void listener.onRequest(kind, body, from).then(resolve, reject))
        }),
      onNews: (kind, body, from) => process.enter(() => listener.onNews(kind, body, from)),
      onPeerUp: (peer) => process.enter(() => listener.onPeerUp(peer)),
      onPeerDown: (brokerId) => process.enter(() => listener.onPeerDown(brokerId)),
    })
  }

  announce(): void {
    this.#peers.announce()
  }

  setPeers(peers: ReadonlyMap<number, PeerAddress>): void {
    this.#peers.setPeers(peers)
  }

  send(message: Message<Buffer>): void {
    this.#process.world.note(this.#broker.id, () => `sends ${describeMessage(message)}`)
    this.#network.sentCount++
    this.#broker.observer.sent(this.#broker, message)
    this.#peers.send(message)
  }

  request(brokerId: number, kind: string, body: Buffer, timeoutMs: number): Promise<Buffer> {
    this.#process.world.note(this.#broker.id, () => `asks broker ${brokerId}: ${kind} ${body.toString().slice(0, 200)}`)
    return this.#received(this.#peers.request(brokerId, kind, body, timeoutMs))
  }

  requestAt(address: PeerAddress, kind: string, body: Buffer, timeoutMs: number): Promise<PeerAnswer> {
    this.#process.world.note(this.#broker.id, () => `asks ${address.port}: ${kind} ${body.toString().slice(0, 200)}`)
    return this.#received(this.#peers.requestAt(address, kind, body, timeoutMs))
  }

  news(kind: string, body: Buffer, to?: number): void {
    this.#peers.news(kind, body, to)
  }

  isUp(brokerId: number): boolean {
    return this.#peers.isUp(brokerId)
  }

  close(): Promise<void> {
    return this.#peers.close()
  }

  /** The answer is an event of the process that asked. */
  #received<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      answer.then(
        (value) => this.#process.enter(() => resolve(value)),
        (error: unknown) => this.#process.enter(() => reject(error)),
      )
    })
  }
}

function describeMessage(message: Message<Buffer>): string {
  const { type, from, to, term, group, ...rest } = message as Message<Buffer> & Record<string, unknown>
  const fields = Object.entries(rest).map(([key, value]) => `${key}=${describeValue(value)}`)
  return `${type} ${from}->${to} of ${String(group).slice(-6)} term=${term} ${fields.join(' ')}`
}

function describeValue(value: unknown): string {
  if (!Array.isArray(value)) return JSON.stringify(value) ?? 'undefined'
  return value.map(({ base, end, term, kind }) => `[${base},${end})@${term} ${kind}`).join(' ') || 'none'
}
