/**
 * From the bytes of a key or a value to the application's type.
 *
 * A deserialiser never sees null: a null key or value is null for the application too.
 */

/**
 * Turns bytes into a `T`; may throw, which becomes SERIALIZATION_FAILED naming topic, partition and offset. The serdes
 * of `@stratalog/producer` fit as they are.
 */
export interface Deserializer<T> {
  /** @param bytes a view on the batch: copy it to keep it beyond the record. */
  readonly deserialize: (bytes: Buffer, topic: string) => T
}

/** The bytes themselves, uncopied. What is used when none is given. */
export const bufferDeserializer: Deserializer<Buffer> = { deserialize: (bytes) => bytes }

/** UTF-8 text; bytes that are not UTF-8 become U+FFFD. */
export const stringDeserializer: Deserializer<string> = { deserialize: (bytes) => bytes.toString('utf8') }

/** JSON in UTF-8. The type is the caller's word: nothing is validated. */
export function jsonDeserializer<T = unknown>(): Deserializer<T> {
  return { deserialize: (bytes) => JSON.parse(bytes.toString('utf8')) as T }
}
