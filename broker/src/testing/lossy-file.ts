/**
 * One file of {@link LossyFileSystem}: the real one, and the changes that only memory has.
 *
 * Invariant: reads see the real file with all changes applied in order; a sync applies those made before it began.
 * Syncs of one file run one after another.
 */
import type { FileHandle } from '../storage/file-system.ts'

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly length: number }

/** What a file lost. */
export interface FileLoss {
  readonly changeCount: number
  readonly bytes: number
  /** The first lost change was a write, and a beginning of it is there. */
  readonly isTorn: boolean
}

/** See the file's header. */
export class LossyFile {
  /** Changes when the file is renamed. */
  path: string
  readonly #handle: FileHandle
  readonly #onClosed: () => void
  #changes: Change[] = []
  #size: number
  #handleCount = 0
  #isNamed = true
  #isOpen = true
  #syncing: Promise<void> = Promise.resolve()

  /** @param onClosed it has neither handles nor changes any more */
  constructor(path: string, handle: FileHandle, size: number, onClosed: () => void) {
    this.path = path
    this.#handle = handle
    this.#size = size
    this.#onClosed = onClosed
  }

  get size(): number {
    return this.#size
  }

  /** Whether another handle may share it. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  retain(): void {
    this.#handleCount++
  }

  async release(): Promise<void> {
    this.#handleCount--
    await this.#closeIfUnused()
  }

  /** Its name is gone: no sync of others and no power cut concerns it. */
  abandon(): void {
    this.#isNamed = false
    void this.#closeIfUnused().catch(() => {})
  }

  write(bytes: Buffer, position: number): void {
    this.#changes.push({ kind: 'write', position, bytes })
    this.#size = Math.max(this.#size, position + bytes.length)
  }

  truncate(length: number): void {
    this.#changes.push({ kind: 'truncate', length })
    this.#size = length
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const wanted = Math.max(0, Math.min(buffer.length, this.#size - position))
    const target = buffer.subarray(0, wanted)
    const changes = [...this.#changes]
    const present = await this.#handle.read(target, position)
    target.fill(0, present)
    for (const change of changes) overlay(target, position, change)
    return wanted
  }

  /** Brings the changes made so far to the disk. Errors: those of the disk; the changes then stay in memory. */
  sync(): Promise<void> {
    const upTo = this.#changes.at(-1)
    const sync = this.#syncing.then(() => this.#syncTo(upTo))
    this.#syncing = sync.catch(() => {})
    return sync
  }

  /** Writes a beginning of the changes, and a part of the next one; the others are gone. */
  async lose(random: () => number): Promise<FileLoss> {
    await this.#syncing
    const kept = Math.floor(random() * (this.#changes.length + 1))
    const changes = this.#changes
    for (const change of changes.slice(0, kept)) await this.#apply(change)
    const lost = changes.slice(kept)
    const next = lost[0]
    const tornBytes = next?.kind === 'write' ? Math.floor(random() * next.bytes.length) : 0
    if (next?.kind === 'write' && tornBytes > 0) {
      await this.#handle.write([next.bytes.subarray(0, tornBytes)], next.position)
    }
    const bytes = lost.reduce((sum, change) => sum + (change.kind === 'write' ? change.bytes.length : 0), 0)
    return { changeCount: lost.length, bytes: bytes - tornBytes, isTorn: tornBytes > 0 }
  }

  async #syncTo(upTo: Change | undefined): Promise<void> {
    const count = upTo === undefined ? 0 : this.#changes.indexOf(upTo) + 1
    for (const change of this.#changes.slice(0, count)) await this.#apply(change)
    await this.#handle.datasync()
    this.#changes.splice(0, count)
    await this.#closeIfUnused()
  }

  async #apply(change: Change): Promise<void> {
    if (change.kind === 'truncate') await this.#handle.truncate(change.length)
    else await this.#handle.write([change.bytes], change.position)
  }

  async #closeIfUnused(): Promise<void> {
    if (!this.#isOpen || this.#handleCount > 0 || (this.#isNamed && this.#changes.length > 0)) return
    this.#isOpen = false
    this.#onClosed()
    await this.#handle.close()
  }
}

/** Applies a change to the part of the file that `target` holds from `position` on. */
function overlay(target: Uint8Array, position: number, change: Change): void {
  if (change.kind === 'truncate') {
    const from = Math.max(0, change.length - position)
    if (from < target.length) target.fill(0, from)
    return
  }
  const from = Math.max(position, change.position)
  const to = Math.min(position + target.length, change.position + change.bytes.length)
  if (from < to) target.set(change.bytes.subarray(from - change.position, to - change.position), from - position)
}
