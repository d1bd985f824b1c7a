/** Single steps of the pure core against the model leader, for tests. */
import type { PartitionState } from '../partition-state.ts'
import { SubscriptionState } from '../subscription-state.ts'
import { dataOffsets, type ModelBatch, type ModelLeader } from './log-model.ts'

const TOPIC_ID = Buffer.alloc(16, 1)

/** A core without hooks. */
export function newState(limits: { prefetchBytesMax: number; partitionCreditBytes?: number }): SubscriptionState {
  const { prefetchBytesMax, partitionCreditBytes = prefetchBytesMax } = limits
  return new SubscriptionState({ prefetchBytesMax, partitionCreditBytes }, { onCommands: () => {}, onReady: () => {} })
}

/** Adds partition number `partition` of topic `t`. */
export function addPartition(
  state: SubscriptionState,
  options: { partition?: number; offset?: number; endOffset?: number | null } = {},
): PartitionState {
  const { partition = 0, offset = 0, endOffset = null } = options
  const bounds = { logStartOffset: 0, highWatermark: 0, visibleEnd: 0 }
  return state.add({ topic: 't', partition, topicId: TOPIC_ID, offset, endOffset, bounds })
}

/** Lets the leader serve a handle once. */
export function deliver(state: SubscriptionState, leader: ModelLeader, handle: number, batchesMax = 100): void {
  const data = leader.serve(handle, batchesMax)
  if (data !== null) state.receive(data, data.recordBatches as Buffer)
}

/** Takes one batch and returns the offsets of its records that are wanted. */
export function takeOffsets(state: SubscriptionState, partition: PartitionState, log: readonly ModelBatch[]): number[] {
  const batch = state.take(partition)
  if (batch === null) return []
  const end = Math.min(batch.endOffset ?? Number.MAX_SAFE_INTEGER, batch.header.lastOffset + 1)
  const offsets = dataOffsets(log, Math.max(batch.fromOffset, batch.header.baseOffset), end)
  state.finish(partition, batch)
  return offsets
}
