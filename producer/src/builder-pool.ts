/**
 * Builders for batches, and the memory that they fill. A builder of a small batch is used again with its slab, so that
 * many small batches allocate only their own bytes. A large batch takes its slab along and gives it back once it is
 * acknowledged: memory outside of V8's heap is what makes its garbage collector run, far more often than objects do.
 *
 * Invariant: a slab that is given back is referenced by nobody else; who gives it back vouches for that.
 * Bound: at most BUILDERS_MAX idle builders, whose slabs, and the idle slabs, are at most IDLE_BYTES_MAX each. Idle
 * slabs are let go, one for each small batch.
 */
import { type CompressionName, RecordBatchBuilder } from '@stratalog/proto/records'

const BUILDERS_MAX = 16
const IDLE_BYTES_MAX = 8 * 1024 * 1024
/** A batch up to this size is small. */
const SMALL_BYTES = 16 * 1024
/** Sizes of new slabs are multiples of it, so that batches of about one size fit into each other's. */
const SLAB_STEP_BYTES = 64 * 1024

/** See the head of this file. */
export class BuilderPool {
  readonly #codec: CompressionName
  readonly #compressionLevel: number | undefined
  readonly #idle: RecordBatchBuilder[] = []
  readonly #slabs: Buffer[] = []
  #slabBytes = 0
  /** Size of recent large batches; halved by every small one. */
  #expectedBytes = SMALL_BYTES
  readonly #takeSlab = (bytesMin: number): Buffer | null => this.#reuse(bytesMin)

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
        takeSlab: this.#takeSlab,
      })
    )
  }

  /** Takes a builder back whose batch is built. */
  release(builder: RecordBatchBuilder): void {
    const small = builder.sizeBytes <= SMALL_BYTES
    if (small) {
      this.#expectedBytes = Math.max(SMALL_BYTES, this.#expectedBytes >> 1)
      this.#slabBytes -= this.#slabs.pop()?.length ?? 0
    } else {
      this.#expectedBytes = Math.ceil(builder.sizeBytes / SLAB_STEP_BYTES) * SLAB_STEP_BYTES
      if (!this.compresses) return
    }
    const count = this.#idle.length + 1
    if (count > BUILDERS_MAX || count * this.#expectedBytes > IDLE_BYTES_MAX) return
    builder.reset()
    this.#idle.push(builder)
  }

  /** Takes the memory of a batch back that is not needed any more, by nobody. */
  recycle(batch: Buffer): void {
    const { buffer } = batch
    const bytes = buffer.byteLength
    if (this.compresses || bytes <= SMALL_BYTES || bytes < this.#expectedBytes) return
    if (this.#slabBytes + bytes > IDLE_BYTES_MAX) return
    this.#slabBytes += bytes
    this.#slabs.push(Buffer.from(buffer))
  }

  #reuse(bytesMin: number): Buffer | null {
    const slab = this.#slabs.at(-1)
    if (slab === undefined || slab.length < bytesMin) return null
    if (Math.max(bytesMin, this.#expectedBytes) <= SMALL_BYTES) return null
    this.#slabs.pop()
    this.#slabBytes -= slab.length
    return slab
  }
}
