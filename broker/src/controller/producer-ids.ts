/**
 * Producer ids of this broker: handed out from blocks that it reserved for itself.
 *
 * Invariant: no id is handed out twice, on any broker: blocks do not overlap, and what is left of one after a restart is
 * never used.
 */
import type { ControllerAnswer } from './controller-protocol.ts'

/** Reserves a block: [firstProducerId, endProducerId) of the answer's result. */
export type ReserveBlock = () => Promise<ControllerAnswer>

/** See the file's header. */
export class ProducerIds {
  readonly #reserve: ReserveBlock
  #next = 0
  #end = 0
  /** The reservation under way, shared by all who wait for it. */
  #reservation: Promise<void> | null = null

  constructor(reserve: ReserveBlock) {
    this.#reserve = reserve
  }

  /** An id that nobody has had. Errors: those of the reservation. */
  async take(): Promise<number> {
    while (this.#next >= this.#end) {
      this.#reservation ??= this.#refill().finally(() => {
        this.#reservation = null
      })
      await this.#reservation
    }
    return this.#next++
  }

  async #refill(): Promise<void> {
    const { result } = await this.#reserve()
    this.#next = Number(result['firstProducerId'])
    this.#end = Number(result['endProducerId'])
  }
}
