/**
 * The peer network over TCP: what this broker sends goes over connections that it opens, what others send comes over
 * theirs.
 *
 * ```
 *  this broker                                  peer
 *   link   ── control: votes, heartbeats, acks, news, requests ──►  acceptor
 *          ◄─ answers, pongs ──
 *          ── bulk: appends, snapshots ──────────────────────────►
 *   acceptor ◄── control, bulk ───────────────────────────────── link
 * ```
 * All messages for one peer that are sent in one turn of the event loop leave as one frame for each connection, after the
 * turn: heartbeats of a thousand groups are one frame. See docs/peer-protocol.md. Owner: the broker; one per process.
 */
import { isDeepStrictEqual } from 'node:util'
import { invariant, StratalogError } from '@stratalog/proto'
import type { Message } from 'raft-ts'
import type { Logger } from '../../observability/logger.ts'
import { brokerOfNode } from '../../replication/raft-ids.ts'
import { type Clock, SYSTEM_CLOCK } from '../../replication/tick-loop.ts'
import type { PeerAddress, PeerAnswer, PeerIdentity, PeerListener, PeerNetwork } from '../peer-port.ts'
import { newPeerStats, type PeerStats } from '../peer-stats.ts'
import { STOPPING } from './accepted-connection.ts'
import { Acceptor } from './acceptor.ts'
import type { PeerContext } from './peer-context.ts'
import { PEER_LIMITS, type PeerLimits } from './peer-limits.ts'
import { PeerLink } from './peer-link.ts'
import { RefusalLog } from './refusal-log.ts'
import { requestAt } from './request-at.ts'
import { PLAIN_SOCKETS, type SocketFactory } from './socket-factory.ts'

/** Options of {@link TcpPeers.start}. */
export interface TcpPeersOptions {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  /** Who this broker is; asked for every handshake. Its broker id never changes. */
  readonly identity: () => PeerIdentity
  readonly logger: Logger
  /** Default: the clock of this process. */
  readonly clock?: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Default: without encryption. */
  readonly sockets?: SocketFactory
  readonly limits?: Partial<PeerLimits>
}

type Core = Omit<PeerContext, 'listener'>

/** See the file's header. */
export class TcpPeers implements PeerNetwork {
  /** The address that was bound. */
  readonly address: PeerAddress
  readonly #core: Core
  readonly #acceptor: Acceptor
  readonly #links = new Map<number, PeerLink>()
  readonly #aborts = new Set<() => void>()
  #addresses: ReadonlyMap<number, PeerAddress> = new Map()
  #context: PeerContext | null = null
  #unsent: Message<Buffer>[] = []
  #flush: NodeJS.Immediate | null = null
  #cancelTicks: (() => void) | null = null
  #isClosed = false

  private constructor(core: Core, acceptor: Acceptor, address: PeerAddress) {
    this.#core = core
    this.#acceptor = acceptor
    this.address = address
  }

  /** Binds; nothing else happens until {@link begin}. Errors: StartupError PORT_IN_USE, LISTEN_FAILED. */
  static async start(options: TcpPeersOptions): Promise<TcpPeers> {
    const { host, port, identity, logger, random, clock = SYSTEM_CLOCK, sockets = PLAIN_SOCKETS } = options
    const limits = { ...PEER_LIMITS, ...options.limits }
    const refusals = new RefusalLog(logger)
    const acceptor = new Acceptor(sockets, limits.connectionsMax)
    const address = await acceptor.listen({ host, port })
    const core = { identity, logger, random, clock, sockets, limits, refusals, stats: newPeerStats() }
    return new TcpPeers(core, acceptor, address)
  }

  /** Takes and opens connections from now on. Once. */
  begin(listener: PeerListener): void {
    invariant(this.#context === null && !this.#isClosed, 'the peer network begins once')
    const context = { ...this.#core, listener }
    this.#context = context
    this.#acceptor.begin(context, {
      directoryOf: (brokerId) => this.#links.get(brokerId)?.session?.peer?.directoryId ?? null,
      onPeerSeen: (brokerId) => this.#links.get(brokerId)?.retryNow(),
    })
    this.#cancelTicks = context.clock.every(context.limits.pingIntervalMs, () => this.#tick())
    this.setPeers(this.#addresses)
  }

  /** Totals since the start. */
  get stats(): Readonly<PeerStats> {
    return this.#core.stats
  }

  setPeers(peers: ReadonlyMap<number, PeerAddress>): void {
    const ownId = this.#core.identity().brokerId
    this.#addresses = new Map([...peers].filter(([brokerId]) => brokerId !== ownId))
    const context = this.#context
    if (context === null || this.#isClosed) return
    for (const link of [...this.#links.values()]) {
      const address = this.#addresses.get(link.brokerId)
      if (address === undefined) this.#drop(link, 'it is no peer any more')
      else if (!isDeepStrictEqual(address, link.address)) this.#drop(link, 'it has another address now')
    }
    for (const [brokerId, address] of this.#addresses) {
      if (!this.#links.has(brokerId)) this.#links.set(brokerId, this.#newLink(context, brokerId, address))
    }
  }

  send(message: Message<Buffer>): void {
    if (this.#isClosed) return
    const session = this.#links.get(brokerOfNode(message.to))?.session ?? null
    if (session === null || !session.send(message)) this.#unsent.push(message)
    this.#flushLater()
  }

  request(brokerId: number, kind: string, body: Buffer, timeoutMs: number): Promise<Buffer> {
    const session = this.#links.get(brokerId)?.session ?? null
    if (session === null) {
      return Promise.reject(new StratalogError('BROKER_NOT_AVAILABLE', `broker ${brokerId} is not connected`))
    }
    const problem = this.#bodyProblem(kind, body)
    if (problem !== null) return Promise.reject(problem)
    const answer = session.request(kind, body, timeoutMs)
    this.#flushLater()
    return answer
  }

  requestAt(address: PeerAddress, kind: string, body: Buffer, timeoutMs: number): Promise<PeerAnswer> {
    const context = this.#context
    invariant(context !== null, 'the peer network has begun')
    if (this.#isClosed) return Promise.reject(new StratalogError('SHUTTING_DOWN'))
    const problem = this.#bodyProblem(kind, body)
    if (problem !== null) return Promise.reject(problem)
    let forget = (): void => undefined
    const answer = requestAt(context, { address, kind, body, timeoutMs }, (abort) => {
      this.#aborts.add(abort)
      forget = () => this.#aborts.delete(abort)
    })
    return answer.finally(() => forget())
  }

  news(kind: string, body: Buffer, to?: number): void {
    invariant(body.length <= this.#core.limits.bodyBytesMax, () => `news of ${body.length} bytes`)
    const links = to === undefined ? this.#links.values() : [this.#links.get(to)]
    for (const link of links) link?.session?.news(kind, body)
    this.#flushLater()
  }

  isUp(brokerId: number): boolean {
    return (this.#links.get(brokerId)?.session ?? null) !== null
  }

  /** Presents this broker anew to all peers: it belongs to a cluster now. */
  announce(): void {
    for (const link of this.#links.values()) link.session?.announce()
  }

  /** Closes every connection; requests that wait are rejected; the listener hears nothing more but of those. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#cancelTicks?.()
    if (this.#flush !== null) clearImmediate(this.#flush)
    for (const link of this.#links.values()) link.close(STOPPING)
    this.#links.clear()
    for (const abort of this.#aborts) abort()
    await this.#acceptor.close()
  }

  #newLink(context: PeerContext, brokerId: number, address: PeerAddress): PeerLink {
    return new PeerLink(context, brokerId, address, {
      onUp: (peer) => context.listener.onPeerUp(peer),
      onUnsent: (messages) => {
        for (const message of messages) this.#unsent.push(message)
        this.#flushLater()
      },
      onDown: () => {
        if (!this.#isClosed) context.listener.onPeerDown(brokerId)
      },
    })
  }

  /** The listener hears of it after the caller is done. */
  #drop(link: PeerLink, reason: string): void {
    this.#links.delete(link.brokerId)
    queueMicrotask(() => link.close(reason))
    this.#acceptor.drop(link.brokerId, reason)
  }

  #tick(): void {
    for (const link of this.#links.values()) link.tick()
    this.#acceptor.tick()
  }

  /** After all callbacks of this turn, those of other sockets included. */
  #flushLater(): void {
    this.#flush ??= setImmediate(() => this.#flushNow())
  }

  #flushNow(): void {
    this.#flush = null
    for (const link of this.#links.values()) link.session?.flush()
    const unsent = this.#unsent
    this.#unsent = []
    this.#core.stats.messagesUnsent += unsent.length
    for (const message of unsent) this.#context?.listener.onSendFailed(message)
  }

  #bodyProblem(kind: string, body: Buffer): StratalogError | null {
    const { bodyBytesMax } = this.#core.limits
    if (body.length <= bodyBytesMax) return null
    const text = `the body of ${kind} is ${body.length} bytes; the limit is ${bodyBytesMax}`
    return new StratalogError('MESSAGE_TOO_LARGE', text, { metadata: { limit: String(bodyBytesMax) } })
  }
}
