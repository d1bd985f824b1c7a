/**
 * A connection that a peer opened: its messages, news and requests come in here, its answers go out.
 */

import type { Socket } from 'node:net'
import { StratalogError } from '@stratalog/proto'
import type { Message } from 'raft-ts'
import { brokerOfNode } from '../../replication/raft-ids.ts'
import { type ChannelKind, encodeFrame, type Hello, type PeerFrame } from '../frame-codec.ts'
import { type Refusal, refusalOf } from '../handshake.ts'
import type { PeerIdentity } from '../peer-port.ts'
import { errorToSend } from '../request-errors.ts'
import { FrameConnection } from './frame-connection.ts'
import { helloFrame, type PeerContext } from './peer-context.ts'

/** What the owner is asked and hears. */
export interface AcceptListener {
  /** Whether a peer with a good hello is welcome beside the others that are connected. Asked once. */
  admit(connection: AcceptedConnection, channel: ChannelKind, peer: PeerIdentity): Refusal | null
  onClosed(connection: AcceptedConnection): void
}

/** See the file's header. Owner: the Acceptor. */
export class AcceptedConnection {
  readonly #context: PeerContext
  readonly #listener: AcceptListener
  readonly #connection: FrameConnection
  readonly #cancelTimeout: () => void
  #channel: ChannelKind | null = null
  #peer: PeerIdentity | null = null
  #requestCount = 0
  #receivedBytes = 0
  #silentTicks = 0

  constructor(context: PeerContext, socket: Socket, listener: AcceptListener) {
    this.#context = context
    this.#listener = listener
    const { handshakeTimeoutMs } = context.limits
    this.#connection = new FrameConnection(socket, context.limits, context.stats, {
      onFrame: (frame) => this.#onFrame(frame),
      onClosed: (reason) => this.#onClosed(reason),
    })
    this.#cancelTimeout = context.clock.schedule(handshakeTimeoutMs, () =>
      this.#connection.destroy(`no hello within ${handshakeTimeoutMs} ms`),
    )
  }

  /** Who opened it; null before the handshake. */
  get peer(): PeerIdentity | null {
    return this.#peer
  }

  get channel(): ChannelKind | null {
    return this.#channel
  }

  /** Ping intervals since anything came. */
  get silentTicks(): number {
    return this.#silentTicks
  }

  /** One ping interval has passed: closes after too long a silence. @param ticksMax intervals. */
  tick(ticksMax: number): void {
    const { receivedBytes } = this.#connection
    this.#silentTicks = receivedBytes === this.#receivedBytes ? this.#silentTicks + 1 : 0
    this.#receivedBytes = receivedBytes
    if (this.#silentTicks > ticksMax) this.close('it was silent for too long')
  }

  /** Closes at once. */
  close(reason: string): void {
    this.#connection.destroy(reason)
  }

  #onFrame(frame: PeerFrame): void {
    const peer = this.#peer
    if (frame.kind === 'hello') this.#onHello(frame.hello)
    else if (peer === null) this.#refuse(unavailable(`a frame of kind ${frame.kind} came before a hello`))
    else this.#onPeerFrame(frame, peer)
  }

  #onPeerFrame(frame: PeerFrame, peer: PeerIdentity): void {
    switch (frame.kind) {
      case 'raft':
        this.#onMessages(frame.messages, peer)
        break
      case 'ping':
        this.#connection.sendFrame({ kind: 'pong' })
        break
      case 'news':
        this.#context.listener.onNews(frame.news, frame.body, peer.brokerId)
        break
      case 'request':
        // An error that has no name is not caught: it ends the process.
        void this.#answer(frame, peer)
        break
      default:
        this.close(`a frame of kind ${frame.kind} came where none belongs`)
    }
  }

  #onHello(hello: Hello): void {
    const peer = hello.identity
    const refusal = this.#refusalOf(hello)
    if (refusal !== null) {
      this.#refuse(refusal, peer)
      return
    }
    this.#peer = peer
    this.#connection.sendFrame(helloFrame(this.#context, null))
  }

  #refusalOf(hello: Hello): Refusal | null {
    const { listener, identity } = this.#context
    const peer = hello.identity
    const refusal = refusalOf(hello, {
      own: identity(),
      brokerId: this.#peer?.brokerId ?? null,
      refusal: (each) => listener.refusal(each),
    })
    if (refusal !== null) return refusal
    if (this.#peer !== null) {
      const isSame = this.#peer.directoryId === peer.directoryId
      return isSame ? null : unavailable(`broker ${peer.brokerId} changed its directory within a connection`)
    }
    if (hello.channel === null) return unavailable('the hello does not say what it is for')
    const unwelcome = this.#listener.admit(this, hello.channel, peer)
    if (unwelcome !== null) return unwelcome
    this.#channel = hello.channel
    this.#cancelTimeout()
    this.#connection.trust()
    return null
  }

  /** A node is a broker's: whatever says otherwise comes from a broker that is mistaken about who it is. */
  #onMessages(messages: readonly Message<Buffer>[], peer: PeerIdentity): void {
    const { listener, identity, stats } = this.#context
    const ownId = identity().brokerId
    if (!listener.mayReplicate(peer)) {
      stats.messagesRefused += messages.length
      return
    }
    for (const message of messages) {
      if (brokerOfNode(message.from) !== peer.brokerId || brokerOfNode(message.to) !== ownId) {
        this.close(`a message from node ${message.from} to node ${message.to} came from broker ${peer.brokerId}`)
        return
      }
      stats.messagesReceived++
      listener.onMessage(message)
    }
  }

  async #answer({ id, request, body }: Extract<PeerFrame, { kind: 'request' }>, peer: PeerIdentity): Promise<void> {
    const { limits } = this.#context
    if (this.#requestCount >= limits.requestsMax) {
      const error = new StratalogError('OVERLOADED', `${this.#requestCount} requests of this peer are under way`)
      return this.#connection.sendFrame({ kind: 'error', id, error })
    }
    this.#requestCount++
    try {
      const answer = await this.#context.listener.onRequest(request, body, peer)
      if (answer.length > limits.bodyBytesMax) throw tooLarge(request, answer.length, limits.bodyBytesMax)
      this.#connection.send([encodeFrame({ kind: 'answer', id, body: answer })])
    } catch (error) {
      this.#connection.sendFrame({ kind: 'error', id, error: this.#errorFor(error, request, peer) })
    } finally {
      this.#requestCount--
    }
  }

  #errorFor(error: unknown, request: string, peer: PeerIdentity): StratalogError {
    const sent = errorToSend(error, request)
    if (sent !== error) this.#context.logger.error({ error, request, peer }, 'a request of a broker failed')
    return sent
  }

  #refuse(refusal: Refusal, peer: PeerIdentity | null = null): void {
    const { reason, code } = refusal
    const details = { remote: this.#connection.remote, ...(peer === null ? {} : { peer }) }
    this.#context.refusals.warn('refused a connection of a broker', reason, details)
    this.#connection.sendLast({ kind: 'refusal', reason, code }, REFUSED)
  }

  #onClosed(reason: string): void {
    this.#cancelTimeout()
    if (this.#peer === null && reason !== REFUSED && reason !== STOPPING) {
      this.#context.refusals.warn('dropped a connection without a handshake', reason, {
        remote: this.#connection.remote,
      })
    } else if (this.#peer !== null && this.#channel !== 'request') {
      const details = { peerId: this.#peer.brokerId, channel: this.#channel, reason }
      this.#context.logger.debug(details, 'a connection of a broker ended')
    }
    this.#listener.onClosed(this)
  }
}

/** Why connections end that need no line of their own in the log. */
export const STOPPING = 'this broker stops'
const REFUSED = 'it was refused'

function unavailable(reason: string): Refusal {
  return { reason, code: 'BROKER_NOT_AVAILABLE' }
}

function tooLarge(request: string, bytes: number, limitBytes: number): StratalogError {
  const text = `the answer to ${request} is ${bytes} bytes; the limit is ${limitBytes}`
  return new StratalogError('MESSAGE_TOO_LARGE', text, { metadata: { limit: String(limitBytes) } })
}
