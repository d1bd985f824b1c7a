/** Reads a run's history files, merges them by time, and checks them. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { HistoryChecker, mergeEvents, type Verdict } from '../../history/index.ts'
import { type FaultGaps, Unavailability } from '../../history/unavailability.ts'
import { readHistory } from '../workload/history-file.ts'

/** What the history says. */
export interface HistoryFindings {
  readonly verdict: Verdict
  readonly faults: readonly FaultGaps[]
  /** High watermarks told by the final reads, by partition number. */
  readonly finalHighWatermarks: ReadonlyMap<number, number>
}

/** How long after a fault's end a gap without a write still counts for it, ms. */
const SETTLE_MS = 3000

/** Checks all `.ndjson` files of the folder. Errors: HistoryFormatError. */
export async function checkHistories(folder: string, durability: string | null): Promise<HistoryFindings> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ndjson')).sort()
  const checker = new HistoryChecker({ durability })
  const unavailability = new Unavailability(SETTLE_MS)
  const finalHighWatermarks = new Map<number, number>()
  for await (const event of mergeEvents(names.map((name) => readHistory(join(folder, name))))) {
    checker.add(event)
    unavailability.add(event)
    if (event.kind === 'final') finalHighWatermarks.set(event.partition, event.highWatermark)
  }
  return { verdict: checker.finish(), faults: unavailability.faults(), finalHighWatermarks }
}
