/**
 * Runs a planned replay: splits over worker threads, into a sink, with a checkpoint after each, until all are done.
 *
 * Invariant: a split is in the checkpoint only when what it gave is durable where it belongs; `_SUCCESS` is there only when
 * all splits are. What a run that ended early left is completed by a resume, which reads no split again that is done.
 */
import { abortError, onAbort, throwIfAborted } from '@stratalog/client'
import { InvariantError, StratalogError } from '@stratalog/proto'
import type { ReplayManifest, ReplaySplit } from '../manifest.ts'
import { planReplay } from '../plan.ts'
import type { FileForm } from '../sinks/file-format.ts'
import { NODE_OUTPUT_FILES } from '../sinks/output-files.ts'
import { unpackRecords } from '../sinks/packed-records.ts'
import type { FormOptions, ReplaySink } from '../sinks/sink.ts'
import type { JournalEntry, LoadedJournal } from './journal.ts'
import { type ChunkConsumer, OrderedChunks } from './ordered-chunks.ts'
import { checkSameReplay, OutputFolder } from './output-folder.ts'
import { ProgressMeter } from './progress.ts'
import { createRateLimit } from './rate-limiter.ts'
import { toReplayFilter } from './record-filter.ts'
import { type ReplayOptions, type ResolvedReplayOptions, resolveReplayOptions } from './replay-options.ts'
import { resolveForm } from './sample-schema.ts'
import { orderSplits } from './split-order.ts'
import { countsOf, type ReplaySummary, summarize } from './summary.ts'
import type { SplitResult, WorkerOutput, WorkerSetup } from './thread-messages.ts'
import { WorkerPool } from './worker-pool.ts'

/**
 * Reads what was planned and hands it to the sink; resolves when all of it is there and durable.
 *
 * Errors: INVALID_CONFIG; OUTPUT_EXISTS, CHECKPOINT_MISMATCH and CHECKPOINT_DAMAGED before anything is read; OUTPUT_FAILED,
 * such as a full disk; CANCELLED; what `readSplit` meets; what the sink throws. After any of them a resume may go on.
 */
export async function replay(options: ReplayOptions): Promise<ReplaySummary> {
  const resolved = resolveReplayOptions(options)
  throwIfAborted(options.signal)
  const run = new ReplayRun(options, resolved)
  try {
    return await run.run()
  } finally {
    await run.close()
  }
}

/** One call. */
class ReplayRun {
  readonly #options: ReplayOptions
  readonly #resolved: ResolvedReplayOptions
  readonly #folder: OutputFolder | null
  readonly #startedAtMs = Date.now()
  readonly #begunAt = performance.now()
  readonly #results = new Map<string, SplitResult>()
  #form: FileForm | null = null

  constructor(options: ReplayOptions, resolved: ResolvedReplayOptions) {
    const { sink, checkpointDir } = options
    this.#options = options
    this.#resolved = resolved
    const dir = sink.kind === 'files' ? sink.dir : checkpointDir
    this.#folder = dir === undefined ? null : new OutputFolder(NODE_OUTPUT_FILES, dir)
  }

  async run(): Promise<ReplaySummary> {
    const { sink, onProgress, resume } = this.#options
    const found = this.#folder?.find(resume === true) ?? null
    const manifest = await this.#findManifest(found)
    await this.#prepare(manifest, found)
    const meter = new ProgressMeter(manifest.splits, performance.now())
    for (const entry of found?.entries ?? []) {
      this.#results.set(entry.splitId, entry)
      meter.resumed(entry.splitId, countsOf(entry))
    }
    const resumedSplitCount = this.#results.size
    if (sink.kind === 'records')
      await sink.open?.({ manifest, isResumed: found !== null, doneSplits: doneSplits(found) })
    const left = orderSplits(manifest.splits).filter(({ id }) => !this.#results.has(id))
    const tell = (): void => onProgress?.(meter.at(performance.now()))
    const timer = setInterval(tell, this.#resolved.progressIntervalMs)
    try {
      await this.#read(left, resumedSplitCount > 0, meter)
    } finally {
      clearInterval(timer)
    }
    tell()
    const summary = this.#summary(manifest, resumedSplitCount, found?.header.startedAtMs ?? this.#startedAtMs)
    this.#folder?.complete(summary)
    return summary
  }

  async close(): Promise<void> {
    const { sink } = this.#options
    this.#folder?.close()
    if (sink.kind === 'records') await sink.close?.()
  }

  async #findManifest(found: LoadedJournal | null): Promise<ReplayManifest> {
    const { manifest, plan, source, signal } = this.#options
    if (manifest !== undefined) return manifest
    if (found !== null) return found.header.manifest
    if (plan !== undefined) return await planReplay(source, { ...plan, signal: plan.signal ?? signal })
    throw new StratalogError(
      'INVALID_REQUEST',
      'there is no checkpoint to resume from, and no manifest or plan was given',
    )
  }

  /** Checks or begins the checkpoint, and settles the form of the output. */
  async #prepare(manifest: ReplayManifest, found: LoadedJournal | null): Promise<void> {
    const { sink, source, filter, signal } = this.#options
    const { skipCorrupt, onDeleted } = this.#resolved
    const asked = this.#asked()
    if (found !== null) {
      checkSameReplay(this.#folder?.path ?? '', found.header, manifest, asked)
      this.#folder?.clean(manifest)
      this.#form = found.header.resolved as FileForm | null
      return
    }
    if (sink.kind === 'files' || sink.kind === 'text') {
      const sampling = {
        filter: toReplayFilter(filter),
        skipCorrupt,
        onDeleted,
        signal: signal ?? new AbortController().signal,
      }
      this.#form = await resolveForm(sink, source, manifest, sampling)
      if (sink.kind === 'text') checkIsText(this.#form)
    }
    this.#folder?.begin({ manifest, asked, resolved: this.#form, startedAtMs: this.#startedAtMs })
  }

  /** What makes this replay another one than the next. */
  #asked(): Readonly<Record<string, unknown>> {
    const { sink, filter, request } = this.#options
    return {
      sink: sink.kind === 'records' ? (sink.name ?? sink.kind) : sink.kind === 'module' ? sink.url : sink.kind,
      ...(sink.kind === 'files' || sink.kind === 'text' ? formAsked(sink) : {}),
      filter: filter ?? null,
      request: request ?? {},
    }
  }

  async #read(splits: readonly ReplaySplit[], isContinued: boolean, meter: ProgressMeter): Promise<void> {
    const { sink, signal } = this.#options
    const chunks = new OrderedChunks(splits)
    const isStream = sink.kind === 'text' || sink.kind === 'records'
    const finish = (result: SplitResult, sinkState?: unknown): void => this.#done(result, sinkState, meter)
    const pool = new WorkerPool(
      {
        setup: this.#setup(),
        threadCount: this.#resolved.parallelism,
        firstHasHeader: !isContinued,
      },
      splits,
      {
        progress: (splitId, counts, position) => meter.progress(splitId, counts, position),
        chunk: (splitId, bytes, taken) => chunks.chunk(splitId, bytes, taken),
        done: (result) => (isStream ? chunks.end(result) : finish(result)),
      },
    )
    const stopListening = onAbort(signal, () => pool.fail(signal && abortError(signal)))
    try {
      const delivered = isStream ? chunks.deliver(consumerOf(sink, finish)) : Promise.resolve()
      // A sink that fails ends the run; a worker that fails leaves the delivery waiting for ever, which is let go.
      delivered.catch((error: unknown) => pool.fail(error))
      await pool.finished
      await Promise.race([delivered, pool.failed])
    } finally {
      stopListening()
      await pool.close()
    }
  }

  #done(result: SplitResult, sinkState: unknown, meter: ProgressMeter): void {
    const entry: JournalEntry = sinkState === undefined ? result : { ...result, sinkState }
    this.#folder?.append(entry)
    this.#results.set(result.splitId, result)
    meter.done(result.splitId, countsOf(result))
    for (const gap of result.gaps) this.#options.onGap?.(gap)
  }

  #setup(): WorkerSetup {
    const { source, filter } = this.#options
    const { skipCorrupt, onDeleted, prefetchBytes, bytesPerSecondMax } = this.#resolved
    return {
      source: source.spec,
      output: this.#workerOutput(),
      filter,
      skipCorrupt,
      onDeleted,
      prefetchBytes,
      rateLimit: bytesPerSecondMax === null ? null : createRateLimit(bytesPerSecondMax),
    }
  }

  #workerOutput(): WorkerOutput {
    const { sink } = this.#options
    const form = this.#form
    if (sink.kind === 'records') return { kind: 'records' }
    if (sink.kind === 'module') return { kind: 'module', url: sink.url, options: sink.options }
    if (form === null) throw new InvariantError('a text or file output has a form')
    return sink.kind === 'files' ? { kind: 'files', folder: sink.dir, form } : { kind: 'text', form }
  }

  #summary(manifest: ReplayManifest, resumedSplitCount: number, startedAtMs: number): ReplaySummary {
    return summarize({
      manifest,
      form: this.#form,
      results: [...this.#results.values()],
      resumedSplitCount,
      startedAtMs,
      finishedAtMs: Date.now(),
      durationMs: Math.round(performance.now() - this.#begunAt),
    })
  }
}

function consumerOf(sink: ReplaySink, finish: (result: SplitResult, sinkState?: unknown) => void): ChunkConsumer {
  if (sink.kind === 'text') return { take: (_, bytes) => sink.write(bytes), finish: (_, result) => finish(result) }
  if (sink.kind !== 'records') throw new InvariantError(`a ${sink.kind} sink takes no chunks`)
  return {
    take: (split, bytes) => sink.records(unpackRecords(bytes), split),
    finish: async (split, result) => finish(result, await sink.splitDone?.(split)),
  }
}

function formAsked({ format, compression, columns, fields, place }: FormOptions): Record<string, unknown> {
  return {
    format,
    compression: compression ?? 'default',
    columns: columns ?? 'auto',
    fields: fields ?? null,
    place: place ?? true,
  }
}

function checkIsText({ format, compression }: FileForm): void {
  if (format !== 'ndjson' && format !== 'csv') {
    throw new StratalogError('UNSUPPORTED_FORMAT', `${format} needs files: a stream can be ndjson or csv`, {
      hint: 'Give an output folder.',
    })
  }
  if (compression === 'none') return
  throw new StratalogError('UNSUPPORTED_FORMAT', 'a stream is not compressed here', {
    hint: `Give an output folder, or compress the stream behind it, with ${compression} for instance.`,
  })
}

function doneSplits(found: LoadedJournal | null): { splitId: string; sinkState: unknown }[] {
  return (found?.entries ?? []).map(({ splitId, sinkState }) => ({ splitId, sinkState }))
}
