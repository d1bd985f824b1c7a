/**
 * What `stratalog replay` does: plans, or takes a plan that was saved or begun, prints it or runs it.
 *
 * Memory: what the engine's threads read ahead, and for standard output a few MiB more; a slow reader slows the reading.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { type Client, StratalogError } from '@stratalog/client'
import {
  clusterSource,
  folderSource,
  parseManifest,
  planReplay,
  type ReplayManifest,
  type ReplayOptions,
  type ReplaySink,
  type ReplaySource,
  type ReplaySummary,
  readCheckpoint,
  replay,
} from '@stratalog/consumer'
import { withClient } from '../cluster/connect.ts'
import { CommandError, fileError, usageError } from '../command-error.ts'
import type { ReplayCommandOptions } from '../commands/replay.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { formatCount } from '../output/quantity.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { ReplayBar } from './replay-bar.ts'
import { renderPlan, renderSummary } from './replay-report.ts'
import { planReplayRequest, type ReplayRequest } from './replay-request.ts'

/** Runs the command. Errors: `INTERRUPTED` (status 130) after Ctrl-C; what the planner and the engine meet. */
export async function runReplay(topics: readonly string[], options: ReplayCommandOptions): Promise<void> {
  const request = planReplayRequest(topics, options)
  const shutdown = new ShutdownSignal()
  try {
    if (options.data !== undefined && request.target.kind !== 'topic') {
      await run(request, options, null, shutdown.signal)
    } else await withClient(options, async (client) => await run(request, options, client, shutdown.signal))
  } finally {
    shutdown.release()
  }
}

async function run(
  request: ReplayRequest,
  options: ReplayCommandOptions,
  client: Client | null,
  signal: AbortSignal,
): Promise<void> {
  await using source = openSource(options, client)
  const plan = await findPlan(request, options, source, signal)
  const { manifest } = plan
  if (options.savePlan !== undefined) await saveManifest(options.savePlan, manifest)
  if (options.dryRun === true) return printPlan(manifest, options)
  const bar = new ReplayBar(process.stderr, options.output)
  let recordCount = 0
  try {
    const summary = await replay({
      ...engineOptions(request, options),
      ...(await sinkOf(request, manifest, client, signal)),
      source,
      manifest,
      request: plan.asked,
      signal,
      onProgress: (progress) => {
        recordCount = progress.recordCount
        if (options.quiet !== true) bar.show(progress)
      },
    })
    bar.stop()
    if (options.quiet !== true) printSummary(summary, request, options)
  } catch (error) {
    bar.stop()
    throw signal.aborted ? interrupted(recordCount, request) : error
  }
}

function openSource(options: ReplayCommandOptions, client: Client | null): ReplaySource {
  const { data, unsafeToLogEnd, readFrom = 'any' } = options
  if (data !== undefined) return folderSource(data, { unsafeToLogEnd: unsafeToLogEnd === true })
  if (client === null) throw new Error('a cluster is read with a client')
  return clusterSource(client, { readFrom })
}

/** A plan, and how it was asked for: what a resume compares. */
interface FoundPlan {
  readonly manifest: ReplayManifest
  readonly asked: Readonly<Record<string, unknown>>
}

/** The plan that was begun in the folder, the one in a file, or a new one. */
async function findPlan(
  request: ReplayRequest,
  options: ReplayCommandOptions,
  source: ReplaySource,
  signal: AbortSignal,
): Promise<FoundPlan> {
  const { plan, resume, from, to, partition, splits, splitSize, clamp } = options
  const dir = checkpointDirOf(request)
  const begun = resume === true && dir !== null ? readCheckpoint(dir) : null
  if (plan !== undefined) return { manifest: parseManifest(await readJson(plan)), asked: {} }
  if (begun !== null) {
    checkTopics(dir ?? '', request.topics, begun.manifest)
    // What is not said again is as it was.
    const said = { from, to, partition }
    const given = Object.entries(said).filter(([, value]) => value !== undefined)
    return { manifest: begun.manifest, asked: { ...begun.request, ...Object.fromEntries(given) } }
  }
  if (request.topics.length === 0) throw usageError('nothing was begun there', 'name the topics to read')
  const manifest = await planReplay(source, {
    topics: request.topics,
    from: request.from,
    to: request.to,
    partitions: partition,
    splits,
    splitBytes: splitSize,
    onOutOfRange: clamp === true ? 'clamp' : 'fail',
    signal,
  })
  return { manifest, asked: { from: from ?? 'earliest', to: to ?? 'latest', partition: partition ?? null } }
}

function checkTopics(dir: string, named: readonly string[], { topics }: ReplayManifest): void {
  const begun = topics.map(({ topic }) => topic).sort()
  if (named.length === 0 || isDeepStrictEqual([...named].sort(), begun)) return
  const message = `the checkpoint in ${dir} is of ${begun.join(', ')}, not of ${named.join(', ')}`
  throw new StratalogError('CHECKPOINT_MISMATCH', message, { metadata: { path: dir } })
}

function checkpointDirOf({ target }: ReplayRequest): string | null {
  if (target.kind === 'files') return target.dir
  return target.kind === 'topic' ? target.checkpointDir : null
}

function engineOptions(
  { filter }: ReplayRequest,
  options: ReplayCommandOptions,
): Pick<ReplayOptions, 'filter' | 'parallelism' | 'bytesPerSecondMax' | 'skipCorrupt' | 'onDeleted' | 'resume'> {
  return {
    filter,
    parallelism: options.parallel,
    bytesPerSecondMax: options.rateLimit,
    skipCorrupt: options.skipCorrupt === true,
    onDeleted: options.skipDeleted === true ? 'skip' : 'fail',
    resume: options.resume === true,
  }
}

async function sinkOf(
  request: ReplayRequest,
  manifest: ReplayManifest,
  client: Client | null,
  signal: AbortSignal,
): Promise<{ sink: ReplaySink; checkpointDir?: string }> {
  const { target, form } = request
  if (target.kind === 'files') return { sink: { kind: 'files', dir: target.dir, ...form } }
  if (target.kind === 'stdout') return { sink: { kind: 'text', ...form, write: writeOut } }
  if (client === null) throw new Error('a topic is written with a client')
  const { copyInto } = await import('./copy-into.ts')
  const sink = await copyInto(client, target, manifest, signal)
  return target.checkpointDir === null ? { sink } : { sink, checkpointDir: target.checkpointDir }
}

/** Resolves when standard output has taken the bytes. */
function writeOut(bytes: Buffer): Promise<void> {
  return new Promise((resolveWrite, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolveWrite()))
  })
}

function printPlan(manifest: ReplayManifest, { output }: ReplayCommandOptions): void {
  if (output === 'table') process.stdout.write(renderPlan(manifest))
  else if (output === 'json') process.stdout.write(`${JSON.stringify(manifest, null, 2)}\n`)
  else process.stdout.write(manifest.splits.map((split) => `${JSON.stringify(split)}\n`).join(''))
}

function printSummary(summary: ReplaySummary, { target }: ReplayRequest, { output }: ReplayCommandOptions): void {
  // Standard output belongs to the records where they go there.
  const stream = target.kind === 'stdout' ? process.stderr : process.stdout
  if (output === 'table') stream.write(renderSummary(summary))
  else stream.write(`${JSON.stringify(summary, null, output === 'json' ? 2 : undefined)}\n`)
}

async function saveManifest(path: string, manifest: ReplayManifest): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(manifest, null, 2)}\n`, { flag: 'wx' })
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') {
      throw new CommandError('USAGE', `${path} exists already`, 'give another file', EXIT_STATUS.alreadyExists)
    }
    throw fileError(path, cause)
  }
}

async function readJson(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw fileError(path, cause)
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new CommandError('INPUT_INVALID', `${path} is no JSON`, 'give a file that --save-plan wrote')
  }
}

function interrupted(recordCount: number, request: ReplayRequest): CommandError {
  const hint =
    checkpointDirOf(request) === null
      ? 'begin anew; with --out, or with --into and --checkpoint, a replay can be resumed'
      : 'go on with the same command and --resume'
  return new CommandError(
    'INTERRUPTED',
    `stopped after ${formatCount(recordCount)} records`,
    hint,
    EXIT_STATUS.interrupted,
  )
}
