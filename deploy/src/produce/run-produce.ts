/**
 * What `stratalog produce` does: lines in, records out, with the producer's buffer as the only memory.
 *
 * The input is read no faster than records are acknowledged. The first failure ends the run: it names the cause, and the
 * summary says how many records were acknowledged before.
 */
import { type Client, StratalogError } from '@stratalog/client'
import { createProducer, type Producer } from '@stratalog/producer'
import { withClient } from '../cluster/connect.ts'
import { CommandError, usageError } from '../command-error.ts'
import type { ProduceOptions } from '../commands/produce.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { type InputHeader, type InputShape, readInputRecord } from '../input/input-record.ts'
import { LineSplitter } from '../input/line-splitter.ts'
import { Progress } from '../output/progress.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from '../output/quantity.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { type InputSource, openInput } from './input-source.ts'

const RECORD_BYTES_MAX = 48 * 1024 * 1024
const LINGER_MS = 5
const CLOSE_TIMEOUT_MS = 120_000
const FAILED_CLOSE_TIMEOUT_MS = 5_000

/** Counts of a run; bytes are those of the input. */
interface SendProgress {
  recordCount: number
  inputBytes: number
  unacknowledgedCount: number
}

/**
 * Runs the command.
 *
 * Errors: `INPUT_INVALID` naming the line; the first error that a record met; `INTERRUPTED` (status 130) after Ctrl-C,
 * when what had been read was sent.
 */
export async function runProduce(topic: string, options: ProduceOptions): Promise<void> {
  const shape = readShape(options)
  const shutdown = new ShutdownSignal()
  const startedAtMs = performance.now()
  const counts: SendProgress = { recordCount: 0, inputBytes: 0, unacknowledgedCount: 0 }
  await withClient(options, async (client) => {
    await checkTarget(client, topic, options.partition)
    const source = await openInput(options.file, shutdown.signal)
    const progress = options.quiet === true ? null : showProgress(counts, source)
    try {
      await sendAll(client, { topic, options, shape, source, counts, signal: shutdown.signal })
    } catch (error) {
      if (!shutdown.signal.aborted) throw error
      const message = `stopped after line ${formatCount(counts.recordCount)}, which was sent like those before it`
      throw new CommandError('INTERRUPTED', message, 'send the rest of the input', EXIT_STATUS.interrupted)
    } finally {
      progress?.stop()
      if (options.quiet !== true) process.stderr.write(summary(topic, counts, performance.now() - startedAtMs, options))
    }
  })
  shutdown.release()
}

function showProgress(counts: SendProgress, source: InputSource): Progress {
  return new Progress(process.stderr, 'read', () => {
    return { recordCount: counts.recordCount, bytes: counts.inputBytes, totalBytes: source.totalBytes }
  })
}

interface SendContext {
  readonly topic: string
  readonly options: ProduceOptions
  readonly shape: InputShape
  readonly source: InputSource
  readonly counts: SendProgress
  readonly signal: AbortSignal
}

async function sendAll(client: Client, context: SendContext): Promise<void> {
  const { options, counts } = context
  let failure: StratalogError | null = null
  const producer = createProducer(client, {
    acks: options.acks,
    compression: options.compression,
    lingerMs: LINGER_MS,
    recordBytesMax: RECORD_BYTES_MAX,
    onError: ({ error, recordCount }) => {
      counts.unacknowledgedCount += recordCount
      failure ??= error
    },
  })
  const throwIfFailed = (): void => {
    if (failure !== null) throw failure
  }
  try {
    await sendLines(producer, context, throwIfFailed)
    await producer.flush()
  } finally {
    // What was taken is still delivered, so that the summary's count is true; not for long where nothing gets through.
    await producer.close({ timeoutMs: failure === null ? CLOSE_TIMEOUT_MS : FAILED_CLOSE_TIMEOUT_MS })
  }
  throwIfFailed()
}

async function sendLines(producer: Producer, context: SendContext, throwIfFailed: () => void): Promise<void> {
  const { topic, shape, source, counts, signal } = context
  const splitter = new LineSplitter(RECORD_BYTES_MAX)
  const send = async (line: Buffer): Promise<void> => {
    const record = { topic, ...readInputRecord(line, splitter.lineCount, shape) }
    while (!producer.enqueue(record)) {
      await producer.ready({ signal })
      throwIfFailed()
    }
    counts.recordCount += 1
  }
  for await (const chunk of source.chunks) {
    counts.inputBytes += chunk.length
    for (const line of splitter.push(chunk)) {
      const record = { topic, ...readInputRecord(line, splitter.lineCount, shape) }
      // A promise for every line would cost more than the line.
      if (producer.enqueue(record)) counts.recordCount += 1
      else await send(line)
    }
    throwIfFailed()
  }
  const last = splitter.end()
  if (last !== null) await send(last)
}

function readShape(options: ProduceOptions): InputShape {
  const { format, keySeparator, keyField, partition } = options
  if (keySeparator !== undefined && format === 'jsonl') {
    throw usageError(
      '--key-separator is for lines',
      'with --format jsonl the key is the field "key", or use --key-field',
    )
  }
  if (keySeparator !== undefined && keyField !== undefined) {
    throw usageError('--key-separator and --key-field exclude each other', 'choose one of them')
  }
  if (keySeparator === '') throw usageError('--key-separator is empty', 'give the text between key and value')
  return {
    format,
    keySeparator: keySeparator === undefined ? null : Buffer.from(keySeparator),
    keyField: keyField ?? null,
    headers: (options.header ?? []).map(readHeader),
    partition,
  }
}

function readHeader(text: string): InputHeader {
  const at = text.indexOf('=')
  if (at < 1) throw usageError(`--header ${JSON.stringify(text)} is not key=value`, 'write it as --header source=web')
  return { key: text.slice(0, at), value: Buffer.from(text.slice(at + 1)) }
}

/** A topic or partition that is not there is said before any input is read. */
async function checkTarget(client: Client, topic: string, partition: number | undefined): Promise<void> {
  const [described] = await client.admin.describeTopics([topic])
  const count = described?.partitions.length ?? 0
  if (partition !== undefined && partition >= count) {
    const message = `topic ${topic} has no partition ${partition}: it has ${count}, numbered from 0`
    throw new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic, partition })
  }
}

function summary(topic: string, counts: SendProgress, durationMs: number, options: ProduceOptions): string {
  const recordCount = counts.recordCount - counts.unacknowledgedCount
  const { inputBytes } = counts
  if (options.output !== 'table') {
    return `${JSON.stringify({ topic, recordCount, inputBytes, acks: options.acks, durationMs: Math.round(durationMs) })}\n`
  }
  const how = options.acks === 'none' ? 'sent' : 'acknowledged'
  const rate = formatRate(recordCount, inputBytes, durationMs)
  const size = `${formatBytes(inputBytes)} of input in ${formatDuration(durationMs)}`
  return `${how} ${formatCount(recordCount)} records, ${size} (${rate})\n`
}
