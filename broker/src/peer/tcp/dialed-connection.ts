/**
 * A connection that this broker opens: dial, shake hands, then frames. It is done with once it closes; whoever wants to go on dials anew.
 */
import type { ChannelKind, EncodedFrame, Hello, PeerFrame } from '../frame-codec.ts'
import { type Refusal, refusalOf } from '../handshake.ts'
import type { PeerAddress, PeerIdentity } from '../peer-port.ts'
import { FrameConnection } from './frame-connection.ts'
import { helloFrame, type PeerContext, refusalIn } from './peer-context.ts'

/** Whom to dial, and why. */
export interface DialTarget {
  readonly address: PeerAddress
  readonly channel: ChannelKind
  /** Who must answer there; null for whoever does. */
  readonly brokerId: number | null
}

/** What the owner hears. */
export interface DialListener {
  /** Hands are shaken. */
  onReady(peer: PeerIdentity): void
  /** An answer: the only thing that comes this way. */
  onAnswer(frame: Extract<PeerFrame, { kind: 'answer' | 'error' }>): void
  /** Once, at the end, whether or not it was ever ready. */
  onClosed(refusal: Refusal): void
}

/** See the file's header. */
export class DialedConnection {
  readonly #context: PeerContext
  readonly #target: DialTarget
  readonly #listener: DialListener
  readonly #connection: FrameConnection
  readonly #cancelTimeout: () => void
  #peer: PeerIdentity | null = null
  #refusal: Refusal | null = null
  #receivedBytes = 0
  #silentTicks = 0

  constructor(context: PeerContext, target: DialTarget, listener: DialListener) {
    this.#context = context
    this.#target = target
    this.#listener = listener
    const { handshakeTimeoutMs } = context.limits
    const socket = context.sockets.connect(target.address, () =>
      this.#connection.sendFrame(helloFrame(context, target.channel)),
    )
    this.#connection = new FrameConnection(socket, context.limits, context.stats, {
      onFrame: (frame) => this.#onFrame(frame),
      onClosed: (reason) => this.#onClosed(reason),
    })
    this.#cancelTimeout = context.clock.schedule(handshakeTimeoutMs, () =>
      this.#connection.destroy(`no handshake within ${handshakeTimeoutMs} ms`),
    )
  }

  /** Who answered; null until then. */
  get peer(): PeerIdentity | null {
    return this.#peer
  }

  /** See {@link FrameConnection.queuedBytes}. */
  get queuedBytes(): number {
    return this.#connection.queuedBytes
  }

  send(frames: readonly EncodedFrame[]): void {
    this.#connection.send(frames)
  }

  /** Presents this broker anew. */
  announce(): void {
    this.#connection.sendFrame(helloFrame(this.#context, this.#target.channel))
  }

  /** One interval has passed: asks for a sign of life, and closes after too long a silence. @param ticksMax intervals. */
  tick(ticksMax: number): void {
    const { receivedBytes } = this.#connection
    this.#silentTicks = receivedBytes === this.#receivedBytes ? this.#silentTicks + 1 : 0
    this.#receivedBytes = receivedBytes
    if (this.#silentTicks <= ticksMax) this.#connection.sendFrame({ kind: 'ping' })
    else this.close(`it was silent for ${this.#silentTicks * this.#context.limits.pingIntervalMs} ms`)
  }

  /** Closes at once. */
  close(reason: string): void {
    this.#connection.destroy(reason)
  }

  #onFrame(frame: PeerFrame): void {
    if (frame.kind === 'hello') {
      this.#onHello(frame.hello)
    } else if (frame.kind === 'refusal') {
      this.#refuse(refusalIn(frame))
    } else if (this.#peer !== null && (frame.kind === 'answer' || frame.kind === 'error')) {
      this.#listener.onAnswer(frame)
    } else if (frame.kind !== 'pong') {
      this.#connection.destroy(`a frame of kind ${frame.kind} came where none belongs`)
    }
  }

  #onHello(hello: Hello): void {
    const { listener, identity } = this.#context
    const refusal = refusalOf(hello, {
      own: identity(),
      brokerId: this.#peer?.brokerId ?? this.#target.brokerId,
      refusal: (peer) => listener.refusal(peer),
    })
    const isFirst = this.#peer === null
    if (refusal !== null) this.#refuse(refusal)
    else this.#peer = hello.identity
    if (refusal !== null || !isFirst) return
    this.#cancelTimeout()
    this.#connection.trust()
    this.#listener.onReady(hello.identity)
  }

  #refuse(refusal: Refusal): void {
    this.#refusal = refusal
    this.#connection.destroy(refusal.reason)
  }

  #onClosed(reason: string): void {
    this.#cancelTimeout()
    this.#listener.onClosed(this.#refusal ?? { reason, code: 'BROKER_NOT_AVAILABLE' })
  }
}
