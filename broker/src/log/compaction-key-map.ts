/**
 * From keys to the offset of each key's last record, in a few bytes a key: open addressing in one array.
 *
 * ```
 *  entry, 24 bytes   [ key's name: 4 words ][ offset + 1: low word, high word ]       offset + 1 = 0: a free entry
 * ```
 * A key of up to 15 bytes is its own name; a longer one is named by 120 bits of its SHA-256, so two keys that are taken
 * for one another do not come up, by chance or on purpose. Source: Kafka SkimpyOffsetMap.
 */
import { hash } from 'node:crypto'
import { invariant } from '@stratalog/proto'

/** What a key takes, at most three quarters of the entries being used. */
export const KEY_BYTES = 32
const ENTRY_WORDS = 6
const LOW_WORD = 4
const HIGH_WORD = 5
const NAME_BYTES = 16
const SHORT_KEY_BYTES_MAX = 15
/** In the last byte of a name, where short keys have their length. */
const HASHED = 0xff
const TWO_32 = 0x1_0000_0000
const LOAD_MAX = 0.75

/** See the file's header. Owner: one round of compaction. */
export class KeyMap {
  readonly #entries: Uint32Array
  readonly #slotCount: number
  readonly #name = new Uint8Array(NAME_BYTES)
  readonly #words = new Uint32Array(this.#name.buffer)
  /** Keys that it has room for. */
  readonly keyCountMax: number
  #keyCount = 0

  /** @param keyCountMax at least 1; memory for that many is taken at once. */
  constructor(keyCountMax: number) {
    this.keyCountMax = Math.max(1, keyCountMax)
    this.#slotCount = Math.ceil(this.keyCountMax / LOAD_MAX) + 1
    this.#entries = new Uint32Array(this.#slotCount * ENTRY_WORDS)
  }

  get keyCount(): number {
    return this.#keyCount
  }

  /** Notes a record. A key's offsets must come in ascending order; there must be room. */
  put(key: Buffer, offset: number): void {
    this.#setName(key)
    const at = this.#find()
    const stored = offset + 1
    if (this.#isFree(at)) {
      invariant(this.#keyCount < this.keyCountMax, 'the key map is full')
      this.#keyCount++
      this.#entries.set(this.#words, at)
    }
    this.#entries[at + LOW_WORD] = stored % TWO_32
    this.#entries[at + HIGH_WORD] = Math.floor(stored / TWO_32)
  }

  /** Offset of the last record that was noted with that key; -1 if none. */
  get(key: Buffer): number {
    this.#setName(key)
    const at = this.#find()
    return this.#entries[at + HIGH_WORD]! * TWO_32 + this.#entries[at + LOW_WORD]! - 1
  }

  #setName(key: Buffer): void {
    const name = this.#name
    if (key.length <= SHORT_KEY_BYTES_MAX) {
      name.fill(0)
      name.set(key)
      name[SHORT_KEY_BYTES_MAX] = key.length
      return
    }
    hash('sha256', key, 'buffer').copy(name, 0, 0, SHORT_KEY_BYTES_MAX)
    name[SHORT_KEY_BYTES_MAX] = HASHED
  }

  /** The first word of the entry with the name, or of the free one where it belongs. */
  #find(): number {
    const entries = this.#entries
    const [a, b, c, d] = this.#words as unknown as [number, number, number, number]
    let slot = mix(a, b, c, d) % this.#slotCount
    for (;;) {
      const at = slot * ENTRY_WORDS
      if (this.#isFree(at)) return at
      if (entries[at] === a && entries[at + 1] === b && entries[at + 2] === c && entries[at + 3] === d) return at
      slot = slot + 1 === this.#slotCount ? 0 : slot + 1
    }
  }

  #isFree(at: number): boolean {
    return this.#entries[at + LOW_WORD] === 0 && this.#entries[at + HIGH_WORD] === 0
  }
}

/** Spreads names, which short keys make of digits and zeros, over all slots. */
function mix(a: number, b: number, c: number, d: number): number {
  let mixed =
    Math.imul(a, 0x85eb_ca6b) ^ Math.imul(b, 0xc2b2_ae35) ^ Math.imul(c, 0x27d4_eb2f) ^ Math.imul(d, 0x1656_67b1)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb_352d)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846c_a68b)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
