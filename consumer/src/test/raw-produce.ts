/** Writes batches to a broker for tests: over a produce stream, made by RecordBatchBuilder, without a producer. */
import { type Client, StratalogError } from '@stratalog/client'
import { fromErrorDetail, ProduceService, type stratalog } from '@stratalog/proto'
import { type CompressionName, RecordBatchBuilder, type RecordInput } from '@stratalog/proto/records'

const IN_FLIGHT_MAX = 8

/** What to write. */
export interface RawProduce {
  readonly topic: string
  readonly partition?: number
  readonly codec?: CompressionName
  /** One batch for each array. */
  readonly batches: Iterable<readonly RecordInput[]>
}

/** `count` records with their numbers from `from` on as values and as timestamps in seconds. */
export function numbered(from: number, count: number): RecordInput[] {
  return Array.from({ length: count }, (_, index) => ({
    value: String(from + index),
    timestamp: (from + index) * 1_000,
  }))
}

/** Writes the batches in order. @returns their base offsets, once all are acknowledged by all replicas. */
export async function produceRaw(
  client: Client,
  { topic, partition = 0, codec, batches }: RawProduce,
): Promise<number[]> {
  const leader = await client.metadata.leader(topic, partition)
  const offsets: number[] = []
  const pending: { resolve: () => void; reject: (error: StratalogError) => void }[] = []
  const failAll = (error: StratalogError | null): void => {
    for (const { reject } of pending.splice(0)) reject(error ?? new StratalogError('NETWORK_EXCEPTION'))
  }
  const stream = client.openStream(ProduceService.produceStream, leader, 'produce', {
    onMessage: (response: stratalog.v1.ProduceResponse) => {
      for (const ack of response.acks) {
        if (ack.error) pending.shift()?.reject(fromErrorDetail(ack.error))
        else {
          offsets.push(ack.baseOffset ?? 0)
          pending.shift()?.resolve()
        }
      }
    },
    onEnd: failAll,
  })
  try {
    let correlationId = 0
    const answers: Promise<void>[] = []
    for (const records of batches) {
      const builder = new RecordBatchBuilder({ codec })
      for (const record of records) builder.append(record)
      const recordBatch = await builder.build()
      answers.push(new Promise((resolve, reject) => pending.push({ resolve, reject })))
      stream.write({ batches: [{ correlationId: ++correlationId, topic, partition, recordBatch }] }, recordBatch.length)
      if (answers.length >= IN_FLIGHT_MAX) await answers.shift()
      await stream.drained()
    }
    await Promise.all(answers)
    return offsets
  } finally {
    stream.close()
  }
}
