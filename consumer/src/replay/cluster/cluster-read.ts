/**
 * Reads the range of a split from a cluster: from any replica, over changes of leader and lost connections, each batch's
 * CRC checked, and from nowhere but the topic that was planned.
 *
 * Invariant: an attempt begins where the last one got to, so nothing is given out twice and nothing is left out.
 */
import {
  type BrokerAddress,
  type Client,
  delay,
  isStratalogError,
  leaderBackoffDelayMs,
  throwIfAborted,
} from '@stratalog/client'
import type { StratalogError } from '@stratalog/proto'
import { type BatchView, iterateBatches, verifyBatchCrc } from '@stratalog/proto/records'
import { batchCorrupt, endsBefore, logCutBack, rangeDeleted, topicRecreated } from '../errors.ts'
import type { ReplaySplit } from '../manifest.ts'
import type { SourceChunk, SourceReadOptions } from '../source.ts'
import { type PulledData, pull } from './fetch-pull.ts'

/** How a cluster is read. */
export interface ClusterReadOptions {
  readonly readFrom: 'leader' | 'any'
  /** How long attempts in a row may fail before the last one's error is final, ms. */
  readonly retryTimeoutMs: number
  /** Silence of a broker that is taken for a lost connection, ms. */
  readonly stallTimeoutMs: number
}

/** A broker that starts does not know every topic at once; one that was deleted is unknown everywhere. */
const UNKNOWN_TOPIC_ATTEMPTS = 5

/** See `ReplaySource.read`. */
export async function* readCluster(
  client: Client,
  split: ReplaySplit,
  options: SourceReadOptions,
  how: ClusterReadOptions,
): AsyncGenerator<SourceChunk, void, undefined> {
  const place: Place = { position: options.fromOffset, lastEpoch: 0 }
  const attempts = new Attempts(client, split, options, how)
  while (place.position < split.endOffset) {
    try {
      const broker = await attempts.broker()
      for await (const data of pull(client, {
        broker,
        topic: split.topic,
        partition: split.partition,
        topicId: Buffer.from(split.topicId, 'hex'),
        fromOffset: place.position,
        endOffset: split.endOffset,
        lastEpoch: place.lastEpoch,
        anyReplica: how.readFrom === 'any',
        creditBytes: options.prefetchBytes,
        stallTimeoutMs: how.stallTimeoutMs,
        signal: options.signal,
      })) {
        attempts.succeeded()
        yield* soundChunks(split, data, place, options.skipCorrupt)
      }
    } catch (error) {
      throwIfAborted(options.signal)
      await attempts.failed(error, place.position)
    }
  }
}

interface Place {
  position: number
  lastEpoch: number
}

/** What came, in chunks of sound batches; damage is an error or a chunk of its own. Moves `place` along. */
function* soundChunks(
  split: ReplaySplit,
  { bytes, nextOffset }: PulledData,
  place: Place,
  skipCorrupt: boolean,
): Generator<SourceChunk, void, undefined> {
  const all = batchesIn(split, bytes, place.position)
  const moveTo = (offset: number, batches: readonly BatchView[], corrupt: SourceChunk['corrupt']): SourceChunk => {
    place.position = Math.max(place.position, offset)
    return { bytes, batches, nextOffset: place.position, file: null, corrupt }
  }
  let sound: BatchView[] = []
  for (const [index, batch] of all.entries()) {
    const { position, header } = batch
    if (verifyBatchCrc(bytes, position, header.sizeBytes)) {
      place.lastEpoch = Math.max(place.lastEpoch, header.leaderEpoch)
      sound.push(batch)
      continue
    }
    const last = sound.at(-1)
    if (last !== undefined) yield moveTo(last.header.lastOffset + 1, sound, null)
    sound = []
    const startOffset = place.position
    const error = batchCorrupt(split, startOffset, 'its CRC does not match', null)
    if (!skipCorrupt) throw error
    // What the damaged header says of its last offset cannot be trusted; what follows it can.
    const damagedEnd = all[index + 1]?.header.baseOffset ?? nextOffset
    yield moveTo(Math.min(damagedEnd, split.endOffset), [], { startOffset, error })
  }
  yield moveTo(nextOffset, sound, null)
}

/** The batches; a message that is no sequence of batches is damage at the place where the reader stands. */
function batchesIn(split: ReplaySplit, bytes: Buffer, position: number): BatchView[] {
  try {
    return [...iterateBatches(bytes)]
  } catch (error) {
    if (!isStratalogError(error)) throw error
    throw batchCorrupt(split, position, error.message, null, error)
  }
}

/** Which broker is asked next, and whether a failure is final. */
class Attempts {
  readonly #client: Client
  readonly #split: ReplaySplit
  readonly #signal: AbortSignal | undefined
  readonly #how: ClusterReadOptions
  #failureCount = 0
  #failingSinceMs = 0
  #unknownCount = 0

  constructor(client: Client, split: ReplaySplit, { signal }: SourceReadOptions, how: ClusterReadOptions) {
    this.#client = client
    this.#split = split
    this.#signal = signal
    this.#how = how
  }

  /** The leader, or a replica that is alive; after a failure always the leader. Errors: UNKNOWN_TOPIC_ID, network errors. */
  async broker(): Promise<BrokerAddress> {
    const { topic, partition, startOffset } = this.#split
    const { metadata } = this.#client
    const signal = this.#signal
    if (this.#failureCount > 0) await metadata.refresh([topic], { signal })
    await this.#checkId()
    const leader = await metadata.leader(topic, partition, { signal })
    if (this.#how.readFrom === 'leader' || this.#failureCount > 0) return leader
    const live = new Set((await metadata.topic(topic, { signal })).partitions[partition]?.liveReplicas)
    const brokers = metadata.brokers.filter(({ brokerId }) => brokerId !== null && live.has(brokerId))
    // Splits of a partition go to its replicas in turn, the same ones every time.
    return brokers.length === 0 ? leader : brokers[spread(partition, startOffset) % brokers.length]!
  }

  succeeded(): void {
    this.#failureCount = 0
    this.#unknownCount = 0
  }

  /** Waits before the next attempt, or throws what is final. */
  async failed(error: unknown, position: number): Promise<void> {
    if (!isStratalogError(error)) throw error
    const { topic, partition, endOffset } = this.#split
    const nowMs = performance.now()
    if (this.#failureCount++ === 0) this.#failingSinceMs = nowMs
    if (error.code === 'OFFSET_OUT_OF_RANGE') throw this.#outOfRange(error, position)
    if (error.code === 'UNKNOWN_TOPIC_ID' && error.metadata['plannedTopicId'] !== undefined) throw error
    if (error.code === 'UNKNOWN_TOPIC_OR_PARTITION' || error.code === 'UNKNOWN_TOPIC_ID') {
      if (++this.#unknownCount >= UNKNOWN_TOPIC_ATTEMPTS) throw error
    } else if (!error.retriable && error.code !== 'PARTITION_DAMAGED') throw error
    // A damaged copy is no reason to stop: its broker gives it up, and another one leads.
    if (nowMs - this.#failingSinceMs > this.#how.retryTimeoutMs) {
      throw error.code === 'OFFSET_NOT_AVAILABLE' ? endsBefore(this.#split, endOffset, position) : error
    }
    const { leader } = error
    if (leader !== null && leader.host !== null && leader.port !== null) {
      const address = { brokerId: leader.leaderId, host: leader.host, port: leader.port }
      const news = { leader: address, leaderEpoch: leader.leaderEpoch }
      if (this.#client.metadata.applyLeader(topic, partition, news)) return
    }
    await delay(leaderBackoffDelayMs(this.#failureCount, Math.random), this.#signal)
  }

  /** The id that the cluster has for the name; asked anew before it counts against the plan. */
  async #checkId(): Promise<void> {
    const { topic, topicId } = this.#split
    const { metadata } = this.#client
    const options = { signal: this.#signal }
    let found = (await metadata.topic(topic, options)).topicId.toString('hex')
    if (found === topicId) return
    await metadata.refresh([topic], options)
    found = (await metadata.topic(topic, options)).topicId.toString('hex')
    if (found !== topicId) throw topicRecreated(this.#split, found)
  }

  #outOfRange(error: StratalogError, position: number): StratalogError {
    const { logStartOffset, visibleEnd, divergingEpoch } = error.metadata
    if (divergingEpoch !== undefined) return logCutBack(this.#split, position, error)
    if (Number(logStartOffset) > position) return rangeDeleted(this.#split, position, Number(logStartOffset))
    if (visibleEnd !== undefined) return endsBefore(this.#split, this.#split.endOffset, Number(visibleEnd))
    return error
  }
}

/** A number that differs from split to split. */
function spread(partition: number, startOffset: number): number {
  return (Math.imul(partition + 1, 0x9e37_79b1) ^ Math.imul(startOffset | 0, 0x85eb_ca6b)) >>> 8
}
