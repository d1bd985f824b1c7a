/**
 * The port for what is small, keyed and must be atomic: Raft hard state and metadata.
 *
 * Keys are text, sorted by their UTF-8 bytes; each owner has a prefix (`raft/`, `meta/`, `local/`). Values are opaque.
 * A batch takes effect whole or not at all, also across a crash; with `sync` it is on disk when the promise resolves.
 */

/** One change of a batch. */
export type StoreOperation =
  | { readonly kind: 'put'; readonly key: string; readonly value: Buffer }
  | { readonly kind: 'delete'; readonly key: string }

/** Keys to visit, in order: `from` inclusive, `to` exclusive. */
export interface KeyRange {
  readonly from: string
  readonly to: string
}

/** A store of keys and values in one process. Calls may overlap; batches apply in the order of the calls. */
export interface KeyValueStore {
  /** The value, or null. Errors: STORE_VALUE_CORRUPT, STORE_FAILED. */
  get(key: string): Promise<Buffer | null>
  /** Applies all operations or none. Durability: fsynced with `sync`, else up to the operating system. Errors: STORE_FAILED. */
  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void>
  /** Visits a range as it was when the iteration began. Errors: STORE_VALUE_CORRUPT, STORE_FAILED. */
  iterate(range: KeyRange): AsyncIterable<readonly [key: string, value: Buffer]>
  /** Waits for what is under way. */
  close(): Promise<void>
}

/** All keys that begin with `prefix`. */
export function keysWithPrefix(prefix: string): KeyRange {
  return { from: prefix, to: `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}` }
}

/** What can go wrong with a store. */
export type StoreErrorCode = 'STORE_LOCKED' | 'STORE_OPEN_FAILED' | 'STORE_VALUE_CORRUPT' | 'STORE_FAILED'

/** An operational failure of the store; `hint` tells the operator what to do. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode
  readonly path: string
  readonly hint: string
  /** Always false: nothing here goes away by trying again in the same process. */
  readonly retriable = false

  constructor(code: StoreErrorCode, message: string, options: { path: string; hint: string; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.path = options.path
    this.hint = options.hint
  }
}
