/**
 * In which order splits are read: the partitions in turn, so that several leaders and disks are busy at once; within a
 * partition by offset. It follows from the manifest alone. Pure.
 */
import type { ReplaySplit } from '../manifest.ts'

/** The splits in reading order. */
export function orderSplits(splits: readonly ReplaySplit[]): ReplaySplit[] {
  const byPartition = new Map<string, ReplaySplit[]>()
  for (const split of splits) {
    const key = `${split.topic}/${split.partition}`
    const own = byPartition.get(key)
    if (own === undefined) byPartition.set(key, [split])
    else own.push(split)
  }
  for (const own of byPartition.values()) own.sort((a, b) => a.startOffset - b.startOffset)
  const order: ReplaySplit[] = []
  for (let round = 0; order.length < splits.length; round++) {
    for (const own of byPartition.values()) {
      const split = own[round]
      if (split !== undefined) order.push(split)
    }
  }
  return order
}
