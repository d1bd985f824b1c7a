/**
 * The frame that grpc-js copies each message into: 5 bytes of prefix and the message, in memory of its own outside of
 * V8's heap. Streams of bulk data allocate so much of it that V8's garbage collector runs for hardly anything else
 * (two fifths of a producer's time at 1 KiB records), so a stream's owner may free a frame that is certainly not
 * needed any more.
 *
 * Rests on grpc-js calling `copy(frame, 5)` of what a serialiser returned and on nothing else that it does with it, as
 * proto's GatheredMessage does; the exact version of grpc-js is pinned and a test frees frames of a real connection.
 */

/** Smaller frames may share memory with others, and are not worth it. */
const FREED_BYTES_MIN = 64 * 1024

/** ES2024, which every supported Node has; the workspace compiles for ES2023. */
interface TransferableBuffer extends ArrayBuffer {
  transfer(newByteLength: number): ArrayBuffer
}

/** The serialised message, which tells of the frame when it is copied into it. */
export function tellFrame(serialised: Buffer, onFramed: (frame: Uint8Array) => void): Buffer {
  const { length } = serialised
  const copy = (target: Uint8Array, start = 0): number => {
    const copied = serialised.copy(target, start)
    onFramed(target)
    return copied
  }
  return { length, byteLength: length, copy } as unknown as Buffer
}

/**
 * Frees a frame at once. Only for a message that the peer has answered and whose write is done: before, the socket may
 * still read it, also when its stream is over.
 */
export function freeFrame(frame: Uint8Array): void {
  const { buffer } = frame
  if (frame.length < FREED_BYTES_MIN || frame.length !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return
  ;(buffer as TransferableBuffer).transfer(0)
}
