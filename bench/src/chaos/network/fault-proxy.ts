/**
 * Stands between the brokers: each broker's peers are given the proxy's port for it, and the proxy passes bytes on as
 * the rules of the links say. Who connects is told by the first frame.
 *
 * Without rules it is transparent. Owner: the proxy process; tests run it in their own.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { invariant } from '@stratalog/proto'
import { LinkPump } from './link-pump.ts'
import type { LinkFault, LinkRule } from './link-rules.ts'
import { helloBrokerId } from './peer-hello.ts'

/** A broker's own port, behind the proxy. */
export interface ProxyTarget {
  readonly brokerId: number
  /** The proxy's port for it; 0 = a free one. */
  readonly listenPort: number
  /** Where the broker listens. */
  readonly port: number
}

const HOST = '127.0.0.1'
const NO_RULE: LinkRule = {}

/** See the file's header. */
export class FaultProxy {
  readonly #servers = new Map<number, Server>()
  readonly #pumps = new Set<LinkPump>()
  readonly #sockets = new Set<Socket>()
  #rules = new Map<string, LinkRule>()

  /** Listens for all targets. */
  static async start(targets: readonly ProxyTarget[]): Promise<FaultProxy> {
    const proxy = new FaultProxy()
    for (const target of targets) await proxy.#listen(target)
    return proxy
  }

  /** Proxy port of a broker. */
  portOf(brokerId: number): number {
    const server = this.#servers.get(brokerId)
    invariant(server !== undefined, () => `broker ${brokerId} is no target`)
    return (server.address() as AddressInfo).port
  }

  /** Replaces all rules; of two for one link the last holds. */
  setRules(faults: readonly LinkFault[]): void {
    this.#rules = new Map(faults.map(({ from, to, rule }) => [`${from}>${to}`, rule]))
    for (const pump of this.#pumps) pump.look()
  }

  async close(): Promise<void> {
    for (const server of this.#servers.values()) server.close()
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all([...this.#servers.values()].map((server) => server.listening && once(server, 'close')))
  }

  async #listen(target: ProxyTarget): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket, target))
    server.listen(target.listenPort, HOST)
    await once(server, 'listening')
    this.#servers.set(target.brokerId, server)
  }

  #accept(client: Socket, target: ProxyTarget): void {
    this.#own(client)
    let hello = Buffer.alloc(0)
    const onData = (bytes: Buffer): void => {
      hello = Buffer.concat([hello, bytes])
      const source = helloBrokerId(hello)
      if (source === 'more') return
      client.off('data', onData)
      if (source === 'unknown') client.destroy()
      else this.#carry(client, source, target, hello)
    }
    client.on('data', onData)
  }

  #carry(client: Socket, source: number, target: ProxyTarget, hello: Buffer): void {
    const there = (): LinkRule => this.#rules.get(`${source}>${target.brokerId}`) ?? NO_RULE
    const back = (): LinkRule => this.#rules.get(`${target.brokerId}>${source}`) ?? NO_RULE
    if (there().isRefused === true || back().isRefused === true) {
      client.destroy()
      return
    }
    const server = connect({ host: HOST, port: target.port, noDelay: true })
    this.#own(server)
    const pumps = [new LinkPump(client, server, there), new LinkPump(server, client, back)]
    for (const pump of pumps) this.#pumps.add(pump)
    let openCount = 2
    for (const socket of [client, server]) {
      socket.once('close', () => {
        if (--openCount === 0) for (const pump of pumps) this.#pumps.delete(pump)
      })
    }
    pumps[0]!.take(hello)
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
