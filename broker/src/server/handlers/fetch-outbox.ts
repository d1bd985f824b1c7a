/**
 * What a fetch stream has on its way out, in bytes: reserved for reads, gathered for the next message, and written but
 * not yet taken by the network.
 *
 * All of it counts against the budgets of the connection and of the broker. A stream over budget still may have one
 * message under way, so that others cannot starve it.
 * Invariant: what was taken from the budgets is given back, at the latest when the outbox is closed.
 */
import type { stratalog } from '@stratalog/proto'
import type { ByteBudget } from '../byte-budget.ts'
import type { OutboundStream } from '../call.ts'

type FetchData = stratalog.v1.FetchData.$Properties

/** Size that messages are filled to, and that one read may have. */
export const MESSAGE_TARGET_BYTES: number = 1024 * 1024

/** See the file's header. Owner: one FetchSession. */
export class FetchOutbox {
  readonly #call: OutboundStream<stratalog.v1.FetchResponse.$Properties>
  readonly #budgets: readonly ByteBudget[]
  readonly #nowMs: () => number
  #data: FetchData[] = []
  #dataBytes = 0
  #outstandingBytes = 0
  #isWaiting = false
  #isClosed = false
  #lastProgressMs: number

  /** @param budget of the whole broker. */
  constructor(call: OutboundStream<stratalog.v1.FetchResponse.$Properties>, budget: ByteBudget, nowMs: () => number) {
    this.#call = call
    this.#budgets = [budget, call.connection.fetchBudget]
    this.#nowMs = nowMs
    this.#lastProgressMs = nowMs()
  }

  /** Whether nothing is gathered. */
  get isEmpty(): boolean {
    return this.#data.length === 0
  }

  /** Whether nothing more should be read or sent now. */
  get mustWait(): boolean {
    return this.#outstandingBytes > 0 && this.#budgets.some((budget) => budget.isOver)
  }

  /** Calls `wake` when other streams have given back enough; own bytes are told by the call's flushes. */
  whenRoom(wake: () => void): void {
    const over = this.#budgets.find((budget) => budget.isOver)
    if (this.#isWaiting || over === undefined) return
    this.#isWaiting = true
    over.whenHalf(() => {
      this.#isWaiting = false
      wake()
    })
  }

  /** How long written bytes have lain without any being taken, ms; 0 when there are none. */
  get stalledMs(): number {
    return this.#call.unflushedBytes === 0 ? 0 : this.#nowMs() - this.#lastProgressMs
  }

  /** Gathers an answer. @returns whether there is enough for a message, which is then sent. */
  put(data: FetchData, bytes: number): boolean {
    if (this.#isClosed) return false
    this.#data.push(data)
    this.#dataBytes += bytes
    this.take(bytes)
    if (this.#dataBytes < MESSAGE_TARGET_BYTES) return false
    this.send()
    return true
  }

  /** Sends what is gathered. */
  send(): void {
    if (this.#data.length === 0) return
    const data = this.#data
    const bytes = this.#dataBytes
    this.#data = []
    this.#dataBytes = 0
    if (this.#call.unflushedBytes === 0) this.#lastProgressMs = this.#nowMs()
    this.#call.write({ data }, bytes)
  }

  /** The network has taken bytes. */
  onFlush(bytes: number): void {
    this.#lastProgressMs = this.#nowMs()
    this.give(bytes)
  }

  /** Counts bytes as on their way: a read that has begun. */
  take(bytes: number): void {
    if (this.#isClosed) return
    this.#outstandingBytes += bytes
    for (const budget of this.#budgets) budget.take(bytes)
  }

  /** Uncounts them. */
  give(bytes: number): void {
    if (this.#isClosed) return
    this.#outstandingBytes -= bytes
    for (const budget of this.#budgets) budget.give(bytes)
  }

  /** Gives everything back; nothing is sent any more. */
  close(): void {
    this.give(this.#outstandingBytes)
    this.#isClosed = true
    this.#data = []
  }
}
