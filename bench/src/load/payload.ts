/**
 * Values for load: half random bytes, half repeated text, so that they are neither incompressible nor empty, with a
 * sequence number in front by which a reader proves that every record came once and in order.
 */

const POOL_SIZE = 1024
const SEQUENCE_BYTES = 4
const DUE_AT = SEQUENCE_BYTES
const TEXT = Buffer.from('{"carrier":"stratalog","origin":"ABQ","destination":"SFO","delay":-3} ')

/** Makes values of one size. */
export class PayloadPool {
  readonly #values: Buffer[] = []

  /** @param valueBytes size of each value, at least 4 */
  constructor(valueBytes: number, seed = 1) {
    let state = seed
    for (let i = 0; i < POOL_SIZE; i++) {
      const value = Buffer.alloc(valueBytes, TEXT)
      for (let at = SEQUENCE_BYTES; at < valueBytes / 2; at++) {
        // xorshift32: repeatable and quick; nothing here needs more.
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        value[at] = state
      }
      this.#values.push(value)
    }
  }

  /** The value number `sequence`; valid until the pool comes round, POOL_SIZE calls later. */
  value(sequence: number): Buffer {
    const value = this.#values[sequence % POOL_SIZE]
    if (value === undefined) throw new RangeError(`sequence ${sequence}`)
    value.writeUInt32LE(sequence, 0)
    return value
  }
}

/** The sequence number in front of a value. */
export function sequenceOf(value: Buffer): number {
  return value.readUInt32LE(0)
}

/** Smallest value that has room for the moment at which it is due. */
export const STAMPED_VALUE_BYTES_MIN = DUE_AT + 8

/** Writes into a value when it was due to be sent, in ns of the machine's monotonic clock. */
export function stampDue(value: Buffer, dueNs: number): void {
  value.writeDoubleLE(dueNs, DUE_AT)
}

/** When the value was due to be sent. */
export function dueOf(value: Buffer): number {
  return value.readDoubleLE(DUE_AT)
}
