/**
 * A running hash over everything that happens in a run. Two runs of one seed must agree on it, on any machine.
 */

/** 64 bits in two lanes, fed with integers. */
export class TraceHash {
  #low = 0x811c9dc5 | 0
  #high = 0x9747b28c | 0

  /** Takes in an integer; of larger ones, the low 32 bits. */
  add(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x01000193)
    this.#high = Math.imul((this.#high ^ value) + (this.#low >>> 15), 0x85ebca6b)
  }

  /** The hash so far, as 16 hexadecimal digits. */
  digest(): string {
    return hex(this.#high) + hex(this.#low)
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0')
}
