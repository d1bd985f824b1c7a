/**
 * What a disk keeps when its host stops: the model below {@link FakeFileSystem}.
 *
 * A file has its durable bytes and an ordered list of changes that only the page cache knows. A crash keeps any of
 * those changes, in the order in which they were made: none, all, a random part, or the last one torn. After a sync that
 * failed no later one makes durable what it was to, as on Linux. Names are kept in a journal, as file systems do it: a
 * crash keeps a beginning of it. Deterministic by seed.
 */
import { FileBytes } from './file-bytes.ts'

/** What of the unsynced changes survives a crash. */
export type CrashLoss =
  | { readonly keep: 'all' }
  | { readonly keep: 'none' }
  /** Each write is kept or lost by a coin; of the names a random beginning of the journal is kept. */
  | { readonly keep: 'random'; readonly seed: number }
  /** Everything is kept, but of the last unsynced write only its first `bytes` (or that fraction of it, below 1). */
  | { readonly keep: 'torn'; readonly bytes: number }
  /** Everything is kept, but of the last unsynced write, or that of each file, only some of its 512-byte sectors. */
  | { readonly keep: 'sectors'; readonly seed: number; readonly each?: boolean }

const SECTOR_BYTES = 512

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer; readonly serial: number }
  | { readonly kind: 'truncate'; readonly length: number; readonly serial: number }

/** A file's content, apart from its name. */
export class FakeInode {
  readonly #content: FileBytes
  readonly #durable: FileBytes
  #changes: Change[] = []
  /** Changes up to this serial were part of a sync that failed. */
  #lostSerial = -1
  #rewriteCount = 0

  constructor(durable: FileBytes = new FileBytes()) {
    this.#durable = durable
    this.#content = durable.clone()
  }

  /** As a reader sees it now; valid until the next change. */
  get content(): Buffer {
    return this.#content.view
  }

  /** What no crash takes away; valid until the next change. */
  get durable(): Buffer {
    return this.#durable.view
  }

  /** Grows whenever bytes that were there, durable or not, may have become others. */
  get rewriteCount(): number {
    return this.#rewriteCount
  }

  /** Changes that a crash may lose. */
  get unsyncedCount(): number {
    return this.#changes.length
  }

  /** Serial of the newest unsynced write, -1 if none. */
  get lastWriteSerial(): number {
    return this.#changes.findLast((change) => change.kind === 'write')?.serial ?? -1
  }

  /** @param bytes owned by the inode from here on. */
  write(position: number, bytes: Buffer, serial: number): void {
    if (position < this.#content.length) this.#rewriteCount++
    this.#change({ kind: 'write', position, bytes, serial })
  }

  truncate(length: number, serial: number): void {
    this.#rewriteCount++
    this.#change({ kind: 'truncate', length, serial })
  }

  /**
   * Makes the changes up to that serial durable: those since the sync began are not part of it, and those that a failed one
   * has lost are gone, as nothing lies on the disk in any order but the last.
   */
  syncUpTo(serial: number): void {
    const count = this.#changes.findLastIndex((change) => change.serial <= serial) + 1
    for (const change of this.#changes.splice(0, count)) {
      if (change.serial <= this.#lostSerial) continue
      if (change.kind === 'truncate' || change.position < this.#durable.length) this.#rewriteCount++
      applyChange(this.#durable, change)
    }
  }

  /** A sync of the changes up to that serial has failed: the page cache calls them clean, and never writes them again. */
  loseUpTo(serial: number): void {
    this.#lostSerial = Math.max(this.#lostSerial, serial)
  }

  /** Serial of the newest unsynced change, -1 if none. */
  get lastSerial(): number {
    return this.#changes.at(-1)?.serial ?? -1
  }

  /** A file whose durable bytes are what this one keeps after a crash. */
  afterCrash(loss: CrashLoss, random: () => number, tornSerial: number): FakeInode {
    const kept = this.#durable.clone()
    const last = loss.keep === 'sectors' && loss.each === true ? this.lastWriteSerial : tornSerial
    for (const change of this.#changes) {
      if (loss.keep === 'none' || (loss.keep === 'random' && random() < 0.5)) continue
      const torn = change.kind === 'write' && change.serial === last
      for (const part of torn ? tear(change, loss, random) : [change]) applyChange(kept, part)
    }
    return new FakeInode(kept)
  }

  /** The same file with the same unsynced changes. */
  clone(): FakeInode {
    const inode = new FakeInode(this.#durable.clone())
    for (const change of this.#changes) inode.#change(change)
    inode.#lostSerial = this.#lostSerial
    return inode
  }

  /** Changes a bit where it lies, as a failing disk does. */
  flipBit(position: number, bit: number): void {
    this.#rewriteCount++
    for (const bytes of [this.#content, this.#durable]) bytes.flipBit(position, bit)
  }

  /** Takes away all bytes from `length` on, synced or not, as a disk or a person may do behind everybody's back. */
  cut(length: number): void {
    this.#rewriteCount++
    this.#changes = []
    for (const bytes of [this.#content, this.#durable]) if (bytes.length > length) bytes.resize(length)
  }

  #change(change: Change): void {
    this.#changes.push(change)
    applyChange(this.#content, change)
  }
}

function tear(change: Extract<Change, { kind: 'write' }>, loss: CrashLoss, random: () => number): Change[] {
  const { bytes, position, serial } = change
  if (loss.keep === 'torn') {
    const length = loss.bytes < 1 ? Math.floor(bytes.length * loss.bytes) : Math.min(loss.bytes, bytes.length)
    return length === 0 ? [] : [{ kind: 'write', position, bytes: bytes.subarray(0, length), serial }]
  }
  if (loss.keep !== 'sectors') return [change]
  const parts: Change[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(SECTOR_BYTES - ((position + at) % SECTOR_BYTES), bytes.length - at)
    if (random() < 0.5)
      parts.push({ kind: 'write', position: position + at, bytes: bytes.subarray(at, at + length), serial })
    at += length
  }
  return parts
}

function applyChange(bytes: FileBytes, change: Change): void {
  if (change.kind === 'write') bytes.write(change.position, change.bytes)
  else bytes.resize(change.length)
}

type NameChange =
  | { readonly kind: 'link'; readonly path: string; readonly inode: FakeInode | null }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }

/** Names of files and folders (inode null), and the journal of those that are not synced. */
export class FakeNames {
  /** As a reader sees them now. */
  readonly current: Map<string, FakeInode | null> = new Map()
  /** Grows with every change. */
  changeCount = 0
  #durable = new Map<string, FakeInode | null>()
  #journal: { readonly folders: readonly string[]; readonly change: NameChange }[] = []

  /** Whether a crash that keeps nothing unsynced keeps this name. */
  isDurable(path: string): boolean {
    return this.#durable.has(path)
  }

  link(path: string, inode: FakeInode | null): void {
    this.#change([parentOf(path)], { kind: 'link', path, inode })
  }

  unlink(path: string): void {
    this.#change([parentOf(path)], { kind: 'unlink', path })
  }

  /** Moves a file, or a folder with all that is in it. */
  rename(from: string, to: string): void {
    this.#change([parentOf(from), parentOf(to)], { kind: 'rename', from, to })
  }

  /** Makes the journal durable up to the last change in the folder: a journal commits in order. */
  sync(folder: string): void {
    const last = this.#journal.findLastIndex((entry) => entry.folders.includes(folder))
    for (const { change } of this.#journal.splice(0, last + 1)) applyName(this.#durable, change)
  }

  /** The names after a crash, with the inodes' successors. */
  afterCrash(loss: CrashLoss, random: () => number, successor: (inode: FakeInode) => FakeInode): FakeNames {
    const kept =
      loss.keep === 'none' ? 0 : loss.keep === 'random' ? Math.floor(random() * (this.#journal.length + 1)) : Infinity
    const names = new Map(this.#durable)
    for (const { change } of this.#journal.slice(0, kept)) applyName(names, change)
    const result = new FakeNames()
    for (const [path, inode] of names) {
      const next = inode === null ? null : successor(inode)
      result.current.set(path, next)
      result.#durable.set(path, next)
    }
    return result
  }

  /** The same names and journal, with the inodes' successors. */
  clone(successor: (inode: FakeInode) => FakeInode): FakeNames {
    const next = (inode: FakeInode | null): FakeInode | null => (inode === null ? null : successor(inode))
    const result = new FakeNames()
    for (const [path, inode] of this.current) result.current.set(path, next(inode))
    for (const [path, inode] of this.#durable) result.#durable.set(path, next(inode))
    result.#journal = this.#journal.map(({ folders, change }) => ({
      folders,
      change: change.kind === 'link' ? { ...change, inode: next(change.inode) } : change,
    }))
    return result
  }

  #change(folders: readonly string[], change: NameChange): void {
    this.changeCount++
    this.#journal.push({ folders, change })
    applyName(this.current, change)
  }
}

function applyName(names: Map<string, FakeInode | null>, change: NameChange): void {
  if (change.kind === 'link') names.set(change.path, change.inode)
  else if (change.kind === 'unlink') names.delete(change.path)
  else {
    for (const [path, inode] of [...names]) {
      if (path !== change.from && !path.startsWith(`${change.from}/`)) continue
      names.delete(path)
      names.set(change.to + path.slice(change.from.length), inode)
    }
  }
}

/** The folder of a path with `/`. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash <= 0 ? '/' : path.slice(0, slash)
}

/** A small deterministic generator of numbers in [0, 1) (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
