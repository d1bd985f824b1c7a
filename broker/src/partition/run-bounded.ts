/** Runs many asynchronous tasks, a few at a time. */

/** Calls `task` for every item, at most `concurrencyMax` at once. Rejects with the first failure, once all under way ended. */
export async function runBounded<T>(
  items: Iterable<T>,
  concurrencyMax: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failed = false
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && !failed; next = iterator.next()) {
      try {
        await task(next.value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const workers = await Promise.allSettled(Array.from({ length: concurrencyMax }, worker))
  for (const result of workers) if (result.status === 'rejected') throw result.reason
}
