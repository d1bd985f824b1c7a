/**
 * One socket that carries frames, whichever side opened it.
 *
 * Frames given in one go leave in one gathered write: small pieces are joined, large ones go from the very Buffers they
 * are in. Owner: a link or the acceptor; events come synchronously from the socket.
 */
import type { Socket } from 'node:net'
import { decodeFrame, type EncodedFrame, encodeFrame, type PeerFrame } from '../frame-codec.ts'
import type { PeerStats } from '../peer-stats.ts'
import { FrameReader } from './frame-reader.ts'
import type { PeerLimits } from './peer-limits.ts'

/** What the owner hears. */
export interface FrameConnectionListener {
  onFrame(frame: PeerFrame): void
  /** Once, at the end, for whatever cause; never within a call of the owner. @param reason a clause. */
  onClosed(reason: string): void
}

/** Pieces below this are joined with their neighbours: a copy of so little is cheaper than one more piece to gather. */
const JOINED_BYTES_MAX = 8 * 1024

/** See the file's header. */
export class FrameConnection {
  readonly #socket: Socket
  readonly #reader: FrameReader
  readonly #listener: FrameConnectionListener
  readonly #limits: PeerLimits
  readonly #stats: PeerStats
  /** The other side, for the log; a socket forgets it when it closes. */
  readonly remote: string
  #closeReason: string | null = null
  #receivedBytes = 0

  /** @param socket open, or on its way to be. */
  constructor(socket: Socket, limits: PeerLimits, stats: PeerStats, listener: FrameConnectionListener) {
    this.#socket = socket
    this.#listener = listener
    this.#limits = limits
    this.#stats = stats
    this.remote = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? '?'}`
    this.#reader = new FrameReader(limits.helloFrames, (header, payload) => this.#onFrame(header, payload))
    socket.on('data', (chunk) => this.#onData(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message))
    socket.on('end', () => this.#fail('the other side closed it'))
    socket.on('close', () => listener.onClosed(this.#closeReason ?? 'it was closed'))
  }

  /** Bytes written and not yet taken by the operating system. */
  get queuedBytes(): number {
    return this.#socket.writableLength
  }

  /** Bytes received so far: whoever looks again later sees whether the other side is silent. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** The handshake is done: larger frames may come. */
  trust(): void {
    this.#reader.limits = this.#limits.frames
  }

  /** Sends one frame. */
  sendFrame(frame: PeerFrame): void {
    this.send([encodeFrame(frame)])
  }

  /** Sends frames in one gathered write; drops them when the connection is closed. */
  send(frames: readonly EncodedFrame[]): void {
    if (this.#closeReason !== null) return
    this.#socket.cork()
    let joined: Buffer[] = []
    const writeJoined = (): void => {
      if (joined.length > 0) this.#socket.write(joined.length === 1 ? joined[0]! : Buffer.concat(joined))
      joined = []
    }
    for (const { head, payload, sizeBytes } of frames) {
      this.#stats.framesSent++
      this.#stats.bytesSent += sizeBytes
      joined.push(head)
      for (const chunk of payload) {
        if (chunk.length < JOINED_BYTES_MAX) joined.push(chunk)
        else {
          writeJoined()
          this.#socket.write(chunk)
        }
      }
    }
    writeJoined()
    this.#socket.uncork()
  }

  /** Says a last thing and closes. */
  sendLast(frame: PeerFrame, reason: string): void {
    if (this.#closeReason !== null) return
    const { head } = encodeFrame(frame)
    this.#closeReason = reason
    this.#socket.end(head, () => this.#socket.destroy())
  }

  /** Closes at once; what is queued is lost. @param reason a clause for {@link FrameConnectionListener.onClosed}. */
  destroy(reason: string): void {
    this.#closeReason ??= reason
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    if (this.#closeReason !== null) return
    this.#receivedBytes += chunk.length
    this.#stats.bytesReceived += chunk.length
    const problem = this.#reader.push(chunk)
    if (problem !== null) this.#fail(problem)
  }

  #onFrame(header: Buffer, payload: Buffer): boolean {
    this.#stats.framesReceived++
    const decoded = decodeFrame(header, payload)
    if (decoded.kind === 'malformed') {
      this.#fail(`a malformed frame: ${decoded.reason}`)
      return false
    }
    this.#listener.onFrame(decoded.frame)
    return this.#closeReason === null
  }

  #fail(reason: string): void {
    this.destroy(reason)
  }
}
