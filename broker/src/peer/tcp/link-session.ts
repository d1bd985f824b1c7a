/**
 * The two connections to a peer, from the dial to the end of either: small messages never wait behind bulk data.
 *
 * They live and die together, so a peer is either up or not. Owner: a PeerLink.
 */
import { StratalogError } from '@stratalog/proto'
import type { Message } from 'raft-ts'
import type { Refusal } from '../handshake.ts'
import type { PeerAddress, PeerIdentity } from '../peer-port.ts'
import { PendingRequests } from '../pending-requests.ts'
import { unreachable } from '../request-errors.ts'
import { DialedConnection, type DialListener } from './dialed-connection.ts'
import type { PeerContext } from './peer-context.ts'
import { SendQueue } from './send-queue.ts'

/** What the owner hears. */
export interface SessionListener {
  onUp(peer: PeerIdentity): void
  /** Once, at the end, whether or not it was ever up. @param unsent messages that did not leave. */
  onDown(refusal: Refusal, unsent: Message<Buffer>[]): void
}

/** See the file's header. */
export class LinkSession {
  readonly #context: PeerContext
  readonly #whom: string
  readonly #address: PeerAddress
  readonly #listener: SessionListener
  readonly #requests: PendingRequests
  readonly #control: DialedConnection
  readonly #bulk: DialedConnection
  readonly #controlQueue: SendQueue
  readonly #bulkQueue: SendQueue
  #state: 'connecting' | 'up' | 'down' = 'connecting'

  constructor(context: PeerContext, brokerId: number, address: PeerAddress, listener: SessionListener) {
    this.#context = context
    this.#whom = `broker ${brokerId}`
    this.#address = address
    this.#listener = listener
    this.#requests = new PendingRequests(context.clock)
    const events: DialListener = {
      onReady: () => this.#onReady(),
      onAnswer: (frame) => this.#requests.settle(frame.id, frame.kind === 'error' ? frame.error : frame.body),
      onClosed: (refusal) => this.#end(refusal),
    }
    const { limits, stats } = context
    this.#control = new DialedConnection(context, { address, channel: 'control', brokerId }, events)
    this.#bulk = new DialedConnection(context, { address, channel: 'bulk', brokerId }, events)
    this.#controlQueue = new SendQueue(this.#control, limits, stats)
    this.#bulkQueue = new SendQueue(this.#bulk, limits, stats)
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  /** Who is on the other side, as last presented. */
  get peer(): PeerIdentity | null {
    return this.#control.peer
  }

  /** Takes a message for the next flush. @returns false when it is not up or has no room. */
  send(message: Message<Buffer>): boolean {
    return this.#state === 'up' && (isBulk(message) ? this.#bulkQueue : this.#controlQueue).addMessage(message)
  }

  /** Takes news for the next flush. */
  news(kind: string, body: Buffer): void {
    if (this.#state === 'up') this.#controlQueue.addFrame({ kind: 'news', news: kind, body })
  }

  /** Takes a request for the next flush. Errors: see Peers.request. */
  request(kind: string, body: Buffer, timeoutMs: number): Promise<Buffer> {
    if (this.#state !== 'up') return Promise.reject(this.#unavailable('it is not connected'))
    if (this.#requests.count >= this.#context.limits.requestsMax) {
      const waiting = `${this.#requests.count} requests to ${this.#whom} wait for an answer`
      return Promise.reject(new StratalogError('OVERLOADED', waiting))
    }
    return this.#requests.begin(this.#whom, kind, timeoutMs, (id) => {
      if (this.#controlQueue.addFrame({ kind: 'request', id, request: kind, body })) return
      this.#requests.settle(id, new StratalogError('OVERLOADED', `too much waits to be sent to ${this.#whom}`))
    })
  }

  /** Hands the turn's messages to the sockets: one frame for each connection. */
  flush(): void {
    if (this.#state !== 'up') return
    this.#controlQueue.flush()
    this.#bulkQueue.flush()
  }

  /** One ping interval has passed. */
  tick(): void {
    if (this.#state !== 'up') return
    const { peerTimeoutMs, bulkTimeoutMs, pingIntervalMs } = this.#context.limits
    this.#control.tick(Math.ceil(peerTimeoutMs / pingIntervalMs))
    this.#bulk.tick(Math.ceil(bulkTimeoutMs / pingIntervalMs))
  }

  /** Presents this broker anew. */
  announce(): void {
    if (this.#state !== 'up') return
    this.#control.announce()
    this.#bulk.announce()
  }

  /** Ends it; the listener hears of it at once. */
  close(reason: string): void {
    this.#end({ reason, code: 'BROKER_NOT_AVAILABLE' })
  }

  #onReady(): void {
    const [control, bulk] = [this.#control.peer, this.#bulk.peer]
    if (control === null || bulk === null) return
    if (control.directoryId !== bulk.directoryId || control.runs.at(-1) !== bulk.runs.at(-1)) {
      this.close('its two connections lead to different brokers')
    } else if (this.#state === 'connecting') {
      this.#state = 'up'
      this.#listener.onUp(control)
    }
  }

  #end(refusal: Refusal): void {
    if (this.#state === 'down') return
    this.#state = 'down'
    this.#control.close(refusal.reason)
    this.#bulk.close(refusal.reason)
    this.#requests.failAll(() => unreachable(this.#whom, refusal, this.#address))
    this.#listener.onDown(refusal, [...this.#controlQueue.takeUnsent(), ...this.#bulkQueue.takeUnsent()])
  }

  #unavailable(reason: string): StratalogError {
    return unreachable(this.#whom, { reason, code: 'BROKER_NOT_AVAILABLE' }, this.#address)
  }
}

/** Appends stay in order among themselves, with entries or without, so that none seems to come from the future. */
function isBulk({ type }: Message<Buffer>): boolean {
  return type === 'append' || type === 'snapshot' || type === 'forward-proposal'
}
