/**
 * Stays connected with one peer: a session after the other, with growing pauses while none comes about.
 */
import type { Message } from 'raft-ts'
import type { Refusal } from '../handshake.ts'
import type { PeerAddress, PeerIdentity } from '../peer-port.ts'
import { LinkSession } from './link-session.ts'
import type { PeerContext } from './peer-context.ts'

/** What the owner hears. */
export interface LinkListener {
  onUp(peer: PeerIdentity): void
  /** It was up and is no more. */
  onDown(): void
  /** Messages of a session that ended before they left. */
  onUnsent(messages: readonly Message<Buffer>[]): void
}

/** See the file's header. Owner: TcpPeers. */
export class PeerLink {
  readonly brokerId: number
  readonly address: PeerAddress
  readonly #context: PeerContext
  readonly #listener: LinkListener
  #session: LinkSession | null = null
  #failures = 0
  #cancelRetry: (() => void) | null = null
  #isClosed = false

  constructor(context: PeerContext, brokerId: number, address: PeerAddress, listener: LinkListener) {
    this.brokerId = brokerId
    this.address = address
    this.#context = context
    this.#listener = listener
    this.#connect()
  }

  /** The session that is up. */
  get session(): LinkSession | null {
    return this.#session?.isUp ? this.#session : null
  }

  /** The peer has just shown that it lives: no more waiting. */
  retryNow(): void {
    if (this.#cancelRetry === null) return
    this.#cancelRetry()
    this.#connect()
  }

  /** One ping interval has passed. */
  tick(): void {
    this.#session?.tick()
  }

  /** Ends it for good. The listener hears of it at once if it was up. */
  close(reason: string): void {
    this.#isClosed = true
    this.#cancelRetry?.()
    this.#session?.close(reason)
  }

  #connect(): void {
    this.#cancelRetry = null
    let wasUp = false
    this.#session = new LinkSession(this.#context, this.brokerId, this.address, {
      onUp: (peer) => {
        wasUp = true
        this.#failures = 0
        this.#context.logger.info({ peerId: peer.brokerId, ...this.address }, 'connected with a broker')
        this.#listener.onUp(peer)
      },
      onDown: (refusal, unsent) => this.#onDown(refusal, unsent, wasUp),
    })
  }

  #onDown(refusal: Refusal, unsent: Message<Buffer>[], wasUp: boolean): void {
    this.#session = null
    if (!this.#isClosed) {
      this.#report(refusal, wasUp)
      this.#retryLater()
    }
    if (unsent.length > 0) this.#listener.onUnsent(unsent)
    if (wasUp) this.#listener.onDown()
  }

  #report({ reason }: Refusal, wasUp: boolean): void {
    const details = { peerId: this.brokerId, ...this.address }
    if (wasUp) this.#context.logger.warn({ ...details, reason }, 'the connection with a broker broke')
    else this.#context.refusals.warn(`cannot connect with broker ${this.brokerId}`, reason, details)
  }

  /** Half of the pause is chance, so that brokers that lost one another do not dial in step. */
  #retryLater(): void {
    const { limits, clock, random } = this.#context
    const pauseMs = Math.min(limits.reconnectMaxMs, limits.reconnectMinMs * 2 ** Math.min(this.#failures, 30))
    this.#failures++
    this.#cancelRetry = clock.schedule(pauseMs * (0.5 + random() / 2), () => this.#connect())
  }
}
