/** Histories of several clients as one, by time. Each input must be in order of `at`; ties keep the inputs' order. */
import type { HistoryEvent } from './history-event.ts'

/** Merges; holds one event of each input. */
export async function* mergeEvents(inputs: readonly AsyncIterable<HistoryEvent>[]): AsyncGenerator<HistoryEvent> {
  const heads: { readonly iterator: AsyncIterator<HistoryEvent>; event: HistoryEvent }[] = []
  for (const input of inputs) {
    const iterator = input[Symbol.asyncIterator]()
    const { done, value } = await iterator.next()
    if (done !== true) heads.push({ iterator, event: value })
  }
  while (heads.length > 0) {
    let least = 0
    for (let index = 1; index < heads.length; index++) {
      if (heads[index]!.event.at < heads[least]!.event.at) least = index
    }
    const head = heads[least]!
    yield head.event
    const { done, value } = await head.iterator.next()
    if (done === true) heads.splice(least, 1)
    else head.event = value
  }
}
