/**
 * What `stratalog consume` does: plans what to read, then copies records to standard output until the plan is done.
 *
 * Memory: what the consumer prefetches and one output chunk; a slow reader of the output slows the reading down.
 */
import type { Client } from '@stratalog/client'
import { createConsumer } from '@stratalog/consumer'
import { withClient } from '../cluster/connect.ts'
import { CommandError } from '../command-error.ts'
import type { ConsumeOptions } from '../commands/consume.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { parseRecordPosition } from '../input/record-position.ts'
import { ChunkWriter } from '../output/chunk-writer.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from '../output/quantity.ts'
import { type RecordFormat, recordFormat } from '../output/record-format.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { tellConnectionNews } from './connection-news.ts'
import { planConsume } from './consume-request.ts'
import { choosePartitions, planQueries, planRanges, type ReadRange, type ReadRequest } from './read-plan.ts'

/** Counts and places of a run. */
interface ReadProgress {
  recordCount: number
  bytes: number
  /** Next offset by partition. */
  readonly positions: Map<number, number>
}

/** Runs the command. Errors: `INTERRUPTED` (status 130) after Ctrl-C, with the places reached. */
export async function runConsume(topics: readonly string[], options: ConsumeOptions): Promise<void> {
  const request = planConsume(topics, options)
  if (request.kind === 'group') await (await import('./run-group-consume.ts')).runGroupConsume(request, options)
  else await consumeTopic(request.topic, options)
}

async function consumeTopic(topic: string, options: ConsumeOptions): Promise<void> {
  const request: ReadRequest = {
    topic,
    from: parseRecordPosition('--from', options.from),
    until: options.until === undefined ? null : parseRecordPosition('--until', options.until),
    follow: options.follow === true,
  }
  const format = recordFormat(options.format ?? (options.output === 'table' ? 'raw' : 'json'))
  const shutdown = new ShutdownSignal()
  const startedAtMs = performance.now()
  const progress: ReadProgress = { recordCount: 0, bytes: 0, positions: new Map() }
  try {
    await withClient(options, async (client) => {
      const ranges = await planReading(client, request, options.partition)
      for (const { partition, start } of ranges) progress.positions.set(partition, start)
      const open = ranges.filter(({ start, end }) => end === null || start < end)
      if (open.length > 0)
        await copyRecords(client, topic, open, { options, format, progress, signal: shutdown.signal })
    })
  } catch (error) {
    if (!shutdown.signal.aborted) throw error
    throw new CommandError(
      'INTERRUPTED',
      `stopped after ${formatCount(progress.recordCount)} records; next offsets: ${placesOf(topic, progress)}`,
      'go on with --partition P --from OFFSET',
      EXIT_STATUS.interrupted,
    )
  } finally {
    shutdown.release()
  }
  if (options.quiet !== true) process.stderr.write(summary(topic, progress, performance.now() - startedAtMs, options))
}

async function planReading(client: Client, request: ReadRequest, chosen?: readonly number[]): Promise<ReadRange[]> {
  const [described] = await client.admin.describeTopics([request.topic])
  const existing = described?.partitions.map(({ partition }) => partition) ?? []
  const partitions = choosePartitions(request.topic, existing, chosen)
  return planRanges(request, await client.admin.listOffsets(planQueries(request, partitions)))
}

interface CopyContext {
  readonly options: ConsumeOptions
  readonly format: RecordFormat
  readonly progress: ReadProgress
  readonly signal: AbortSignal
}

async function copyRecords(
  client: Client,
  topic: string,
  ranges: readonly ReadRange[],
  context: CopyContext,
): Promise<void> {
  const { options, format, progress, signal } = context
  const out = new ChunkWriter(process.stdout)
  const limit = options.count ?? Number.POSITIVE_INFINITY
  await using consumer = createConsumer(client)
  const ends = Object.fromEntries(ranges.flatMap(({ partition, end }) => (end === null ? [] : [[partition, end]])))
  const subscription = await consumer.assign(
    {
      partitions: ranges.map(({ partition, start }) => ({ topic, partition, offset: start })),
      ...(Object.keys(ends).length === 0 ? {} : { until: { offsets: { [topic]: ends } } }),
    },
    { signal },
  )
  const stalled = new AbortController()
  const say = (line: string): boolean => options.quiet === true || process.stderr.write(line)
  tellConnectionNews(subscription, say, (error) => {
    // Who follows waits for better days; who reads to an end wants to know that it is not coming.
    if (options.follow === true) say(`${error.message}\n`)
    else stalled.abort(error)
  })
  const reading = AbortSignal.any([signal, stalled.signal])
  try {
    for await (const batch of subscription.batches({ signal: reading })) {
      for (const record of batch) {
        const full = format(record, out)
        progress.recordCount += 1
        progress.bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
        progress.positions.set(record.partition, record.offset + 1)
        if (full) await out.drain(reading)
        if (progress.recordCount === limit) return
      }
      if (options.follow === true) out.flush()
    }
  } catch (error) {
    throw stalled.signal.aborted && !signal.aborted ? stalled.signal.reason : error
  } finally {
    out.flush()
  }
}

function placesOf(topic: string, progress: ReadProgress): string {
  return [...progress.positions].map(([partition, offset]) => `${topic}-${partition} at ${offset}`).join(', ')
}

function summary(topic: string, progress: ReadProgress, durationMs: number, options: ConsumeOptions): string {
  const { recordCount, bytes, positions } = progress
  if (options.output !== 'table') {
    const nextOffsets = Object.fromEntries(positions)
    return `${JSON.stringify({ topic, recordCount, bytes, durationMs: Math.round(durationMs), nextOffsets })}\n`
  }
  const rate = formatRate(recordCount, bytes, durationMs)
  return `read ${formatCount(recordCount)} records, ${formatBytes(bytes)} in ${formatDuration(durationMs)} (${rate})\n`
}
