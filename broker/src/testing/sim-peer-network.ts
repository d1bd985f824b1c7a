/**
 * The network between simulated brokers: what is delayed, lost, doubled, reordered and cut is decided here, by seed.
 *
 * Owner: the simulation; one for a cluster. Deterministic: time comes from the Clock, chance from `random`, and what is
 * due at one time happens in the order in which it was sent.
 */
import { invariant } from '@stratalog/proto'
import type { PeerAddress, PeerIdentity } from '../peer/peer-port.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { SimPeers } from './sim-peers.ts'

/** How bad the network is. Rates are probabilities, 0..1, of a single message. */
export interface SimNetworkFaults {
  /** Of every way, at least and at most. */
  readonly delayMinMs: number
  readonly delayMaxMs: number
  /** Raft messages that vanish. */
  readonly lossRate: number
  /** Raft messages that arrive twice. */
  readonly duplicationRate: number
  /** Raft messages that are overtaken by later ones: they take up to ten times as long. */
  readonly reorderRate: number
  /** Raft messages for which there is no room: the sender is told. */
  readonly refusalRate: number
  /** Requests, and answers, that vanish: the asker's time runs out. */
  readonly requestLossRate: number
}

/** A network without faults. */
export const GOOD_NETWORK: SimNetworkFaults = {
  delayMinMs: 0.1,
  delayMaxMs: 0.5,
  lossRate: 0,
  duplicationRate: 0,
  reorderRate: 0,
  refusalRate: 0,
  requestLossRate: 0,
}

/** What a network is made of. */
export interface SimNetworkOptions {
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Silence after which a peer is down. Default 1,000. */
  readonly peerTimeoutMs?: number
  /** Default 200. */
  readonly pingIntervalMs?: number
}

/** Name of the machine that simulated brokers run on. */
const HOST = 'sim'

/** See the file's header. */
export class SimPeerNetwork {
  readonly clock: Clock
  readonly random: () => number
  readonly peerTimeoutMs: number
  readonly pingIntervalMs: number
  /** May be changed at any time. */
  faults: SimNetworkFaults = GOOD_NETWORK
  readonly #brokers = new Map<number, SimPeers>()
  readonly #cuts = new Set<string>()
  #nextPort = 1

  constructor(options: SimNetworkOptions) {
    this.clock = options.clock
    this.random = options.random
    this.peerTimeoutMs = options.peerTimeoutMs ?? 1_000
    this.pingIntervalMs = options.pingIntervalMs ?? 200
  }

  /** A broker's end. @param port its address for good, so that it can come back there; default a free one. */
  create(identity: () => PeerIdentity, port: number = this.#freePort()): SimPeers {
    invariant(!this.#brokers.has(port), () => `port ${port} is in use`)
    const peers = new SimPeers(this, { host: HOST, port }, identity)
    this.#brokers.set(port, peers)
    return peers
  }

  /** Who listens at an address. */
  at({ port }: PeerAddress): SimPeers | null {
    return this.#brokers.get(port) ?? null
  }

  /** Cuts the way from one broker to another: what is under way is lost too. Nobody is told. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`)
  }

  /** Cuts both ways. */
  cutBoth(a: number, b: number): void {
    this.cut(a, b)
    this.cut(b, a)
  }

  /** Mends one way. */
  mend(from: number, to: number): void {
    this.#cuts.delete(`${from}>${to}`)
  }

  /** Mends all. */
  mendAll(): void {
    this.#cuts.clear()
  }

  /** Whether nothing gets from one broker to another. */
  isCut(from: number, to: number): boolean {
    return this.#cuts.has(`${from}>${to}`)
  }

  /** How long the next thing is on its way. */
  delayMs(): number {
    const { delayMinMs, delayMaxMs } = this.faults
    return delayMinMs + this.random() * (delayMaxMs - delayMinMs)
  }

  /** Whether the dice say so. Without a rate they are not thrown, so that a fault that is off changes no seed's course. */
  happens(rate: number): boolean {
    return rate > 0 && this.random() < rate
  }

  /** A broker's process has ended: its machine says so to whoever is connected, after a delay, unless the way is cut. */
  leave(broker: SimPeers): void {
    this.#brokers.delete(broker.address.port)
    for (const other of this.#brokers.values()) {
      this.clock.schedule(this.delayMs(), () => {
        if (!this.isCut(broker.brokerId, other.brokerId)) other.onReset(broker)
      })
    }
  }

  #freePort(): number {
    while (this.#brokers.has(this.#nextPort)) this.#nextPort++
    return this.#nextPort++
  }
}
