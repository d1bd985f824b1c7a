/**
 * The simulator's own source of chance: small, fast, and the same on every machine.
 *
 * Algorithm: sfc32, seeded through splitmix32. Streams made with different labels from one seed do not overlap in
 * practice, so that drawing more in one place does not change what happens in another.
 */

/** A deterministic stream of numbers. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** @param seed an integer 0..2^53-1; @param label tells streams of one seed apart. */
  constructor(seed: number, label = 0) {
    const mix = splitmix32((seed ^ Math.floor(seed / 0x1_0000_0000) ^ Math.imul(label, 0x9e3779b9)) | 0)
    this.#a = mix()
    this.#b = mix()
    this.#c = mix()
    for (let i = 0; i < 12; i++) this.next()
  }

  /** A number in [0, 1), with 32 bits of chance. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return (sum >>> 0) / 0x1_0000_0000
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.next() * bound)
  }

  /** An integer in [min, max], both ends included. */
  between(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability
  }

  /** One element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** The elements in another order, as a new list. */
  shuffled<T>(list: readonly T[]): T[] {
    const result = list.slice()
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const kept = result[i]!
      result[i] = result[j]!
      result[j] = kept
    }
    return result
  }
}

function splitmix32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x9e3779b9) | 0
    let z = state ^ (state >>> 16)
    z = Math.imul(z, 0x21f0aaad)
    z ^= z >>> 15
    z = Math.imul(z, 0x735a2d97)
    return z ^ (z >>> 15)
  }
}
