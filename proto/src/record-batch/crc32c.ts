/**
 * CRC-32C of a byte range: the native build where it is installed, else JavaScript; chosen once, at load.
 *
 * Both give the same result (tested against each other). Short ranges stay in JavaScript either way, as the call
 * into native code costs more than they do.
 */
import { crc32cJs } from './crc32c-js.ts'
import { loadNative } from './native-module.ts'

interface NativeCrc {
  crc32c(input: Uint8Array, initialState?: number): number
}

const native = loadNative<NativeCrc>('@node-rs/crc32')
/** Below this many bytes JavaScript wins (measured on x64). */
const NATIVE_BYTES_MIN = 384

/** Whether CRCs of longer ranges are computed by native code. */
export const crc32cIsNative: boolean = native !== null

/**
 * CRC-32C of `buffer[start, end)` as uint32.
 *
 * @param seed the CRC of the bytes before, to continue from; 0 at the beginning.
 */
export function crc32c(buffer: Uint8Array, start = 0, end: number = buffer.length, seed = 0): number {
  if (native === null || end - start < NATIVE_BYTES_MIN) return crc32cJs(buffer, start, end, seed)
  const range = start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end)
  return native.crc32c(range, seed)
}
