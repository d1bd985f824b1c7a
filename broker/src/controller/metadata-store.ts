/**
 * The metadata on disk: the image as rows of the key-value store, changed together with its offset in one synced batch.
 *
 * Each row is a record that makes its part of the image anew, so that loading is replaying and there is one format:
 * ```
 * meta/applied            { metadataOffset }          meta/broker/<id>     broker-registered
 * meta/topic/<topic id>   topic-created, as it is now  meta/producer-ids    producer-ids-allocated
 * ```
 * Invariant: rows and offset belong together after any crash, so that no record is applied twice or left out.
 */
import { invariant, StratalogError } from '@stratalog/proto'
import { type KeyValueStore, keysWithPrefix, type StoreOperation } from '../storage/key-value-store.ts'
import { EMPTY_IMAGE, type MetadataImage, replay, type TopicImage } from './metadata-image.ts'
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecord } from './metadata-records.ts'

const PREFIX = 'meta/'
const APPLIED_KEY = `${PREFIX}applied`
const PRODUCER_IDS_KEY = `${PREFIX}producer-ids`

/** Loads and changes the stored image. Owner: the controller, one change at a time. */
export class MetadataStore {
  readonly #store: KeyValueStore

  constructor(store: KeyValueStore) {
    this.#store = store
  }

  /** The stored image; empty in a new store. Errors: those of the store. */
  async load(): Promise<MetadataImage> {
    const records: MetadataRecord[] = []
    let metadataOffset: number | null = null
    for await (const [key, value] of this.#store.iterate(keysWithPrefix(PREFIX))) {
      if (key === APPLIED_KEY) metadataOffset = (JSON.parse(value.toString()) as AppliedRow).metadataOffset
      else records.push(decodeMetadataRecord(value))
    }
    invariant(metadataOffset !== null || records.length === 0, 'the metadata rows have no offset')
    return { ...replay(EMPTY_IMAGE, records), metadataOffset: metadataOffset ?? 0 }
  }

  /**
   * Stores what `records` changed.
   *
   * @param next the image after them.
   * @param beside operations of other owners that must take effect in the same batch.
   * Durability: fsynced when it resolves. Errors: STORAGE_ERROR, caused by the store's.
   */
  async apply(
    records: readonly MetadataRecord[],
    next: MetadataImage,
    beside: readonly StoreOperation[] = [],
  ): Promise<void> {
    const applied: AppliedRow = { metadataOffset: next.metadataOffset }
    const operations: StoreOperation[] = records.map((record) => rowChange(record, next))
    operations.push({ kind: 'put', key: APPLIED_KEY, value: Buffer.from(JSON.stringify(applied)) }, ...beside)
    try {
      await this.#store.batch(operations, { sync: true })
    } catch (cause) {
      throw new StratalogError('STORAGE_ERROR', 'the change of metadata could not be stored', { cause })
    }
  }
}

interface AppliedRow {
  readonly metadataOffset: number
}

function rowChange(record: MetadataRecord, next: MetadataImage): StoreOperation {
  switch (record.type) {
    case 'topic-created':
    case 'topic-config-changed':
    case 'partitions-added':
    case 'topic-deleted': {
      const key = `${PREFIX}topic/${record.topicId}`
      const topic = next.topicsById.get(record.topicId)
      return topic === undefined ? { kind: 'delete', key } : put(key, topicRow(topic))
    }
    case 'producer-ids-allocated':
      return put(PRODUCER_IDS_KEY, record)
    case 'broker-registered':
      return put(`${PREFIX}broker/${record.brokerId}`, record)
  }
}

function topicRow(topic: TopicImage): MetadataRecord {
  const { name, topicId, partitions } = topic
  return { type: 'topic-created', name, topicId, partitions, configs: Object.fromEntries(topic.configs) }
}

function put(key: string, record: MetadataRecord): StoreOperation {
  return { kind: 'put', key, value: encodeMetadataRecord(record) }
}
