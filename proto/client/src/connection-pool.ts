/**
 * All channels of one client, by broker address and purpose.
 *
 * Bound: brokers of the cluster times four purposes; a broker that moved to another address leaves its old, idle entry
 * behind until the client is closed.
 */
import { StratalogError } from '@stratalog/proto'
import { type BrokerAddress, formatAddress } from './address.ts'
import { BrokerConnection, type Purpose } from './connection.ts'
import type { ResolvedClientOptions } from './options.ts'

/** See the head of this file. */
export class ConnectionPool {
  readonly #options: ResolvedClientOptions
  readonly #connections = new Map<string, BrokerConnection>()
  #closed = false

  constructor(options: ResolvedClientOptions) {
    this.#options = options
  }

  /** The connection to a broker for a purpose; made, not yet connected, when new. Errors: CLIENT_CLOSED. */
  get(address: BrokerAddress, purpose: Purpose): BrokerConnection {
    if (this.#closed) throw new StratalogError('CLIENT_CLOSED')
    const key = `${purpose} ${formatAddress(address)}`
    let connection = this.#connections.get(key)
    if (connection === undefined) {
      connection = new BrokerConnection(address, purpose, this.#options)
      this.#connections.set(key, connection)
    }
    return connection
  }

  /** Closes every channel; nothing can be opened afterwards. */
  close(): void {
    this.#closed = true
    for (const connection of this.#connections.values()) connection.close()
    this.#connections.clear()
  }
}
