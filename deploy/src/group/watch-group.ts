/**
 * `group describe --watch`: asks again and again, draws what it hears, and stays when a broker is lost on the way.
 */
import { type Client, delay, type GroupDescription, isStratalogError, type StratalogError } from '@stratalog/client'
import type { OutputFormat } from '../output/failure.ts'
import { LiveScreen, type Screen } from '../output/live-screen.ts'
import { formatCount } from '../output/quantity.ts'
import { namingNearest } from './find-group.ts'
import { renderGroup } from './group-description.ts'

/** What is watched, and how. */
export interface WatchOptions {
  readonly groupId: string
  readonly intervalMs: number
  readonly output: OutputFormat
  readonly screen: Screen
  /** Its abortion is the end of the watch. */
  readonly signal: AbortSignal
}

/** What was heard, and when. */
interface Sight {
  readonly group: GroupDescription
  /** Monotonic, ms. */
  readonly atMs: number
}

/** Resolves when the signal is aborted. Errors: what asking again does not mend, such as GROUP_ID_NOT_FOUND. */
export async function watchGroup(client: Client, options: WatchOptions): Promise<void> {
  const { groupId, intervalMs, output, signal } = options
  using screen = new LiveScreen(options.screen)
  let last: Sight | null = null
  for (;;) {
    try {
      const group = await namingNearest(client.admin, groupId, () => client.admin.describeGroup(groupId, { signal }))
      const sight = { group, atMs: performance.now() }
      if (output === 'table') screen.draw(pageOf(sight, last, null))
      else options.screen.write(`${JSON.stringify(group)}\n`)
      last = sight
    } catch (error) {
      if (signal.aborted) return
      if (!isStratalogError(error) || !error.retriable) throw error
      if (output === 'table') screen.draw(last === null ? `${troubleText(error)}\n` : pageOf(last, null, error))
    }
    try {
      await delay(intervalMs, signal)
    } catch {
      return
    }
  }
}

function pageOf(sight: Sight, before: Sight | null, trouble: StratalogError | null): string {
  const rate = before === null ? '-' : `${formatCount(commitRate(before, sight))} records/s committed`
  const pairs: [string, string][] = [['progress', trouble === null ? rate : troubleText(trouble)]]
  return renderGroup(sight.group, Date.now(), pairs)
}

function troubleText(error: StratalogError): string {
  return `asking again: ${error.code}: ${error.message}`
}

/** Records committed per second; what was put back by a seek counts as none. */
function commitRate(before: Sight, after: Sight): number {
  const offsets = new Map(
    before.group.partitions.map((each) => [`${each.topic}-${each.partition}`, each.committedOffset]),
  )
  const records = after.group.partitions.reduce((sum, { topic, partition, committedOffset }) => {
    const from = offsets.get(`${topic}-${partition}`) ?? null
    return from === null || committedOffset === null ? sum : sum + Math.max(0, committedOffset - from)
  }, 0)
  return (records * 1000) / Math.max(1, after.atMs - before.atMs)
}
