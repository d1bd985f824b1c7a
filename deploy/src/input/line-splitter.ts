/**
 * Splits a byte stream into lines at `\n` and at nothing else: carriage returns, NULs and invalid UTF-8 are content.
 *
 * Invariant: the lines joined by `\n` are the input, but for a newline at its very end, which ends the last line and
 * starts no other. Memory: the chunk being split and one unfinished line of at most `lineBytesMax`.
 * No I/O: chunks are pushed in and lines come out.
 */
import { CommandError } from '../command-error.ts'

const NEWLINE = 0x0a

/** Cuts chunks into lines. */
export class LineSplitter {
  readonly #lineBytesMax: number
  #pieces: Buffer[] = []
  #pendingBytes = 0
  #lineCount = 0

  /** @param lineBytesMax longest line accepted, in bytes. */
  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  /** Lines handed out so far: inside the loop over `push`, the number of the current line, counted from 1. */
  get lineCount(): number {
    return this.#lineCount
  }

  /**
   * The lines that `chunk` completes. They are views of the chunk where they lie in it whole, so the chunk must not be
   * reused while they are.
   *
   * Errors: `INPUT_INVALID` for a line above the limit.
   */
  *push(chunk: Buffer): Generator<Buffer, void, undefined> {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const tail = chunk.subarray(start, end)
      start = end + 1
      yield this.#complete(tail)
    }
    if (start === chunk.length) return
    this.#pendingBytes += chunk.length - start
    this.#checkLength(this.#pendingBytes)
    this.#pieces.push(chunk.subarray(start))
  }

  /** The last line if it has no newline, else `null`. */
  end(): Buffer | null {
    return this.#pieces.length === 0 ? null : this.#complete(Buffer.alloc(0))
  }

  #complete(tail: Buffer): Buffer {
    this.#checkLength(this.#pendingBytes + tail.length)
    this.#lineCount += 1
    if (this.#pieces.length === 0) return tail
    const line = Buffer.concat([...this.#pieces, tail])
    this.#pieces = []
    this.#pendingBytes = 0
    return line
  }

  #checkLength(bytes: number): void {
    if (bytes <= this.#lineBytesMax) return
    throw new CommandError(
      'INPUT_INVALID',
      `line ${this.#lineCount + 1} is longer than ${this.#lineBytesMax} bytes`,
      'a record is one line: check that the input is split at newlines',
    )
  }
}
