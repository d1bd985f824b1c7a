/**
 * From one simulated broker to one peer: connects, notices when that ends, connects again.
 *
 * What is sent in one turn is one frame on each of two channels, as on the real network. Frames of a channel arrive in
 * order; single messages may be made to vanish, to come twice or to come late.
 */
import type { StratalogError } from '@stratalog/proto'
import type { Message } from 'raft-ts'
import type { PeerFrame } from '../peer/frame-codec.ts'
import type { PeerAddress, PeerIdentity } from '../peer/peer-port.ts'
import { PendingRequests } from '../peer/pending-requests.ts'
import { unreachable } from '../peer/request-errors.ts'
import type { SimPeerNetwork } from './sim-peer-network.ts'
import type { SimPeers } from './sim-peers.ts'
import { overTheWire } from './sim-wire.ts'

const RECONNECT_MIN_MS = 50
const RECONNECT_MAX_MS = 2_000
/** How much longer a reordered message takes, at most. */
const REORDER_DELAYS_MAX = 10

/** A frame on its way, and to whom. */
interface Delivery {
  readonly frame: PeerFrame
  readonly other: SimPeers | null
}

/** What a turn has to send, and what is on its way, first first. */
class Channel {
  readonly messages: Message<Buffer>[] = []
  readonly onTheWay: Delivery[] = []
  lastArrivalMs = 0
}

/** See the file's header. Owner: SimPeers. */
export class SimLink {
  readonly brokerId: number
  readonly address: PeerAddress
  readonly #network: SimPeerNetwork
  readonly #own: SimPeers
  readonly #requests: PendingRequests
  readonly #control = new Channel()
  readonly #bulk = new Channel()
  /** Whom it is connected with; null while it is not. */
  #other: SimPeers | null = null
  /** How this broker presented itself. */
  #presented: PeerIdentity
  #silentMs = 0
  #failures = 0
  #cancelConnect: () => void
  #isClosed = false

  constructor(
    network: SimPeerNetwork,
    own: SimPeers,
    peer: { readonly brokerId: number; readonly address: PeerAddress },
  ) {
    this.#network = network
    this.#own = own
    this.brokerId = peer.brokerId
    this.address = peer.address
    this.#requests = new PendingRequests(network.clock)
    this.#presented = own.identity()
    this.#cancelConnect = network.clock.schedule(network.delayMs(), () => this.#connect())
  }

  get isUp(): boolean {
    return this.#other !== null && !this.#isClosed
  }

  isWith(other: SimPeers): boolean {
    return this.#other === other
  }

  /** Takes a message for the next flush. It must be up. */
  send(message: Message<Buffer>): void {
    const { type } = message
    const isBulk = type === 'append' || type === 'snapshot' || type === 'forward-proposal'
    const channel = isBulk ? this.#bulk : this.#control
    channel.messages.push(message)
  }

  news(kind: string, body: Buffer): void {
    this.#deliver(this.#control, { kind: 'news', news: kind, body })
  }

  request(kind: string, body: Buffer, timeoutMs: number): Promise<Buffer> {
    return this.#requests.begin(`broker ${this.brokerId}`, kind, timeoutMs, (id) => {
      if (this.#other !== null) this.#own.ask(this.#other, kind, body, (answer) => this.#requests.settle(id, answer))
    })
  }

  announce(): void {
    if (this.#other !== null) this.#presented = this.#own.identity()
  }

  /** Sends the turn's messages. @returns those that it could not, since the connection ended in this turn. */
  flush(): Message<Buffer>[] {
    const channels = [this.#control, this.#bulk]
    if (this.#other === null) return channels.flatMap(({ messages }) => messages.splice(0))
    for (const channel of channels) this.#flushChannel(channel)
    return []
  }

  /** The peer has just shown that it lives: no more waiting. */
  retryNow(): void {
    if (this.#other !== null || this.#isClosed) return
    this.#cancelConnect()
    this.#cancelConnect = this.#network.clock.schedule(this.#network.delayMs(), () => this.#connect())
  }

  /** One ping interval has passed. */
  tick(): void {
    if (this.#other === null) return
    // The word that it is gone may have been lost in a cut: its machine gives it again to the next ping.
    if (this.#other.listener === null && !this.#own.isCutOff(this.#other)) {
      this.lose('the other side closed it')
      return
    }
    this.#silentMs = this.#own.isCutOff(this.#other) ? this.#silentMs + this.#network.pingIntervalMs : 0
    if (this.#silentMs >= this.#network.peerTimeoutMs) this.lose(`it was silent for ${this.#silentMs} ms`)
  }

  /** The connection is gone; begins anew. */
  lose(reason: string): void {
    const wasUp = this.#other !== null
    this.#other = null
    this.#requests.failAll(() => this.#unreachable(reason))
    if (!this.#isClosed) this.#connectLater()
    if (wasUp) this.#own.listener?.onPeerDown(this.brokerId)
  }

  /** Ends it for good. */
  close(reason: string): void {
    this.#isClosed = true
    this.#cancelConnect()
    this.lose(reason)
  }

  /** Ends it without a word to anybody. */
  abandon(): void {
    this.#isClosed = true
    this.#other = null
    this.#cancelConnect()
    this.#requests.abandonAll()
  }

  #connect(): void {
    const other = this.#network.at(this.address)
    const refusal = this.#own.greet(other, this.brokerId)
    if (other === null || refusal !== null || this.#own.isCutOff(other)) {
      this.#connectLater()
      return
    }
    this.#other = other
    this.#presented = this.#own.identity()
    this.#silentMs = 0
    this.#failures = 0
    other.onSeen(this.#own.brokerId)
    this.#own.listener?.onPeerUp(other.identity())
  }

  #connectLater(): void {
    const pauseMs = Math.min(RECONNECT_MAX_MS, RECONNECT_MIN_MS * 2 ** Math.min(this.#failures, 10))
    this.#failures++
    const delayMs = pauseMs * (0.5 + this.#network.random() / 2)
    this.#cancelConnect()
    this.#cancelConnect = this.#network.clock.schedule(delayMs, () => this.#connect())
  }

  #flushChannel(channel: Channel): void {
    const { faults } = this.#network
    const inOrder: Message<Buffer>[] = []
    const sent = channel.messages.splice(0)
    this.#own.stats.messagesSent += sent.length
    for (const message of sent) {
      if (this.#network.happens(faults.lossRate)) continue
      if (this.#network.happens(faults.duplicationRate)) this.#deliverLate(message)
      if (this.#network.happens(faults.reorderRate)) this.#deliverLate(message)
      else inOrder.push(message)
    }
    if (inOrder.length > 0) this.#deliver(channel, { kind: 'raft', messages: inOrder })
  }

  /** Behind all that went before. */
  #deliver(channel: Channel, frame: PeerFrame): void {
    const { clock } = this.#network
    const nowMs = clock.nowMs()
    channel.lastArrivalMs = Math.max(nowMs + this.#network.delayMs(), channel.lastArrivalMs)
    channel.onTheWay.push({ frame: this.#encoded(frame), other: this.#other })
    clock.schedule(channel.lastArrivalMs - nowMs, () => {
      const first = channel.onTheWay.shift()
      if (first !== undefined) this.#arrive(first)
    })
  }

  /** By a way of its own. */
  #deliverLate(message: Message<Buffer>): void {
    const delivery = { frame: this.#encoded({ kind: 'raft', messages: [message] }), other: this.#other }
    const delayMs = this.#network.delayMs() * (1 + this.#network.random() * REORDER_DELAYS_MAX)
    this.#network.clock.schedule(delayMs, () => this.#arrive(delivery))
  }

  #encoded(frame: PeerFrame): PeerFrame {
    this.#own.stats.framesSent++
    if (frame.kind === 'raft') this.#own.stats.raftFramesSent++
    return overTheWire(frame)
  }

  #arrive({ frame, other }: Delivery): void {
    const listener = other?.listener ?? null
    if (other === null || listener === null || this.#network.isCut(this.#own.brokerId, other.brokerId)) return
    other.stats.framesReceived++
    if (frame.kind === 'news') listener.onNews(frame.news, frame.body, this.#own.brokerId)
    if (frame.kind !== 'raft') return
    if (!listener.mayReplicate(this.#presented)) {
      other.stats.messagesRefused += frame.messages.length
      return
    }
    for (const message of frame.messages) {
      other.stats.messagesReceived++
      listener.onMessage(message)
    }
  }

  #unreachable(reason: string): StratalogError {
    return unreachable(`broker ${this.brokerId}`, { reason, code: 'BROKER_NOT_AVAILABLE' }, this.address)
  }
}
