/**
 * The memory of one message that was sent, freed as soon as nobody needs it: when the broker has answered a batch of
 * it, and so has read all of it, and the write is done here. What is never answered is left to the garbage collector.
 */
import { freeFrame, type WriteListeners } from '@stratalog/client'

/** See the head of this file. */
export class SentFrame implements WriteListeners {
  #frame: Uint8Array | null = null
  #written = false
  #answered = false

  readonly onFramed = (frame: Uint8Array): void => {
    this.#frame = frame
  }

  readonly onWritten = (): void => {
    this.#written = true
    this.#freeIfDone()
  }

  /** The broker has answered a batch of the message. */
  answered(): void {
    this.#answered = true
    this.#freeIfDone()
  }

  #freeIfDone(): void {
    if (!this.#written || !this.#answered || this.#frame === null) return
    freeFrame(this.#frame)
    this.#frame = null
  }
}
