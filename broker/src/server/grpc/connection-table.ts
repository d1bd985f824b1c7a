/**
 * The broker's client connections: one listening socket, a bounded number of connections, their budgets.
 *
 * grpc-js tells a handler only its peer's address and port, which name a TCP connection while it lasts; the table
 * finds the rest by them. Owner: GrpcServer.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from '../../observability/logger.ts'
import { StartupError } from '../../startup-error.ts'
import { ByteBudget } from '../byte-budget.ts'
import type { ClientConnection } from '../call.ts'

/** Bounds of connections. */
export interface ConnectionLimits {
  readonly connectionsMax: number
  readonly produceUnansweredBytes: number
  readonly fetchOutstandingBytes: number
}

/** Accepts connections and knows them. */
export class ConnectionTable {
  readonly #limits: ConnectionLimits
  readonly #logger: Logger
  readonly #accept: (socket: Socket) => void
  readonly #listener: Server
  readonly #connections = new Map<string, Connection>()
  readonly #emptyListeners: Array<() => void> = []
  #refusedCount = 0
  /** Accepted before the broker is ready; `null` once it is. */
  #held: Socket[] | null = []

  /** @param accept takes each accepted socket on. */
  constructor(limits: ConnectionLimits, logger: Logger, accept: (socket: Socket) => void) {
    this.#limits = limits
    this.#logger = logger
    this.#accept = accept
    this.#listener = createServer({ noDelay: true }, (socket) => this.#onConnection(socket))
  }

  /** Connections now open. */
  get size(): number {
    return this.#connections.size
  }

  /** Begins to accept, and holds what comes until {@link admit}. @param port 0 takes any free one. Errors: StartupError PORT_IN_USE, LISTEN_FAILED. */
  listen(host: string, port: number): Promise<{ host: string; port: number }> {
    return new Promise((resolve, reject) => {
      this.#listener.once('error', (error: NodeJS.ErrnoException) => reject(listenError(host, port, error)))
      this.#listener.listen({ host, port }, () => {
        this.#listener.on('error', (error) => this.#logger.error({ error }, 'listening socket failed'))
        const address = this.#listener.address()
        const bound = typeof address === 'object' && address !== null ? address : { address: host, port }
        resolve({ host: bound.address, port: bound.port })
      })
    })
  }

  /** Hands on what was held, and from now on everything at once: the broker is ready. */
  admit(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const socket of held) if (!socket.destroyed) this.#accept(socket)
  }

  /** The connection of a call, by its peer; a connection that is just gone gets budgets of its own. */
  find(peer: string): ClientConnection {
    return this.#connections.get(peer) ?? new Connection(null, peer, this.#limits)
  }

  /** Accepts no more; connections stay. */
  close(): void {
    this.#listener.close()
  }

  /** Resolves when no connection is open. */
  whenEmpty(): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#emptyListeners.push(resolve))
  }

  /** Closes all connections at once. */
  destroyAll(): void {
    for (const connection of this.#connections.values()) connection.destroy()
  }

  #onConnection(socket: Socket): void {
    // Without a listener a reset connection would end the process.
    socket.on('error', () => socket.destroy())
    if (this.#connections.size >= this.#limits.connectionsMax) {
      this.#refuse(socket)
      return
    }
    const peer = `${socket.remoteAddress}:${socket.remotePort}`
    this.#connections.set(peer, new Connection(socket, peer, this.#limits))
    socket.once('close', () => this.#forget(peer))
    if (this.#held === null) this.#accept(socket)
    else this.#held.push(socket)
  }

  #forget(peer: string): void {
    this.#connections.delete(peer)
    if (this.#connections.size === 0) for (const listener of this.#emptyListeners.splice(0)) listener()
  }

  #refuse(socket: Socket): void {
    socket.destroy()
    this.#refusedCount++
    // Powers of two: a flood of connections must not become a flood of log lines.
    if (Number.isInteger(Math.log2(this.#refusedCount))) {
      const { connectionsMax } = this.#limits
      this.#logger.warn({ connectionsMax, refusedCount: this.#refusedCount }, 'too many connections: refused one')
    }
  }
}

class Connection implements ClientConnection {
  readonly peer: string
  readonly localHost: string
  readonly localPort: number
  readonly produceBudget: ByteBudget
  readonly fetchBudget: ByteBudget
  readonly #socket: Socket | null

  constructor(socket: Socket | null, peer: string, limits: ConnectionLimits) {
    this.#socket = socket
    this.peer = peer
    this.localHost = withoutIpv4Mapping(socket?.localAddress ?? '')
    this.localPort = socket?.localPort ?? 0
    this.produceBudget = new ByteBudget(limits.produceUnansweredBytes)
    this.fetchBudget = new ByteBudget(limits.fetchOutstandingBytes)
  }

  destroy(): void {
    this.#socket?.destroy()
  }
}

/** `::ffff:10.0.0.1`, as a dual-stack socket sees an IPv4 client, is 10.0.0.1 to that client. */
function withoutIpv4Mapping(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
}

function listenError(host: string, port: number, error: NodeJS.ErrnoException): StartupError {
  const details = { host, port: String(port) }
  return error.code === 'EADDRINUSE'
    ? new StartupError('PORT_IN_USE', `port ${port} on ${host} is in use by another process`, { details, cause: error })
    : new StartupError('LISTEN_FAILED', `cannot listen on ${host}:${port}: ${error.message}`, { details, cause: error })
}
