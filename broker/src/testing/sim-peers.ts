/**
 * A broker's end of the simulated peer network: what TcpPeers is to a real one.
 *
 * Everything that passes goes through the codec of the real network, so nothing is shared by reference, and what would
 * not survive the wire does not survive here. A peer is up while both ways to it are open, as with TCP; a cut is noticed
 * by silence, the end of a process at once. Owner: the simulated broker.
 */
import { invariant, StratalogError } from '@stratalog/proto'
import type { Message } from 'raft-ts'
import { PROTOCOL_VERSION } from '../peer/frame-codec.ts'
import { type Refusal, refusalOf } from '../peer/handshake.ts'
import type { PeerAddress, PeerAnswer, PeerIdentity, PeerListener, PeerNetwork } from '../peer/peer-port.ts'
import { newPeerStats, type PeerStats } from '../peer/peer-stats.ts'
import { PendingRequests } from '../peer/pending-requests.ts'
import { errorToSend, unreachable } from '../peer/request-errors.ts'
import { brokerOfNode } from '../replication/raft-ids.ts'
import { SimLink } from './sim-peer-link.ts'
import type { SimPeerNetwork } from './sim-peer-network.ts'
import { overTheWire } from './sim-wire.ts'

/** See the file's header. */
export class SimPeers implements PeerNetwork {
  readonly address: PeerAddress
  readonly brokerId: number
  readonly stats: PeerStats = newPeerStats()
  readonly identity: () => PeerIdentity
  readonly #network: SimPeerNetwork
  readonly #links = new Map<number, SimLink>()
  readonly #requests: PendingRequests
  #addresses: ReadonlyMap<number, PeerAddress> = new Map()
  #listener: PeerListener | null = null
  #unsent: Message<Buffer>[] = []
  #isFlushDue = false
  #cancelTicks: (() => void) | null = null
  #isClosed = false

  /** Made by SimPeerNetwork.create. */
  constructor(network: SimPeerNetwork, address: PeerAddress, identity: () => PeerIdentity) {
    this.#network = network
    this.address = address
    this.identity = identity
    this.brokerId = identity().brokerId
    this.#requests = new PendingRequests(network.clock)
  }

  /** Set while it takes part in the network. */
  get listener(): PeerListener | null {
    return this.#isClosed ? null : this.#listener
  }

  begin(listener: PeerListener): void {
    invariant(this.#listener === null && !this.#isClosed, 'the peer network begins once')
    this.#listener = listener
    const { clock, pingIntervalMs } = this.#network
    this.#cancelTicks = clock.every(pingIntervalMs, () => {
      for (const link of this.#links.values()) link.tick()
    })
    this.setPeers(this.#addresses)
  }

  setPeers(peers: ReadonlyMap<number, PeerAddress>): void {
    this.#addresses = new Map([...peers].filter(([brokerId]) => brokerId !== this.brokerId))
    if (this.listener === null) return
    for (const link of [...this.#links.values()]) {
      const address = this.#addresses.get(link.brokerId)
      if (address?.port !== link.address.port || address.host !== link.address.host) this.#drop(link)
    }
    for (const [brokerId, address] of this.#addresses) {
      if (!this.#links.has(brokerId)) this.#links.set(brokerId, this.#newLink(brokerId, address))
    }
  }

  send(message: Message<Buffer>): void {
    if (this.#isClosed) return
    const link = this.#links.get(brokerOfNode(message.to))
    if (link?.isUp !== true || this.#network.happens(this.#network.faults.refusalRate)) this.#unsent.push(message)
    else link.send(message)
    this.#flushLater()
  }

  request(brokerId: number, kind: string, body: Buffer, timeoutMs: number): Promise<Buffer> {
    const link = this.#links.get(brokerId)
    if (link?.isUp !== true) {
      return Promise.reject(new StratalogError('BROKER_NOT_AVAILABLE', `broker ${brokerId} is not connected`))
    }
    return link.request(kind, body, timeoutMs)
  }

  requestAt(address: PeerAddress, kind: string, body: Buffer, timeoutMs: number): Promise<PeerAnswer> {
    if (this.#isClosed) return Promise.reject(new StratalogError('SHUTTING_DOWN'))
    const whom = `the broker at ${address.host}:${address.port}`
    let answeredBy: PeerIdentity | null = null
    const answer = this.#requests.begin(whom, kind, timeoutMs, (id) => {
      const settle = (result: Buffer | StratalogError): void => this.#requests.settle(id, result)
      this.#network.clock.schedule(this.#network.delayMs(), () => {
        const other = this.#network.at(address)
        const refusal = this.greet(other, null)
        if (refusal !== null) settle(unreachable(whom, refusal, address))
        else if (other !== null && refusal === null) {
          answeredBy = other.identity()
          this.ask(other, kind, body, settle)
        }
      })
    })
    return answer.then((received) => {
      invariant(answeredBy !== null, 'whoever answered is known')
      return { body: received, peer: answeredBy }
    })
  }

  news(kind: string, body: Buffer, to?: number): void {
    const links = to === undefined ? this.#links.values() : [this.#links.get(to)]
    for (const link of links) if (link?.isUp === true) link.news(kind, body)
    this.#flushLater()
  }

  isUp(brokerId: number): boolean {
    return this.#links.get(brokerId)?.isUp === true
  }

  announce(): void {
    for (const link of this.#links.values()) link.announce()
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#isClosed = true
    this.#cancelTicks?.()
    for (const link of this.#links.values()) link.close('this broker stops')
    this.#requests.failAll(() => new StratalogError('SHUTTING_DOWN', 'this broker stops before there is an answer'))
    this.#network.leave(this)
    return Promise.resolve()
  }

  /** As kill -9: nothing more happens here, requests that wait are never settled, and the others are told. */
  crash(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelTicks?.()
    for (const link of this.#links.values()) link.abandon()
    this.#requests.abandonAll()
    this.#network.leave(this)
  }

  /** The machine of a broker says that its process is gone. */
  onReset(gone: SimPeers): void {
    for (const link of this.#links.values()) if (link.isWith(gone)) link.lose('the other side closed it')
  }

  /** A broker has connected with this one. */
  onSeen(brokerId: number): void {
    this.#links.get(brokerId)?.retryNow()
  }

  /**
   * Shakes hands, both ways at once. @param brokerId who is meant; null for whoever it is.
   * @returns why it comes to nothing, or null. Nobody at all refuses as a closed port does.
   */
  greet(other: SimPeers | null, brokerId: number | null): Refusal | null {
    const theirs = other?.listener ?? null
    const ours = this.listener
    if (other === null || theirs === null || ours === null) return { reason: 'ECONNREFUSED', code: UNAVAILABLE }
    if (this.isCutOff(other)) return null
    const [us, them] = [this.identity(), other.identity()]
    const hello = (identity: PeerIdentity) => ({ protocolVersion: PROTOCOL_VERSION, channel: null, identity })
    const refused = refusalOf(hello(us), { own: them, brokerId: null, refusal: (peer) => theirs.refusal(peer) })
    if (refused !== null) return { ...refused, reason: `it refuses: ${refused.reason}` }
    return refusalOf(hello(them), { own: us, brokerId, refusal: (peer) => ours.refusal(peer) })
  }

  /** Whether TCP would get nowhere: it needs both ways. */
  isCutOff(other: SimPeers): boolean {
    return this.#network.isCut(this.brokerId, other.brokerId) || this.#network.isCut(other.brokerId, this.brokerId)
  }

  /** Brings a request to another broker and its answer back, if nothing comes in between. */
  ask(other: SimPeers, request: string, body: Buffer, settle: (answer: Buffer | StratalogError) => void): void {
    const from = this.identity()
    const sent = overTheWire({ kind: 'request', id: 1, request, body })
    this.#network.clock.schedule(this.#network.delayMs(), () => {
      const { listener } = other
      if (listener === null || this.#isLost(other)) return
      invariant(sent.kind === 'request', 'a request stays one')
      // What breaks an invariant is not caught: it ends the simulation.
      void listener
        .onRequest(sent.request, sent.body, from)
        .catch((error: unknown) => errorToSend(error, request))
        .then((answer) => this.#bringBack(other, answer, settle))
    })
  }

  #bringBack(
    other: SimPeers,
    answer: Buffer | StratalogError,
    settle: (answer: Buffer | StratalogError) => void,
  ): void {
    const frame = overTheWire(
      answer instanceof StratalogError
        ? { kind: 'error', id: 1, error: answer }
        : { kind: 'answer', id: 1, body: answer },
    )
    this.#network.clock.schedule(this.#network.delayMs(), () => {
      if (other.listener === null || this.#isClosed || this.#isLost(other)) return
      if (frame.kind === 'error') settle(frame.error)
      else if (frame.kind === 'answer') settle(frame.body)
    })
  }

  #isLost(other: SimPeers): boolean {
    return this.isCutOff(other) || this.#network.happens(this.#network.faults.requestLossRate)
  }

  #newLink(brokerId: number, address: PeerAddress): SimLink {
    return new SimLink(this.#network, this, { brokerId, address })
  }

  /** The listener hears of it after the caller is done. */
  #drop(link: SimLink): void {
    this.#links.delete(link.brokerId)
    queueMicrotask(() => link.close('it is no peer any more'))
  }

  #flushLater(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    queueMicrotask(() => this.#flushNow())
  }

  #flushNow(): void {
    this.#isFlushDue = false
    if (this.#isClosed) return
    for (const link of this.#links.values()) for (const message of link.flush()) this.#unsent.push(message)
    const unsent = this.#unsent
    this.#unsent = []
    this.stats.messagesUnsent += unsent.length
    for (const message of unsent) this.#listener?.onSendFailed(message)
  }
}

const UNAVAILABLE = 'BROKER_NOT_AVAILABLE'
