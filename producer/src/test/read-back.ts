/** Reads a partition from its start to its visible end over the API, for tests that compare what was written. */
import type { Client } from '@stratalog/client'
import { FetchService, fromErrorDetail } from '@stratalog/proto'
import { copyRecord, decodeBatch, iterateBatches, type LogRecord } from '@stratalog/proto/records'

const CREDIT_BYTES = 16 * 1024 * 1024

/** All records of a partition now, in order of offset. */
export async function readBack(client: Client, topic: string, partition: number): Promise<LogRecord[]> {
  const [answer] = await client.admin.listOffsets([{ topic, partition, position: 'latest' }])
  if (answer === undefined || answer.error !== null) throw answer?.error ?? new Error('no answer')
  const { visibleEnd } = answer
  if (visibleEnd === 0) return []
  const leader = await client.metadata.leader(topic, partition)
  const chunks: Buffer[] = []
  await new Promise<void>((resolve, reject) => {
    const stream = client.openStream(FetchService.fetchStream, leader, 'fetch', {
      onMessage: (message) => {
        for (const { error, recordBatches, endReached, nextOffset } of message.data) {
          if (error) reject(fromErrorDetail(error))
          if (recordBatches) chunks.push(Buffer.from(recordBatches))
          if (!endReached && (nextOffset ?? 0) < visibleEnd) continue
          stream.close()
          resolve()
        }
      },
      onEnd: (error) => reject(error ?? new Error('stream ended')),
    })
    const start = {
      handle: 1,
      topic,
      partition,
      offset: 0,
      creditBytes: CREDIT_BYTES,
      lastEpoch: -1,
      endOffset: visibleEnd,
    }
    stream.write({ starts: [start] }, 64)
  })
  const records: LogRecord[] = []
  for (const chunk of chunks) {
    for (const { position } of iterateBatches(chunk)) {
      const reader = await decodeBatch(chunk, position)
      for (let record = reader.next(); record !== null; record = reader.next()) records.push(copyRecord(record))
    }
  }
  return records.filter(({ offset }) => offset < visibleEnd)
}

/** The values of all partitions as text, each in order. */
export async function valuesByPartition(client: Client, topic: string): Promise<string[][]> {
  const { partitions } = await client.metadata.topic(topic)
  const all: string[][] = []
  for (const { partition } of partitions) {
    all.push((await readBack(client, topic, partition)).map(({ value }) => String(value)))
  }
  return all
}
