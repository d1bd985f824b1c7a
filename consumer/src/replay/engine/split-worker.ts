/**
 * What a worker thread does, without the thread: splits come in, messages go out.
 *
 * Invariant: one split at a time. Owner: worker-main.ts, or a test.
 */
import { invariant, StratalogError } from '@stratalog/proto'
import type { LogRecord } from '@stratalog/proto/records'
import type { ReplaySplit } from '../manifest.ts'
import { openReplaySource } from '../open-source.ts'
import { type EncoderFactory, encoderFactory } from '../sinks/file-format.ts'
import { NODE_OUTPUT_FILES, type OutputFiles } from '../sinks/output-files.ts'
import { PackedEncoder } from '../sinks/packed-records.ts'
import type { ReplaySource } from '../source.ts'
import { RateLimiter } from './rate-limiter.ts'
import { toReplayFilter } from './record-filter.ts'
import { runSplit } from './split-job.ts'
import {
  ChunkCredit,
  ChunkOutput,
  FileOutput,
  ModuleOutput,
  type SplitHandler,
  type SplitOutput,
} from './split-output.ts'
import { type FromWorker, toPlainError, type WorkerSetup } from './thread-messages.ts'

/** Bytes of chunks that a worker may have sent without an answer. */
export const CHUNK_CREDIT_BYTES: number = 4 * 1024 * 1024

/** What a module of the application's exports. */
export interface SplitModule {
  openSplit(split: ReplaySplit, options: unknown): SplitHandler | Promise<SplitHandler>
}

type OutputOfSplit = (split: ReplaySplit, withHeader: boolean) => SplitOutput | Promise<SplitOutput>

/** See the file's header. */
export class SplitWorker {
  readonly #setup: WorkerSetup
  readonly #send: (message: FromWorker) => void
  readonly #source: ReplaySource
  readonly #filter: ReturnType<typeof toReplayFilter>
  readonly #limiter: RateLimiter | null
  readonly #credit: ChunkCredit
  readonly #stopping = new AbortController()
  #outputOf: OutputOfSplit = () => {
    throw new Error('the worker is not open')
  }
  #running: Promise<void> | null = null
  #splitId = ''

  private constructor(setup: WorkerSetup, source: ReplaySource, send: (message: FromWorker) => void) {
    this.#setup = setup
    this.#source = source
    this.#send = send
    this.#filter = toReplayFilter(setup.filter)
    this.#limiter = setup.rateLimit === null ? null : new RateLimiter(setup.rateLimit)
    this.#credit = new ChunkCredit(CHUNK_CREDIT_BYTES, (bytes) =>
      send({ type: 'chunk', splitId: this.#splitId, bytes }),
    )
  }

  /** Opens the source and loads what the output needs. Errors: UNSUPPORTED_FORMAT, INVALID_REQUEST. */
  static async open(
    setup: WorkerSetup,
    send: (message: FromWorker) => void,
    source: ReplaySource = openReplaySource(setup.source),
    files: OutputFiles = NODE_OUTPUT_FILES,
  ): Promise<SplitWorker> {
    const worker = new SplitWorker(setup, source, send)
    worker.#outputOf = await worker.#prepareOutput(files)
    return worker
  }

  /** Reads a split; `done` or `failed` is sent at its end. */
  run(split: ReplaySplit, withHeader: boolean): Promise<void> {
    invariant(this.#running === null, 'a worker reads one split at a time')
    this.#running = this.#run(split, withHeader)
    return this.#running
  }

  /** So many bytes of chunks were taken. */
  give(bytes: number): void {
    this.#credit.give(bytes)
  }

  /** Stops what is under way and closes the source. */
  async stop(): Promise<void> {
    this.#stopping.abort(new StratalogError('CANCELLED', 'the replay was stopped'))
    // Nobody takes chunks any more: what waits for room must not hang.
    this.#credit.release()
    await this.#running
    await this.#source[Symbol.asyncDispose]()
  }

  async #run(split: ReplaySplit, withHeader: boolean): Promise<void> {
    const { skipCorrupt, onDeleted, prefetchBytes } = this.#setup
    this.#splitId = split.id
    let last: FromWorker
    try {
      const result = await runSplit({
        source: this.#source,
        split,
        output: await this.#outputOf(split, withHeader),
        read: { filter: this.#filter, skipCorrupt, onDeleted, prefetchBytes },
        limiter: this.#limiter,
        signal: this.#stopping.signal,
        onProgress: (counts, position) => this.#send({ type: 'progress', splitId: split.id, counts, position }),
      })
      last = { type: 'done', result }
    } catch (error) {
      last = { type: 'failed', splitId: split.id, error: toPlainError(error) }
    }
    this.#running = null
    this.#send(last)
  }

  async #prepareOutput(files: OutputFiles): Promise<OutputOfSplit> {
    const { output } = this.#setup
    if (output.kind === 'files') {
      const makeEncoder = await encoderFactory(output.form)
      return (split) => new FileOutput(files, output.folder, output.form, makeEncoder, split)
    }
    if (output.kind === 'module') {
      const { openSplit } = (await import(output.url)) as Partial<SplitModule>
      if (typeof openSplit !== 'function') {
        throw new StratalogError('INVALID_REQUEST', `${output.url} exports no function openSplit(split, options)`)
      }
      return async (split) => new ModuleOutput(await openSplit(split, output.options))
    }
    const makeEncoder: EncoderFactory =
      output.kind === 'text' ? await encoderFactory(output.form) : (target) => new PackedEncoder(target)
    return (split, withHeader) =>
      new ChunkOutput(
        this.#credit,
        (target) => makeEncoder(target, split, withHeader),
        (record, reason) => doesNotFit(split, record, reason),
      )
  }
}

function doesNotFit({ topic, partition }: ReplaySplit, { offset }: LogRecord, reason: string): never {
  throw new StratalogError('SERIALIZATION_FAILED', `${topic}-${partition} at offset ${offset}: ${reason}`, {
    topic,
    partition,
    metadata: { offset: String(offset) },
    hint: 'Write files: there, records that do not fit go to a file of their own. Or choose columns that hold them.',
  })
}
