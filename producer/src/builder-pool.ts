/**
 * Builders for batches. A builder of a small batch is used again with its slab, so that many small batches allocate
 * only their own bytes; a large batch takes its slab along, and the next builder begins with a slab of that size
 * instead of growing to it.
 *
 * Bound: at most BUILDERS_MAX idle builders, each with a slab of at most a batch.
 */
import { type CompressionName, RecordBatchBuilder } from '@stratalog/proto/records'

const BUILDERS_MAX = 16
/** A batch up to this size is small. */
const SMALL_BYTES = 16 * 1024

/** See the head of this file. */
export class BuilderPool {
  readonly #codec: CompressionName
  readonly #compressionLevel: number | undefined
  readonly #idle: RecordBatchBuilder[] = []
  /** Size of recent large batches; halved by every small one. */
  #expectedBytes = SMALL_BYTES

  constructor(codec: CompressionName, compressionLevel: number | undefined) {
    this.#codec = codec
    this.#compressionLevel = compressionLevel
  }

  /** Whether batches are compressed, which takes a turn in the thread pool before they can be sent. */
  get compresses(): boolean {
    return this.#codec !== 'none'
  }

  /** An empty builder. */
  acquire(): RecordBatchBuilder {
    return (
      this.#idle.pop() ??
      new RecordBatchBuilder({
        codec: this.#codec,
        compressionLevel: this.#compressionLevel,
        initialBytes: this.#expectedBytes,
      })
    )
  }

  /** Takes a builder back whose batch is built. */
  release(builder: RecordBatchBuilder): void {
    if (builder.sizeBytes > SMALL_BYTES) {
      this.#expectedBytes = builder.sizeBytes
      return
    }
    this.#expectedBytes = Math.max(SMALL_BYTES, this.#expectedBytes >> 1)
    if (this.#idle.length >= BUILDERS_MAX) return
    builder.reset()
    this.#idle.push(builder)
  }
}
