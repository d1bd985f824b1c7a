/** A batch of a consumer as the history writes it: runs of consecutive values, and what is no value of the run. */
import { decodeValue, type ValueRun } from '../../history/index.ts'

/** What a batch held. */
export interface BatchContent {
  readonly runs: readonly ValueRun[]
  readonly strange: readonly { readonly offset: number; readonly reason: string }[]
}

/** @param partition as the history calls it */
export function batchContent(
  partition: number,
  records: Iterable<{ readonly offset: number; readonly rawValue: Uint8Array | null }>,
): BatchContent {
  const runs: [number, number, number, number][] = []
  const strange: { offset: number; reason: string }[] = []
  for (const { offset, rawValue } of records) {
    const name = decodeValue(rawValue)
    if (typeof name === 'string') strange.push({ offset, reason: name })
    else if (name.partition !== partition) strange.push({ offset, reason: `a value of partition ${name.partition}` })
    else {
      const run = runs.at(-1)
      const isNext =
        run !== undefined && run[1] === name.producer && run[2] + run[3] === name.sequence && run[0] + run[3] === offset
      if (isNext) run[3]++
      else runs.push([offset, name.producer, name.sequence, 1])
    }
  }
  return { runs, strange }
}
