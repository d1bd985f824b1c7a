/**
 * Before a broker stops it hands over what it leads, so that clients find the next leader at once instead of after an
 * election.
 */
import type { Partition } from '../partition/partition.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { bestSuccessor } from './successors.ts'

/** What handing over rests on. */
export interface HandOverOptions {
  readonly brokerId: number
  readonly clock: Clock
  /** Partitions that this broker serves now; asked anew in each look. */
  readonly served: () => Iterable<Partition>
  /** Whether a broker is to lead. */
  readonly mayLead: (brokerId: number) => boolean
}

const LOOK_INTERVAL_MS = 20
/** Lowest that still stands for election if nobody else does. */
const LEAVING_PRIORITY = 1

/** Resolves when this broker leads nothing that another could, or after `timeoutMs`. */
export function handOver(options: HandOverOptions, timeoutMs: number): Promise<void> {
  const { clock } = options
  const deadlineMs = clock.nowMs() + timeoutMs
  return new Promise((resolve) => {
    const look = (): boolean => handOverAll(options) === 0 || clock.nowMs() >= deadlineMs
    if (look()) {
      resolve()
      return
    }
    const cancel = clock.every(LOOK_INTERVAL_MS, () => {
      if (!look()) return
      cancel()
      resolve()
    })
  })
}

/** @returns partitions that are on their way. */
function handOverAll({ brokerId, served, mayLead }: HandOverOptions): number {
  let count = 0
  for (const partition of served()) {
    const successor = bestSuccessor(partition, brokerId, mayLead)
    if (successor === null) continue
    partition.setPriority(LEAVING_PRIORITY)
    partition.transferLeadership(successor)
    count++
  }
  return count
}
