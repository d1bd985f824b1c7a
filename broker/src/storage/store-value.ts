/**
 * The envelope of every stored value, as LevelDB checks nothing by default:
 * ```
 * 0 version int8 = 1   1 crc uint32 (CRC-32C of key and payload)   5 payload
 * ```
 * The key is part of the checksum, so a value that turns up under another key is damage as well.
 */
import { crc32c } from '@stratalog/proto/records'
import { StoreError } from './key-value-store.ts'

const VALUE_VERSION = 1
const VALUE_OVERHEAD_BYTES = 5

/** Wraps a payload for storing under `key`. */
export function sealValue(key: string, payload: Buffer): Buffer {
  const sealed = Buffer.allocUnsafe(VALUE_OVERHEAD_BYTES + payload.length)
  sealed[0] = VALUE_VERSION
  sealed.writeUInt32BE(checksum(key, payload), 1)
  payload.copy(sealed, VALUE_OVERHEAD_BYTES)
  return sealed
}

/** Checks and unwraps; the payload is a view of `sealed`. Errors: STORE_VALUE_CORRUPT. */
export function openValue(path: string, key: string, sealed: Buffer): Buffer {
  if (sealed.length < VALUE_OVERHEAD_BYTES) throw corrupt(path, key, `is ${sealed.length} bytes long`)
  if (sealed[0] !== VALUE_VERSION) throw corrupt(path, key, `has format version ${sealed[0]}, not ${VALUE_VERSION}`)
  const payload = sealed.subarray(VALUE_OVERHEAD_BYTES)
  if (sealed.readUInt32BE(1) !== checksum(key, payload)) throw corrupt(path, key, 'does not match its checksum')
  return payload
}

function checksum(key: string, payload: Buffer): number {
  const covered = Buffer.concat([Buffer.from(key), payload])
  return crc32c(covered, 0, covered.length)
}

function corrupt(path: string, key: string, what: string): StoreError {
  return new StoreError('STORE_VALUE_CORRUPT', `the value of ${key} in ${path} ${what}`, {
    path,
    hint: 'The store is damaged. Restore the data folder from a copy, or replace this broker by an empty one.',
  })
}
