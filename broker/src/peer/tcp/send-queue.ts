/**
 * What one turn of the event loop has for one connection: it leaves as one frame of messages, and the other frames with it.
 *
 * Invariant: what waits here and in the socket stays within the limit, but for one message that is larger by itself.
 */
import type { Message } from 'raft-ts'
import { type EncodedFrame, encodeFrame, type PeerFrame } from '../frame-codec.ts'
import { messageSizeBytes } from '../message-codec.ts'
import type { PeerStats } from '../peer-stats.ts'
import type { DialedConnection } from './dialed-connection.ts'
import type { PeerLimits } from './peer-limits.ts'

/** See the file's header. Owner: a LinkSession. */
export class SendQueue {
  readonly #connection: DialedConnection
  readonly #limits: PeerLimits
  readonly #stats: PeerStats
  #messages: Message<Buffer>[] = []
  #frames: EncodedFrame[] = []
  #bytes = 0

  constructor(connection: DialedConnection, limits: PeerLimits, stats: PeerStats) {
    this.#connection = connection
    this.#limits = limits
    this.#stats = stats
  }

  /** @returns false when there is no room: nothing was taken. */
  addMessage(message: Message<Buffer>): boolean {
    const sizeBytes = messageSizeBytes(message)
    if (!this.#hasRoom(sizeBytes)) return false
    this.#messages.push(message)
    this.#bytes += sizeBytes
    return true
  }

  /** @returns false when there is no room: nothing was taken. */
  addFrame(frame: PeerFrame): boolean {
    const encoded = encodeFrame(frame)
    if (!this.#hasRoom(encoded.sizeBytes)) return false
    this.#frames.push(encoded)
    this.#bytes += encoded.sizeBytes
    return true
  }

  /** Hands everything to the socket, in one write. */
  flush(): void {
    if (this.#messages.length === 0 && this.#frames.length === 0) return
    const frames = this.#frames
    for (const messages of this.#cut()) {
      frames.push(encodeFrame({ kind: 'raft', messages }))
      this.#stats.raftFramesSent++
    }
    this.#stats.messagesSent += this.#messages.length
    this.#messages = []
    this.#frames = []
    this.#bytes = 0
    this.#connection.send(frames)
  }

  /** Messages that have not gone to the socket; the queue is empty then. */
  takeUnsent(): Message<Buffer>[] {
    const unsent = this.#messages
    this.#messages = []
    this.#frames = []
    this.#bytes = 0
    return unsent
  }

  #hasRoom(sizeBytes: number): boolean {
    const waitingBytes = this.#bytes + this.#connection.queuedBytes
    return waitingBytes === 0 || waitingBytes + sizeBytes <= this.#limits.queuedBytesMax
  }

  /** The messages in runs of a frame each: one, unless they are very many or large. */
  #cut(): Message<Buffer>[][] {
    const { framePayloadBytes, frameMessagesMax } = this.#limits
    if (this.#messages.length === 0) return []
    if (this.#bytes <= framePayloadBytes && this.#messages.length <= frameMessagesMax) return [this.#messages]
    const runs: Message<Buffer>[][] = []
    let run: Message<Buffer>[] = []
    let runBytes = 0
    for (const message of this.#messages) {
      const sizeBytes = messageSizeBytes(message)
      if (run.length > 0 && (runBytes + sizeBytes > framePayloadBytes || run.length >= frameMessagesMax)) {
        runs.push(run)
        run = []
        runBytes = 0
      }
      run.push(message)
      runBytes += sizeBytes
    }
    runs.push(run)
    return runs
  }
}
