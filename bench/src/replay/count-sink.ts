/** A sink for the engine's workers that touches every record's key and value, and keeps nothing. */
import type { ReplaySplit, SplitHandler } from '@stratalog/consumer'

/** What the engine calls for each split. */
export function openSplit(_split: ReplaySplit): SplitHandler {
  let bytes = 0
  return {
    batch(batch) {
      batch.forEach(({ key, value }) => {
        bytes += (key?.length ?? 0) + (value?.length ?? 0)
      })
    },
    close() {
      if (bytes < 0) throw new Error('a sum of lengths is negative')
    },
  }
}
