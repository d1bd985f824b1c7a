/**
 * The last reads: where each partition ends, then everything from its beginning to there.
 *
 * Ends by position reached, not by the last record seen. Errors: the partitions are not readable in time.
 */
import { createConsumer, StratalogError } from '@stratalog/consumer'
import { HistoryFile } from './history-file.ts'
import type { FinalReadJob, RunningClient } from './job.ts'
import { batchContent } from './value-runs.ts'

/** Reads; `ended` resolves when all is read. */
export function finalRead(job: FinalReadJob): RunningClient {
  const history = new HistoryFile(job.historyPath)
  const counts = { records: 0 }
  const ended = readAll(job, history, counts)
  return {
    ended,
    stop: async () => {
      await ended
      history.close()
      return counts
    },
  }
}

async function readAll(job: FinalReadJob, history: HistoryFile, counts: { records: number }): Promise<void> {
  const { bootstrap, consumer: number, timeoutMs, partitions } = job
  const signal = AbortSignal.timeout(timeoutMs)
  await using consumer = createConsumer({ bootstrap, clientId: 'chaos-final' }, { stallTimeoutMs: 5000 })
  const queries = partitions.map(({ topic, partition }) => ({ topic, partition, position: 'latest' as const }))
  const ends = await consumer.client.admin.listOffsets(queries, { timeoutMs, signal })
  const assignments = partitions.map(({ topic, partition }) => ({ topic, partition, offset: 0 }))
  const subscription = await consumer.assign({ partitions: assignments, until: 'end' }, { signal })
  for (const { number: partition } of partitions) {
    history.append({ kind: 'place', consumer: number, partition, offset: 0 })
  }
  for await (const batch of subscription.batches()) {
    const { number: partition } = partitions.find(
      (each) => each.topic === batch.topic && each.partition === batch.partition,
    )!
    const { runs, strange } = batchContent(partition, batch)
    const place = { consumer: number, partition }
    const { leaderEpoch: epoch, servingEpoch: leader } = batch
    if (runs.length > 0) history.append({ kind: 'poll', ...place, epoch, leader, runs })
    for (const each of strange) history.append({ kind: 'strange', ...place, ...each })
    counts.records += runs.reduce((sum, run) => sum + run[3], 0)
  }
  for (const [index, { number: partition, topic }] of partitions.entries()) {
    const { error, visibleEnd, highWatermark } = ends[index]!
    if (error !== null) {
      throw new StratalogError(error.code, `${topic} does not tell its end: ${error.message}`, { cause: error })
    }
    history.append({ kind: 'final', partition, visibleEnd, highWatermark })
  }
}
