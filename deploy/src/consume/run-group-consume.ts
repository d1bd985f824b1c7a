/**
 * `stratalog consume --group`: copies what the group gives this member to standard output, and commits what was written.
 *
 * A batch counts as processed when its last byte has left the process, so a crash or a closed output brings records again
 * and loses none. Memory: what the consumer prefetches, and one output chunk.
 */
import { type Client, isStratalogError, StratalogError } from '@stratalog/client'
import { type ConsumerBatch, createConsumer, type GroupSubscription } from '@stratalog/consumer'
import type { TopicPartition } from '@stratalog/proto'
import { withClient } from '../cluster/connect.ts'
import { CommandError } from '../command-error.ts'
import type { ConsumeOptions } from '../commands/consume.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { formatPlaces } from '../group/partition-selection.ts'
import { ChunkWriter } from '../output/chunk-writer.ts'
import { onOutputClosed } from '../output/closed-output.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from '../output/quantity.ts'
import { type RecordFormat, recordFormat } from '../output/record-format.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { tellConnectionNews } from './connection-news.ts'
import type { GroupConsumeRequest } from './consume-request.ts'
import { GroupEnd } from './group-end.ts'

/** What is on the screen but not yet committed would come again after a crash: at most so much. */
const COMMIT_INTERVAL_MS = 1000
const NEWS_DELAY_MS = 50
/** For output that is stuck when the command is to end. */
const CLOSE_TIMEOUT_MS = 1000

/** Counts of a run, and what it has committed. */
interface GroupProgress {
  recordCount: number
  bytes: number
  /** By `topic-partition`, as last acknowledged. */
  readonly committed: Map<string, number>
}

/** Why a run ends, beside errors. */
interface Ends {
  /** Ctrl-C. */
  readonly interrupted: AbortSignal
  /** The reader of the output has gone. */
  readonly closed: AbortController
  /** What there was is read. */
  readonly reached: AbortController
  /** No broker answers. */
  readonly stalled: AbortController
}

/** Runs the command. Errors: `INTERRUPTED` (status 130) after Ctrl-C, with what is committed. */
export async function runGroupConsume(request: GroupConsumeRequest, options: ConsumeOptions): Promise<void> {
  const format = recordFormat(options.format ?? (options.output === 'table' ? 'raw' : 'json'))
  const shutdown = new ShutdownSignal()
  const closed = new AbortController()
  const restoreOutput = onOutputClosed(() => closed.abort())
  const startedAtMs = performance.now()
  const progress: GroupProgress = { recordCount: 0, bytes: 0, committed: new Map() }
  const ends = { interrupted: shutdown.signal, closed, reached: new AbortController(), stalled: new AbortController() }
  try {
    await withClient(options, (client) => readAsMember(client, { request, options, format, progress, ends }))
  } catch (error) {
    if (closed.signal.aborted) return
    if (!shutdown.signal.aborted) throw withAdvice(error, request.group)
    throw new CommandError(
      'INTERRUPTED',
      `stopped after ${formatCount(progress.recordCount)} records; ${committedText(request.group, progress)}`,
      'the same command goes on there',
      EXIT_STATUS.interrupted,
    )
  } finally {
    restoreOutput()
    shutdown.release()
  }
  if (options.quiet !== true) process.stderr.write(summary(request, progress, performance.now() - startedAtMs, options))
}

interface MemberContext {
  readonly request: GroupConsumeRequest
  readonly options: ConsumeOptions
  readonly format: RecordFormat
  readonly progress: GroupProgress
  readonly ends: Ends
}

async function readAsMember(client: Client, context: MemberContext): Promise<void> {
  const { request, options, progress, ends } = context
  const { group, topics, topicPattern, instanceId, from } = request
  // A mistyped name would be waited for without end.
  if (topics.length > 0) await client.admin.describeTopics(topics, { signal: ends.interrupted })
  const end = new GroupEnd(client.admin, () => ends.reached.abort())
  const say = (line: string): unknown => options.quiet === true || process.stderr.write(line)
  await using consumer = createConsumer(client)
  const subscription = await consumer.subscribe(
    {
      group,
      topics,
      topicPattern,
      instanceId,
      from,
      autoCommitIntervalMs: COMMIT_INTERVAL_MS,
      closeTimeoutMs: CLOSE_TIMEOUT_MS,
      ...(options.follow === true ? {} : { onAssigned: (places) => end.note(places) }),
    },
    { signal: ends.interrupted },
  )
  tellGroupNews(subscription, say, progress)
  tellConnectionNews(subscription, say, (error) => {
    if (options.follow === true) say(`${error.message}\n`)
    else ends.stalled.abort(error)
  })
  if (options.follow !== true) end.watch(subscription)
  try {
    await copyRecords(subscription, context, end)
  } finally {
    end.close()
    await subscription.close()
  }
}

async function copyRecords(subscription: GroupSubscription, context: MemberContext, end: GroupEnd): Promise<void> {
  const { options, progress, ends } = context
  const out = new ChunkWriter(process.stdout)
  const limit = options.count ?? Number.POSITIVE_INFINITY
  const { interrupted, closed, reached, stalled } = ends
  const signal = AbortSignal.any([interrupted, closed.signal, reached.signal, stalled.signal])
  try {
    for await (const batch of subscription.batches({ signal })) {
      const nextOffset = await copyBatch(batch, out, context, signal)
      // What the next turn of this loop tells to be processed has left the process.
      await out.written()
      if (progress.recordCount === limit) {
        const { topic, partition, leaderEpoch } = batch
        return await subscription.commit({ topic, partition, offset: nextOffset, leaderEpoch })
      }
      end.look()
    }
  } catch (error) {
    if (stalled.signal.aborted && !interrupted.aborted) throw stalled.signal.reason
    if (!reached.signal.aborted || !isStratalogError(error, 'CANCELLED')) throw error
  }
}

/** Writes the records that are still wanted. @returns the offset behind the last one. */
async function copyBatch(
  batch: ConsumerBatch,
  out: ChunkWriter,
  { options, format, progress }: MemberContext,
  signal: AbortSignal,
): Promise<number> {
  const limit = options.count ?? Number.POSITIVE_INFINITY
  for (const record of batch) {
    const full = format(record, out)
    progress.recordCount += 1
    progress.bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
    if (full) await out.drain(signal)
    if (progress.recordCount === limit) return record.offset + 1
  }
  return batch.nextOffset
}

function tellGroupNews(
  subscription: GroupSubscription,
  say: (line: string) => unknown,
  { committed }: GroupProgress,
): void {
  const { group } = subscription
  // Partitions that come within a moment, each when its leader has answered, are one piece of news.
  let given: TopicPartition[] = []
  subscription.on('assigned', (places) => {
    if (given.length === 0) setTimeout(tellGiven, NEWS_DELAY_MS).unref()
    given.push(...places)
  })
  const tellGiven = (): void => {
    // After its end the summary is the last word.
    if (!subscription.closed) say(`group ${group} gives ${formatPlaces(given)}\n`)
    given = []
  }
  subscription.on('revoked', (places) => {
    if (!subscription.closed) say(`group ${group} takes back ${formatPlaces(places)}\n`)
  })
  subscription.on('lost', ({ partitions, reason }) => say(`lost ${formatPlaces(partitions)}: ${reason.message}\n`))
  subscription.on('committed', (offsets) => {
    for (const { topic, partition, offset } of offsets) committed.set(`${topic}-${partition}`, offset)
  })
  subscription.on('commitFailed', ({ topic, partition, error }) =>
    say(`what was read of ${topic}-${partition} may come again: ${error.code}: ${error.message}\n`),
  )
}

/** An offset that does not exist is mended by moving the group. */
function withAdvice(error: unknown, group: string): unknown {
  if (!isStratalogError(error)) return error
  const { code, message, topic, partition, cause } = error
  // What a hook of this command's own met is what happened.
  if (code === 'HANDLER_FAILED' && isStratalogError(cause)) return cause
  if (code !== 'OFFSET_OUT_OF_RANGE' || topic === null) return error
  const hint = `move the group to what exists: stratalog group seek ${group} --to earliest --topic ${topic}:${partition}`
  return new StratalogError(code, message, { cause: error, topic, hint, ...(partition === null ? {} : { partition }) })
}

function committedText(group: string, { committed }: GroupProgress): string {
  if (committed.size === 0) return `group ${group} stays where it was`
  const places = [...committed].sort(([a], [b]) => (a < b ? -1 : 1)).map(([place, offset]) => `${place} at ${offset}`)
  return `group ${group} goes on with ${places.join(', ')}`
}

function summary(
  { group }: GroupConsumeRequest,
  { recordCount, bytes, committed }: GroupProgress,
  durationMs: number,
  { output }: ConsumeOptions,
): string {
  if (output !== 'table') {
    const nextOffsets = Object.fromEntries(committed)
    return `${JSON.stringify({ group, recordCount, bytes, durationMs: Math.round(durationMs), nextOffsets })}\n`
  }
  const rate = formatRate(recordCount, bytes, durationMs)
  return `read ${formatCount(recordCount)} records, ${formatBytes(bytes)} in ${formatDuration(durationMs)} (${rate})\n`
}
