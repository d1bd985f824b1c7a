/**
 * A serialised message that stays in several pieces until grpc-js frames it.
 *
 * grpc-js allocates the frame (5 bytes of prefix and the message) and copies the message into it; of what a
 * serialiser returns it uses only `length`/`byteLength` and `copy(target, start)`. A batch of a megabyte is thus
 * copied once instead of three times. The exact version of grpc-js is pinned and a test sends one of these over a
 * real connection.
 */
export class GatheredMessage {
  readonly #pieces: readonly Uint8Array[]
  /** Bytes of all pieces. */
  readonly length: number

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces
    let length = 0
    for (const piece of pieces) length += piece.length
    this.length = length
  }

  get byteLength(): number {
    return this.length
  }

  /** Writes all pieces to `target` from `start` on; like `Buffer.copy`, returns the bytes written. */
  copy(target: Uint8Array, start = 0): number {
    let position = start
    for (const piece of this.#pieces) {
      target.set(piece, position)
      position += piece.length
    }
    return position - start
  }

  /** The pieces joined, for those who need plain bytes. */
  toBuffer(): Buffer {
    const joined = Buffer.allocUnsafe(this.length)
    this.copy(joined)
    return joined
  }
}
