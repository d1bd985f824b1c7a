/** One run of retention over one partition: segments that are too old or too many go, silent producers are forgotten. */
import type { Offset } from '@stratalog/proto'
import type { PartitionLog } from '../log/partition-log.ts'
import type { PartitionName } from './partition-errors.ts'
import type { PartitionEnvironment } from './partition-types.ts'
import type { ProducerState } from './producer-state.ts'

/** What retention looks after. */
export interface Retained {
  readonly name: PartitionName
  readonly log: PartitionLog
  readonly producers: ProducerState
  readonly highWatermark: Offset
}

/** @returns whether the log begins later than before. Never rejects: errors go to the operators' log. */
export async function enforceRetention(
  { name, log, producers, highWatermark }: Retained,
  { ticks, limits, logger }: PartitionEnvironment,
): Promise<boolean> {
  const nowMs = ticks.clock.nowMs()
  producers.expire(nowMs - limits.producerIdExpirationMs)
  const before = log.readableFrom
  try {
    await log.enforceRetention(nowMs, highWatermark)
  } catch (error) {
    logger.error({ ...name, err: error }, 'retention failed')
  }
  return log.readableFrom !== before
}
