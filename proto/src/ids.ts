/**
 * Branded number types for the identifiers that travel between processes.
 *
 * They cost nothing at run time and stop an offset from being passed where an epoch belongs. Values are plain
 * numbers below 2^53 (285 years of offsets at a million records a second); the wire's -1 for "none" becomes `null`
 * in the codec and never travels inward.
 */
import { invariant } from './invariant.ts'

declare const brand: unique symbol
type Branded<Name extends string> = number & { readonly [brand]: Name }

/** Position of a record in one partition: an integer in 0..2^53-1. */
export type Offset = Branded<'Offset'>
/** Raft term of a partition's leader as it is stamped on batches: int32, 0 = no leader ever. */
export type LeaderEpoch = Branded<'LeaderEpoch'>
/** A broker of the cluster: int32 >= 0. */
export type BrokerId = Branded<'BrokerId'>
/** An idempotent producer: int64 >= 0, allocated by the controller, never reused. */
export type ProducerId = Branded<'ProducerId'>

/** Checks and brands an offset. Throws InvariantError for anything but a safe integer >= 0. */
export function toOffset(value: number): Offset {
  invariant(Number.isSafeInteger(value) && value >= 0, () => `offset out of range: ${value}`)
  return value as Offset
}

/** Checks and brands a leader epoch (int32 >= 0). */
export function toLeaderEpoch(value: number): LeaderEpoch {
  invariant(isInt32(value) && value >= 0, () => `leader epoch out of range: ${value}`)
  return value as LeaderEpoch
}

/** Checks and brands a broker id (int32 >= 0). */
export function toBrokerId(value: number): BrokerId {
  invariant(isInt32(value) && value >= 0, () => `broker id out of range: ${value}`)
  return value as BrokerId
}

/** Checks and brands a producer id (safe integer >= 0). */
export function toProducerId(value: number): ProducerId {
  invariant(Number.isSafeInteger(value) && value >= 0, () => `producer id out of range: ${value}`)
  return value as ProducerId
}

/** The offset `delta` records after `offset`. */
export function addOffset(offset: Offset, delta: number): Offset {
  return toOffset(offset + delta)
}

/** The offset after `offset`: turns a last (inclusive) offset into an end (exclusive) one. */
export function nextOffset(offset: Offset): Offset {
  return addOffset(offset, 1)
}

/** A partition of a topic, by name. */
export interface TopicPartition {
  readonly topic: string
  /** int32 >= 0. */
  readonly partition: number
}

/** `topic-partition`, the name of the partition's folder and its name in logs and maps. */
export function topicPartitionKey(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

function isInt32(value: number): boolean {
  return (value | 0) === value
}
