/**
 * From values to bytes. A serialiser is any object with `serialize`; these are the common ones, and they can also
 * read, so that a consumer takes the same object.
 */
import type { RecordBytes } from '@stratalog/proto/records'

/** Makes bytes of a key or value. A string is stored as UTF-8. May throw: SERIALIZATION_FAILED then names the record. */
export interface Serialize<T> {
  readonly serialize: (value: T, topic: string) => RecordBytes
}

/** Makes a key or value of bytes. */
export interface Deserialize<T> {
  readonly deserialize: (bytes: Buffer, topic: string) => T
}

/** Both ways. */
export interface Serde<T> extends Serialize<T>, Deserialize<T> {}

/** What is stored as it is. */
export type Bytes = Uint8Array | string

/** Bytes and strings as they are; read as Buffer. The default. */
export const BYTES_SERDE: Serialize<Bytes> & Deserialize<Buffer> = {
  serialize: (value) => {
    if (typeof value === 'string' || value instanceof Uint8Array) return value
    throw new TypeError(`a string or Uint8Array is needed, not ${typeof value}; or give a serde`)
  },
  deserialize: (bytes) => bytes,
}

/** Strings as UTF-8. */
export const STRING_SERDE: Serde<string> = {
  serialize: (value) => {
    if (typeof value === 'string') return value
    throw new TypeError(`a string is needed, not ${typeof value}`)
  },
  deserialize: (bytes) => bytes.toString('utf8'),
}

/** Values as JSON text. */
export function jsonSerde<T>(): Serde<T> {
  return {
    serialize: (value) => {
      const text = JSON.stringify(value)
      if (text === undefined) throw new TypeError(`${typeof value} has no JSON form`)
      return text
    },
    deserialize: (bytes) => JSON.parse(bytes.toString('utf8')) as T,
  }
}
