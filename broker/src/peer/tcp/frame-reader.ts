/**
 * Cuts a stream of bytes into frames, within limits.
 *
 * A frame that lies whole in a received chunk is handed on as a view of it; one that does not is gathered in a Buffer of
 * exactly its size, so its bytes are copied once at most, however many chunks they come in.
 */
import { FRAME_PREFIX_BYTES } from '../frame-codec.ts'

/** Sizes beyond which a frame is refused before any memory is set aside for it. */
export interface FrameLimits {
  /** Header and payload together. */
  readonly frameBytesMax: number
  readonly headerBytesMax: number
}

/** Takes a frame. @returns false to stop: the rest of the chunk is dropped and nothing more must be pushed. */
export type FrameSink = (header: Buffer, payload: Buffer) => boolean

const HEADER_LENGTH_BYTES = 4

/** See the file's header. Owner: one connection. */
export class FrameReader {
  #limits: FrameLimits
  readonly #sink: FrameSink
  readonly #prefix: Buffer = Buffer.allocUnsafe(FRAME_PREFIX_BYTES)
  #prefixFilled = 0
  #headerBytes = 0
  /** Header and payload of the frame that is arriving; null between frames. */
  #frame: Buffer | null = null
  #frameFilled = 0

  constructor(limits: FrameLimits, sink: FrameSink) {
    this.#limits = limits
    this.#sink = sink
  }

  /** Other limits from the next frame on. */
  set limits(limits: FrameLimits) {
    this.#limits = limits
  }

  /** Takes bytes as they come. @returns why the stream must end, or null. */
  push(chunk: Buffer): string | null {
    let position = 0
    while (position < chunk.length) {
      if (this.#frame === null) {
        position = this.#takePrefix(chunk, position)
        if (this.#prefixFilled < FRAME_PREFIX_BYTES) return null
        const problem = this.#checkPrefix()
        if (problem !== null) return problem
        const frameBytes = this.#frameBytes()
        if (frameBytes <= chunk.length - position) {
          this.#prefixFilled = 0
          const end = position + frameBytes
          if (!this.#handOn(chunk.subarray(position, end))) return null
          position = end
          continue
        }
        this.#frame = Buffer.allocUnsafe(frameBytes)
        this.#frameFilled = 0
      }
      position = this.#fill(this.#frame, chunk, position)
      if (this.#frameFilled < this.#frame.length) return null
      const frame = this.#frame
      this.#frame = null
      this.#prefixFilled = 0
      if (!this.#handOn(frame)) return null
    }
    return null
  }

  #takePrefix(chunk: Buffer, position: number): number {
    const end = Math.min(chunk.length, position + FRAME_PREFIX_BYTES - this.#prefixFilled)
    chunk.copy(this.#prefix, this.#prefixFilled, position, end)
    this.#prefixFilled += end - position
    return end
  }

  #checkPrefix(): string | null {
    const { frameBytesMax, headerBytesMax } = this.#limits
    const lengthBytes = this.#prefix.readUInt32BE(0)
    this.#headerBytes = this.#prefix.readUInt32BE(HEADER_LENGTH_BYTES)
    const frameBytes = lengthBytes - HEADER_LENGTH_BYTES
    if (frameBytes > frameBytesMax) return `a frame of ${frameBytes} bytes exceeds the limit of ${frameBytesMax}`
    if (this.#headerBytes > headerBytesMax) {
      return `a frame header of ${this.#headerBytes} bytes exceeds the limit of ${headerBytesMax}`
    }
    if (this.#headerBytes > frameBytes) {
      return `a frame of ${lengthBytes} bytes claims a header of ${this.#headerBytes}`
    }
    return null
  }

  #frameBytes(): number {
    return this.#prefix.readUInt32BE(0) - HEADER_LENGTH_BYTES
  }

  #fill(frame: Buffer, chunk: Buffer, position: number): number {
    const end = Math.min(chunk.length, position + frame.length - this.#frameFilled)
    chunk.copy(frame, this.#frameFilled, position, end)
    this.#frameFilled += end - position
    return end
  }

  #handOn(frame: Buffer): boolean {
    return this.#sink(frame.subarray(0, this.#headerBytes), frame.subarray(this.#headerBytes))
  }
}
