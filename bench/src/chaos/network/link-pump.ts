/**
 * One direction of a proxied connection: takes bytes from a socket and gives them to the other, as the link's rule says.
 *
 * Order is kept. Bound: beyond 1 MiB held back nothing more is read, as a full TCP window would have it.
 */
import type { Socket } from 'node:net'
import type { LinkRule } from './link-rules.ts'

const HELD_BYTES_MAX = 1024 * 1024

interface Piece {
  readonly bytes: Buffer
  readonly dueMs: number
}

/** See the file's header. */
export class LinkPump {
  readonly #from: Socket
  readonly #to: Socket
  readonly #rule: () => LinkRule
  readonly #held: Piece[] = []
  #heldBytes = 0
  #timer: NodeJS.Timeout | null = null
  #isEnded = false

  /** @param rule the link's rule now */
  constructor(from: Socket, to: Socket, rule: () => LinkRule) {
    this.#from = from
    this.#to = to
    this.#rule = rule
    from.on('data', (bytes) => this.take(bytes))
    from.on('end', () => this.#end())
    from.on('close', () => this.#end())
    from.on('error', () => this.#end())
    to.on('drain', () => this.look())
  }

  /** Bytes have come. */
  take(bytes: Buffer): void {
    const rule = this.#rule()
    if (chance(rule.resetChance)) {
      this.#from.destroy()
      this.#to.destroy()
      return
    }
    const stallMs = chance(rule.stallChance) ? (rule.stallMs ?? 0) : 0
    const delayMs = (rule.delayMs ?? 0) + Math.random() * (rule.jitterMs ?? 0) + stallMs
    const dueMs = Math.max(performance.now() + delayMs, this.#held.at(-1)?.dueMs ?? 0)
    this.#held.push({ bytes, dueMs })
    this.#heldBytes += bytes.length
    if (this.#heldBytes > HELD_BYTES_MAX) this.#from.pause()
    this.look()
  }

  /** Passes on what is due; to be called when the rule has changed. */
  look(): void {
    const rule = this.#rule()
    if (rule.isRefused === true) {
      this.#from.destroy()
      this.#to.destroy()
      return
    }
    if (rule.isCut === true) return
    const nowMs = performance.now()
    while (this.#held.length > 0 && this.#held[0]!.dueMs <= nowMs && !this.#to.writableNeedDrain) {
      const { bytes } = this.#held.shift()!
      this.#heldBytes -= bytes.length
      if (this.#to.writable) this.#to.write(bytes)
    }
    if (this.#heldBytes <= HELD_BYTES_MAX && !this.#isEnded) this.#from.resume()
    const next = this.#held[0]
    if (next === undefined) {
      // The end travels behind the bytes, and no more than they through a link that is cut.
      if (this.#isEnded) this.#to.destroy()
    } else if (next.dueMs > nowMs && this.#timer === null) {
      this.#timer = setTimeout(
        () => {
          this.#timer = null
          this.look()
        },
        Math.ceil(next.dueMs - nowMs),
      )
    }
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.look()
  }
}

function chance(probability: number | undefined): boolean {
  return probability !== undefined && Math.random() < probability
}
