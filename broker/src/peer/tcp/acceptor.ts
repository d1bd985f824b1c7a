/**
 * Listens for peers, and knows the connections that they opened.
 *
 * Invariant: at most one control and one bulk connection of a broker id count; a newer one takes the place of an older
 * one from the same data folder. Two folders under one id are two brokers by mistake: the second is refused.
 */
import type { Server, Socket } from 'node:net'
import { StartupError } from '../../startup-error.ts'
import type { ChannelKind } from '../frame-codec.ts'
import type { Refusal } from '../handshake.ts'
import type { PeerAddress, PeerIdentity } from '../peer-port.ts'
import { AcceptedConnection, STOPPING } from './accepted-connection.ts'
import type { PeerContext } from './peer-context.ts'
import type { SocketFactory } from './socket-factory.ts'

/** What the owner is asked and hears. */
export interface AcceptorListener {
  /** The data folder of a broker that this one is connected with, if it is. */
  directoryOf(brokerId: number): string | null
  /** A peer has opened its control connection, so it can be dialled. */
  onPeerSeen(brokerId: number): void
}

/** Intervals of silence after which an accepted connection is given up, in peer timeouts: its peer goes first. */
const SILENT_TIMEOUTS_MAX = 15

/** See the file's header. Owner: TcpPeers. */
export class Acceptor {
  readonly #server: Server
  readonly #connections = new Set<AcceptedConnection>()
  #context: PeerContext | null = null
  #listener: AcceptorListener | null = null
  /** Accepted before {@link begin}. */
  #held: Socket[] = []
  readonly #connectionsMax: number

  constructor(sockets: SocketFactory, connectionsMax: number) {
    this.#connectionsMax = connectionsMax
    this.#server = sockets.createServer((socket) => this.#onSocket(socket))
  }

  /** Binds, and holds what comes until {@link begin}. Errors: StartupError PORT_IN_USE, LISTEN_FAILED. */
  listen({ host, port }: PeerAddress): Promise<PeerAddress> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(host, port, error)))
      this.#server.listen({ host, port }, () => {
        this.#server.removeAllListeners('error')
        this.#server.on('error', (error) => this.#context?.logger.error({ error }, 'the peer socket failed'))
        const address = this.#server.address()
        const bound = typeof address === 'object' && address !== null ? address : { address: host, port }
        resolve({ host: bound.address, port: bound.port })
      })
    })
  }

  /** Takes connections, the held ones first. */
  begin(context: PeerContext, listener: AcceptorListener): void {
    this.#context = context
    this.#listener = listener
    for (const socket of this.#held.splice(0)) if (!socket.destroyed) this.#accept(socket, context)
  }

  /** One ping interval has passed. */
  tick(): void {
    if (this.#context === null) return
    const { peerTimeoutMs, pingIntervalMs } = this.#context.limits
    const ticksMax = Math.ceil((SILENT_TIMEOUTS_MAX * peerTimeoutMs) / pingIntervalMs)
    for (const connection of this.#connections) connection.tick(ticksMax)
  }

  /** Closes what a broker has opened. */
  drop(brokerId: number, reason: string): void {
    for (const connection of this.#connections) {
      if (connection.peer?.brokerId === brokerId && connection.channel !== 'request') connection.close(reason)
    }
  }

  /** Accepts no more and closes everything. */
  close(): Promise<void> {
    for (const socket of this.#held.splice(0)) socket.destroy()
    for (const connection of this.#connections) connection.close(STOPPING)
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  #onSocket(socket: Socket): void {
    if (this.#connections.size + this.#held.length >= this.#connectionsMax) {
      socket.on('error', () => socket.destroy())
      socket.destroy()
      this.#context?.refusals.warn('refused a connection', `${this.#connectionsMax} are open already`, {})
      return
    }
    if (this.#context !== null) {
      this.#accept(socket, this.#context)
      return
    }
    // Without a listener a reset connection would end the process. Nothing is read until somebody listens for it.
    socket.on('error', () => socket.destroy())
    this.#held.push(socket)
  }

  #accept(socket: Socket, context: PeerContext): void {
    const connection = new AcceptedConnection(context, socket, {
      admit: (newcomer, channel, peer) => this.#admit(newcomer, channel, peer),
      onClosed: (closed) => this.#connections.delete(closed),
    })
    this.#connections.add(connection)
  }

  #admit(newcomer: AcceptedConnection, channel: ChannelKind, peer: PeerIdentity): Refusal | null {
    if (channel === 'request') return null
    const refusal = this.#secondBroker(peer)
    if (refusal !== null) return refusal
    for (const other of this.#connections) {
      if (other === newcomer || other.channel !== channel || other.peer?.brokerId !== peer.brokerId) continue
      other.close('a newer connection takes its place')
    }
    if (channel === 'control') this.#listener?.onPeerSeen(peer.brokerId)
    return null
  }

  /** Whether the id is in use by another broker that is alive. */
  #secondBroker({ brokerId, directoryId }: PeerIdentity): Refusal | null {
    const directories = [this.#listener?.directoryOf(brokerId) ?? null]
    for (const { peer, channel, silentTicks } of this.#connections) {
      if (peer?.brokerId !== brokerId || channel === 'request') continue
      if (silentTicks <= this.#silentTicksMax()) directories.push(peer.directoryId)
    }
    const other = directories.find((each) => each !== null && each !== directoryId) ?? null
    if (other === null) return null
    const reason = `two brokers have the id ${brokerId}: one with directory ${other} is connected, this one has ${directoryId}`
    return { reason, code: 'BROKER_NOT_AVAILABLE' }
  }

  #silentTicksMax(): number {
    const limits = this.#context?.limits
    return limits === undefined ? 0 : Math.ceil(limits.peerTimeoutMs / limits.pingIntervalMs)
  }
}

function listenError(host: string, port: number, error: NodeJS.ErrnoException): StartupError {
  const details = { host, port: String(port) }
  const options = { details, cause: error }
  return error.code === 'EADDRINUSE'
    ? new StartupError('PORT_IN_USE', `port ${port} on ${host} (for other brokers) is in use`, options)
    : new StartupError('LISTEN_FAILED', `cannot listen on ${host}:${port} for other brokers: ${error.message}`, options)
}
