/**
 * The metadata on disk: the image as rows of the key-value store (metadata-rows.ts), changed together with the offset up to
 * which the metadata log is contained in them, in one synced batch.
 *
 * Invariant: rows and offset belong together after any crash, so that no record is applied twice or left out.
 */
import { type KeyValueStore, keysWithPrefix, type StoreOperation } from '../storage/key-value-store.ts'
import { MetadataError } from './metadata-error.ts'
import type { MetadataImage } from './metadata-image.ts'
import { imageOfRows, METADATA_ROW_PREFIX, rowChanges, type StoredMetadata } from './metadata-rows.ts'

/** Loads and changes the stored image. Owner: the metadata group, one change at a time. */
export class MetadataStore {
  readonly #store: KeyValueStore

  constructor(store: KeyValueStore) {
    this.#store = store
  }

  /** The stored image; empty in a new store. Errors: MetadataError for rows that cannot be read; those of the store. */
  async load(): Promise<StoredMetadata> {
    const rows: (readonly [string, Buffer])[] = []
    for await (const row of this.#store.iterate(keysWithPrefix(METADATA_ROW_PREFIX))) rows.push(row)
    return imageOfRows(rows)
  }

  /**
   * Makes the stored image `next`.
   *
   * @param before the image that is stored.
   * @param beside operations of other owners that must take effect in the same batch.
   * Durability: fsynced when it resolves. Errors: MetadataError, caused by the store's.
   */
  async apply(before: MetadataImage, next: MetadataImage, beside: readonly StoreOperation[] = []): Promise<void> {
    try {
      await this.#store.batch([...rowChanges(before, next), ...beside], { sync: true })
    } catch (cause) {
      throw new MetadataError('METADATA_STORAGE_FAILED', 'the change of metadata could not be stored', { cause })
    }
  }
}
