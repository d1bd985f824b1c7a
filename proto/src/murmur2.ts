/**
 * The partition of a key: murmur2 as Kafka's clients compute it, so that a key lands in the same partition whichever
 * client wrote it. Source: Kafka Utils.murmur2 and BuiltInPartitioner.partitionForKey.
 */
import { invariant } from './invariant.ts'

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995
const ROTATION_BITS = 24

/** Kafka's murmur2 of the bytes: a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  const wholeWords = length - (length % 4)
  let hash = SEED ^ length
  for (let i = 0; i < wholeWords; i += 4) {
    let word = (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> ROTATION_BITS
    word = Math.imul(word, MULTIPLIER)
    hash = Math.imul(hash, MULTIPLIER) ^ word
  }
  if (wholeWords < length) {
    for (let i = wholeWords; i < length; i++) hash ^= (bytes[i] ?? 0) << (8 * (i - wholeWords))
    hash = Math.imul(hash, MULTIPLIER)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  return hash ^ (hash >>> 15)
}

/**
 * The partition that Kafka's clients choose for a key.
 *
 * @param partitionCount 1 or more.
 * @returns 0..partitionCount-1.
 */
export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  invariant(partitionCount >= 1, () => `a topic has at least one partition, not ${partitionCount}`)
  return (murmur2(key) & 0x7fffffff) % partitionCount
}
