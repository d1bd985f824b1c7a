/**
 * Produce without a client library: plain records in, one batch per partition built here, one answer per record.
 *
 * The records of a request that fall into one partition are one batch: they are appended together or not at all, in
 * the order of the request. There is no producer id, so a retry after a timeout may write them twice.
 */
import { isStratalogError, partitionForKey, StratalogError, type stratalog, toErrorDetail } from '@stratalog/proto'
import { RecordBatchBuilder, type RecordInput } from '@stratalog/proto/records'
import type { ProduceOptions, ProduceOutcome } from '../../partition/produce-outcome.ts'
import type { ByteBudget } from '../byte-budget.ts'
import type { UnaryContext } from '../call.ts'
import type { PartitionLookup, WritablePartition } from '../partition-access.ts'
import { acksOf, durabilityOf } from './produce-session.ts'

type Request = stratalog.v1.ProduceRecordsRequest
type PlainRecord = stratalog.v1.Record.$Properties
type RecordAck = stratalog.v1.RecordAck.$Properties

/** What the handler is made of. */
export interface ProduceRecordsOptions {
  readonly lookup: PartitionLookup<WritablePartition>
  /** An error of a partition as the client is to see it. */
  readonly clientError: (error: StratalogError) => StratalogError
  /** Partitions of a topic, or UNKNOWN_TOPIC_OR_PARTITION. */
  readonly partitionCount: (topic: string) => number | StratalogError
  /** Whether this broker leads a partition. */
  readonly leads: (topic: string, partition: number) => boolean
  readonly budget: ByteBudget
  readonly defaultTimeoutMs: number
  readonly maxTimeoutMs: number
  readonly nowMs: () => number
}

/** Records of one partition, with their places in the request. */
interface Share {
  readonly partition: number
  readonly places: number[]
  readonly timestamps: number[]
  readonly builder: RecordBatchBuilder
}

/** Handles ProduceRecords. */
export class ProduceRecordsHandler {
  readonly #options: ProduceRecordsOptions
  /** Keyless requests go round the partitions that this broker leads, or round all if it leads none. */
  #keylessCount = 0

  constructor(options: ProduceRecordsOptions) {
    this.#options = options
  }

  /** Errors of the whole call: INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION, OVERLOADED. */
  async handle(request: Request, context: UnaryContext): Promise<stratalog.v1.ProduceRecordsResponse.$Properties> {
    const { budget, defaultTimeoutMs, maxTimeoutMs } = this.#options
    const acks = acksOf(request.acks)
    const timeoutMs = Math.min(request.timeoutMs === 0 ? defaultTimeoutMs : request.timeoutMs, maxTimeoutMs)
    const partitionCount = this.#options.partitionCount(request.topic)
    if (isStratalogError(partitionCount)) throw partitionCount
    if (budget.isOver || context.connection.produceBudget.isOver) throw new StratalogError('OVERLOADED')
    const answers: RecordAck[] = request.records.map(() => ({}))
    const shares = this.#split(request, partitionCount, this.#keylessPartition(request.topic, partitionCount))
    await Promise.all(
      [...shares.values()].map(async (share) => {
        const outcome = await this.#produce(request.topic, share, { acks, timeoutMs }, context)
        for (const [delta, place] of share.places.entries()) {
          answers[place] = this.#answer(share.partition, delta, share.timestamps[delta] ?? -1, outcome)
        }
      }),
    )
    return { acks: answers }
  }

  #keylessPartition(topic: string, partitionCount: number): number {
    const first = this.#keylessCount++ % partitionCount
    for (let step = 0; step < partitionCount; step++) {
      const partition = (first + step) % partitionCount
      if (this.#options.leads(topic, partition)) return partition
    }
    return first
  }

  #split(request: Request, partitionCount: number, keyless: number): Map<number, Share> {
    const nowMs = this.#options.nowMs()
    const shares = new Map<number, Share>()
    for (const [place, record] of request.records.entries()) {
      const partition = request.partition ?? (record.key ? partitionForKey(record.key, partitionCount) : keyless)
      let share = shares.get(partition)
      if (share === undefined) {
        share = { partition, places: [], timestamps: [], builder: new RecordBatchBuilder({ initialBytes: 1024 }) }
        shares.set(partition, share)
      }
      const input = inputOf(record, nowMs)
      share.places.push(place)
      share.timestamps.push(input.timestamp ?? nowMs)
      share.builder.append(input)
    }
    return shares
  }

  async #produce(topic: string, share: Share, options: ProduceOptions, context: UnaryContext): Promise<ProduceOutcome> {
    const partition = this.#options.lookup(topic, share.partition)
    if (partition instanceof StratalogError) return { kind: 'error', error: partition }
    const batch = share.builder.buildSync()
    const chargedBytes = batch.length
    const budgets = [this.#options.budget, context.connection.produceBudget]
    for (const budget of budgets) budget.take(chargedBytes)
    const outcome = await new Promise<ProduceOutcome>((resolve) => partition.produce(batch, options, resolve))
    for (const budget of budgets) budget.give(chargedBytes)
    return outcome
  }

  #answer(partition: number, delta: number, timestampMs: number, outcome: ProduceOutcome): RecordAck {
    if (outcome.kind === 'error') {
      const error = toErrorDetail(this.#options.clientError(outcome.error))
      return { partition, offset: -1, timestampMs, error }
    }
    return {
      partition,
      offset: outcome.baseOffset + delta,
      timestampMs: outcome.logAppendTimeMs === -1 ? timestampMs : outcome.logAppendTimeMs,
      durability: durabilityOf(outcome.durability),
    }
  }
}

function inputOf(record: PlainRecord, nowMs: number): RecordInput {
  return {
    key: record.key ?? null,
    value: record.value ?? null,
    headers: (record.headers ?? []).map((header) => ({ key: header.key ?? '', value: header.value ?? null })),
    timestamp: record.timestampMs ? record.timestampMs : nowMs,
  }
}
