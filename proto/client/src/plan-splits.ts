/** Where ranges of partitions can be cut for parallel readers: Fetch.PlanSplits, asked of each partition's leader. */
import { FetchService, fromErrorDetail, StratalogError, type stratalog } from '@stratalog/proto'
import type { CallOptions } from './admin-types.ts'
import type { Client } from './client.ts'
import { leaderCall } from './leader-call.ts'

/** A range that is to be cut. */
export interface SplitQuery {
  readonly topic: string
  readonly partition: number
  /** 16 bytes; the topic must have this id. */
  readonly topicId: Uint8Array
  readonly startOffset: number
  /** Exclusive; at most the high watermark. */
  readonly endOffset: number
  /** Bytes that a piece should have, about; 0 = do not cut. */
  readonly targetBytes: number
}

/** A piece of a partition, on batch boundaries but at the edges of the range. */
export interface SplitRange {
  readonly startOffset: number
  /** Exclusive. */
  readonly endOffset: number
  /** Bytes of segment files between the two. */
  readonly bytes: number
  /** Of the batch that holds `startOffset`. */
  readonly leaderEpoch: number
}

/** The pieces, in order and without gaps between them; where `error` is set there are none. */
export interface SplitAnswer {
  readonly topic: string
  readonly partition: number
  readonly error: StratalogError | null
  readonly splits: readonly SplitRange[]
}

/** One answer per query, in order. Errors of a partition are in its answer. */
export async function planSplits(
  client: Client,
  queries: readonly SplitQuery[],
  options: CallOptions = {},
): Promise<SplitAnswer[]> {
  const answers = await leaderCall(client, queries, options, async (broker, group, callOptions) => {
    const request = { queries: group.map((query) => ({ ...query })) }
    const response = await client.call(FetchService.planSplits, request, { ...callOptions, broker })
    return response.answers.map(toSplitAnswer)
  })
  return answers.map((answer, index) => {
    if (!(answer instanceof StratalogError)) return answer
    const { topic, partition } = queries[index]!
    return { topic, partition, error: answer, splits: [] }
  })
}

function toSplitAnswer(answer: stratalog.v1.SplitAnswer.$Properties): SplitAnswer {
  const topic = answer.topic ?? ''
  const partition = answer.partition ?? 0
  return {
    topic,
    partition,
    error: answer.error ? fromErrorDetail(answer.error, { topic, partition }) : null,
    splits: (answer.splits ?? []).map((split) => ({
      startOffset: split.startOffset ?? 0,
      endOffset: split.endOffset ?? 0,
      bytes: split.bytes ?? 0,
      leaderEpoch: split.leaderEpoch ?? 0,
    })),
  }
}
