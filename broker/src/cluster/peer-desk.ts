/**
 * Where everything that other brokers send arrives: Raft messages go to their groups, requests to their handlers, news to
 * whom it is for.
 *
 * Also tells the groups which brokers are gone and which are back: silent groups have no timers of their own running.
 * Owner: the broker.
 */
import { StratalogError } from '@stratalog/proto'
import type { Message } from 'raft-ts'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { PeerIdentity, PeerListener } from '../peer/peer-port.ts'
import type { RaftGroupTable } from '../replication/group-table.ts'
import type { BrokerDirectory } from './broker-directory.ts'

/** Answers one kind of request. */
export type RequestHandler = (body: Buffer, from: PeerIdentity) => Promise<Buffer>

/** What a desk is made of. */
export interface PeerDeskOptions {
  readonly directory: BrokerDirectory
  readonly groups: RaftGroupTable
  readonly handlers: ReadonlyMap<string, RequestHandler>
  /** News of a kind. @returns why it is none, else null. */
  readonly onNews: (kind: string, body: Buffer, from: number) => string | null
  /** A broker can be reached (again). */
  readonly onUp: (brokerId: number) => void
  /** Who can be reached has changed. */
  readonly onChange: () => void
  readonly logger: PartitionLogger
}

/** See the file's header. */
export class PeerDesk implements PeerListener {
  readonly #options: PeerDeskOptions
  readonly #up = new Map<number, PeerIdentity>()

  constructor(options: PeerDeskOptions) {
    this.#options = options
  }

  /** Whether a broker can be reached, in that very run. */
  isUpAs(brokerId: number, run: string): boolean {
    const peer = this.#up.get(brokerId)
    return peer?.runs.at(-1) === run
  }

  mayReplicate(peer: PeerIdentity): boolean {
    return this.#options.directory.mayReplicate(peer)
  }

  refusal(peer: PeerIdentity): string | null {
    return this.#options.directory.refusal(peer)
  }

  onMessage(message: Message<Buffer>): void {
    this.#options.groups.step(message)
  }

  onSendFailed(message: Message<Buffer>): void {
    this.#options.groups.sendFailed(message)
  }

  async onRequest(kind: string, body: Buffer, from: PeerIdentity): Promise<Buffer> {
    const handler = this.#options.handlers.get(kind)
    if (handler === undefined) throw new StratalogError('INVALID_REQUEST', `this broker knows no request ${kind}`)
    return await handler(body, from)
  }

  onNews(kind: string, body: Buffer, from: number): void {
    const defect = this.#options.onNews(kind, body, from)
    if (defect !== null) this.#options.logger.warn({ kind, from, defect }, 'news from another broker makes no sense')
  }

  onPeerUp(peer: PeerIdentity): void {
    const { groups, onUp, onChange, logger } = this.#options
    this.#up.set(peer.brokerId, peer)
    logger.info({ peer: peer.brokerId, version: peer.version }, 'a broker can be reached')
    groups.peerUp(peer.brokerId)
    onUp(peer.brokerId)
    onChange()
  }

  onPeerDown(brokerId: number): void {
    const { groups, onChange, logger } = this.#options
    this.#up.delete(brokerId)
    logger.warn({ peer: brokerId }, 'a broker cannot be reached')
    groups.peerLost(brokerId)
    onChange()
  }
}
