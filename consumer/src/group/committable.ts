/** What `commit` takes, and what it means for a partition. Pure. */
import type { OffsetToCommit } from '@stratalog/client'
import { ConsumerBatch } from '../consumer-batch.ts'
import { ConsumerRecord } from '../consumer-record.ts'
import { invalid } from '../positions.ts'
import type { GroupPartition } from './group-partition.ts'
import type { PartitionCommit } from './offset-committer.ts'

/**
 * A record or a batch that is processed (commits up to and with it, or up to the first one before it that is not), or an
 * offset of the application's own choice: the next one to be read.
 */
export type Committable<K = Buffer, V = Buffer> = ConsumerRecord<K, V> | ConsumerBatch<K, V> | OffsetToCommit

/** Where reading goes on behind a record or a batch. */
export function behind<K, V>(item: ConsumerRecord<K, V> | ConsumerBatch<K, V>): { offset: number; nextOffset: number } {
  return item instanceof ConsumerBatch
    ? { offset: item.baseOffset, nextOffset: item.nextOffset }
    : { offset: item.offset, nextOffset: item.offset + 1 }
}

/** What to commit; null = it is committed already. The record counts as processed from here on. Errors: INVALID_REQUEST. */
export function toCommit<K, V>(partition: GroupPartition, item: Committable<K, V>): PartitionCommit | null {
  const { place, tracker, state, committed } = partition
  if (!(item instanceof ConsumerRecord) && !(item instanceof ConsumerBatch)) {
    if (!Number.isSafeInteger(item.offset) || item.offset < 0) {
      throw invalid(`offset of ${item.topic}-${item.partition} is ${item.offset}; it must be an integer of 0..2^53-1`)
    }
    return { ...item, topicId: place.topicId, place }
  }
  if (tracker === null || state === null) return null
  const { offset, nextOffset } = behind(item)
  tracker.find(offset)?.finish()
  const frontier = tracker.frontier(state)
  const reached = frontier.offset < nextOffset ? frontier : { offset: nextOffset, leaderEpoch: item.leaderEpoch }
  if (committed !== null && reached.offset <= committed.offset) return null
  return { ...partition.name, topicId: place.topicId, ...reached, place }
}
