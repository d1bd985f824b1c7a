/** Steps to undo what was started, run in reverse; one that fails is logged and the others still run. */
import type { PartitionLogger } from './partition/partition-types.ts'

/** See the file's header. Owner: whoever starts things in order. */
export class Teardown {
  readonly #logger: PartitionLogger
  readonly #steps: Array<{ readonly what: string; readonly undo: () => void | Promise<void> }> = []

  constructor(logger: PartitionLogger) {
    this.#logger = logger
  }

  /** To be undone before what was added before it. */
  add(what: string, undo: () => void | Promise<void>): void {
    this.#steps.push({ what, undo })
  }

  /** Undoes everything; what was undone once is not undone again. */
  async run(): Promise<void> {
    for (const { what, undo } of this.#steps.splice(0).reverse()) {
      try {
        await undo()
      } catch (error) {
        this.#logger.error({ err: error }, `could not stop cleanly: ${what}`)
      }
    }
  }
}
