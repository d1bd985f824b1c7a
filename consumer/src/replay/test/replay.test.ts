/** Whole replays with worker threads, from a real broker: sinks, stops and resumes, refusals. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startTestBroker, type TestBroker } from '@stratalog/broker/testing'
import { type Client, createClient } from '@stratalog/client'
import {
  clusterSource,
  planReplay,
  type RecordSink,
  type ReplayManifest,
  type ReplayOptions,
  type ReplaySource,
  type ReplaySummary,
  readCheckpoint,
  replay,
} from '../../index.ts'
import { produceRaw } from '../../test/raw-produce.ts'

const PARTITIONS = 3
const BATCHES = 20
const PER_BATCH = 50
const TOTAL = PARTITIONS * BATCHES * PER_BATCH

describe('replay over worker threads', () => {
  let broker: TestBroker
  let client: Client
  let source: ReplaySource
  let manifest: ReplayManifest
  const folders: string[] = []

  before(async () => {
    broker = await startTestBroker()
    client = createClient({ bootstrap: broker.bootstrap })
    source = clusterSource(client)
    await client.admin.createTopic({ name: 'orders', partitionCount: PARTITIONS, replicationFactor: 1 })
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await produceRaw(client, {
        topic: 'orders',
        partition,
        codec: partition === 1 ? 'zstd' : 'none',
        batches: Array.from({ length: BATCHES }, (_, batch) => orders(partition, batch * PER_BATCH)),
      })
    }
    manifest = await planReplay(source, { topics: ['orders'], splits: 12 })
    assert.ok(manifest.splits.length >= PARTITIONS)
  })

  after(async () => {
    await client?.close()
    await broker?.[Symbol.asyncDispose]()
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  })

  function orders(partition: number, from: number) {
    return Array.from({ length: PER_BATCH }, (_, index) => ({
      key: `k${(from + index) % 7}`,
      value: JSON.stringify({ partition, number: from + index, text: 'x'.repeat(100) }),
      timestamp: 1_000_000 + from + index,
    }))
  }

  function folder(): string {
    const path = mkdtempSync(join(tmpdir(), 'stratalog-replay-'))
    folders.push(path)
    return join(path, 'out')
  }

  const run = (options: Partial<ReplayOptions> & Pick<ReplayOptions, 'sink'>): Promise<ReplaySummary> =>
    replay({ source, manifest, parallelism: 2, ...options })

  /** Partition and number of every record in NDJSON files, sorted. */
  function written(dir: string, { files }: ReplaySummary): string[] {
    const seen: string[] = []
    for (const { path, sha256, bytes, recordCount } of files) {
      const content = readFileSync(join(dir, path))
      assert.equal(content.length, bytes)
      assert.equal(createHash('sha256').update(content).digest('hex'), sha256)
      const lines = content.toString().trimEnd().split('\n')
      assert.equal(lines.length, recordCount)
      for (const line of lines) seen.push(`${JSON.parse(line).partition}/${JSON.parse(JSON.parse(line).value).number}`)
    }
    return seen.sort()
  }

  const EVERY = Array.from({ length: PARTITIONS }, (_, partition) =>
    Array.from({ length: BATCHES * PER_BATCH }, (_, number) => `${partition}/${number}`),
  )
    .flat()
    .sort()

  it('writes every record once, with checkpoint, summary and mark', async () => {
    const dir = folder()
    const progress: number[] = []
    const summary = await run({
      sink: { kind: 'files', dir, format: 'ndjson' },
      onProgress: ({ share }) => progress.push(share),
    })
    assert.equal(summary.recordCount, TOTAL)
    assert.deepEqual(written(dir, summary), EVERY)
    assert.deepEqual(JSON.parse(readFileSync(join(dir, '_summary.json'), 'utf8')), summary)
    assert.ok(existsSync(join(dir, '_SUCCESS')))
    assert.equal(progress.at(-1), 1)
    assert.equal(readCheckpoint(dir)?.doneSplitIds.length, manifest.splits.length)
    // Again: nothing is read and nothing written.
    const again = await run({ sink: { kind: 'files', dir, format: 'ndjson' }, resume: true })
    assert.deepEqual(again.files, summary.files)
    assert.equal(again.resumedSplitCount, manifest.splits.length)
    await assert.rejects(run({ sink: { kind: 'files', dir, format: 'ndjson' } }), { code: 'OUTPUT_EXISTS' })
  })

  it('goes on where it was stopped, however often', async () => {
    const dir = folder()
    let runs = 0
    let summary: ReplaySummary | null = null
    while (summary === null) {
      runs++
      const stop = new AbortController()
      const onGap = () => {}
      try {
        summary = await run({
          sink: { kind: 'files', dir, format: 'csv', columns: 'json', place: false },
          resume: true,
          parallelism: 1,
          signal: stop.signal,
          progressIntervalMs: 50,
          bytesPerSecondMax: 1_000_000,
          onGap,
          onProgress: ({ doneSplitCount }) => {
            if (doneSplitCount >= runs * 2) stop.abort()
          },
        })
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'CANCELLED')
        assert.ok(!existsSync(join(dir, '_SUCCESS')))
      }
    }
    assert.equal(summary.recordCount, TOTAL)
    const lines = summary.files.flatMap(({ path }) =>
      readFileSync(join(dir, path), 'utf8').trimEnd().split('\n').slice(1),
    )
    assert.equal(new Set(lines.map((line) => line.split(',').slice(0, 2).join('/'))).size, TOTAL)
    assert.equal(lines.length, TOTAL)
    assert.deepEqual(
      filesBeside(dir).filter((name) => name.endsWith('.tmp')),
      [],
    )
  })

  it('refuses a checkpoint of another plan or form, and one that is damaged', async () => {
    const dir = folder()
    await run({ sink: { kind: 'files', dir, format: 'ndjson' } })
    const other = await planReplay(source, { topics: ['orders'], from: { offset: 5 } })
    const resume = (options: Partial<ReplayOptions>) =>
      run({ sink: { kind: 'files', dir, format: 'ndjson' }, resume: true, ...options })
    await assert.rejects(resume({ manifest: other }), { code: 'CHECKPOINT_MISMATCH', message: /other offsets/ })
    await assert.rejects(resume({ filter: { keys: ['k1'] } }), { code: 'CHECKPOINT_MISMATCH', message: /filter/ })
    await assert.rejects(resume({ sink: { kind: 'files', dir, format: 'csv' } }), { code: 'CHECKPOINT_MISMATCH' })
    writeFileSync(join(dir, '_checkpoint.ndjson'), 'x')
    await assert.rejects(resume({}), { code: 'CHECKPOINT_DAMAGED' })
  })

  it('hands text out in order within each partition', async () => {
    let text = ''
    const sink = {
      kind: 'text',
      format: 'csv',
      columns: 'text',
      write(bytes: Buffer) {
        text += bytes
      },
    } as const
    const summary = await run({ sink, filter: { keys: ['k1', 'k2'] } })
    const [header, ...lines] = text.trimEnd().split('\n')
    assert.equal(header, 'partition,offset,timestamp,key,value,headers')
    assert.equal(lines.length, summary.recordCount)
    assert.equal(summary.recordCount + summary.filteredCount, TOTAL)
    const last = new Map<string, number>()
    for (const line of lines) {
      const [partition = '', offset = ''] = line.split(',')
      assert.ok(Number(offset) > (last.get(partition) ?? -1))
      last.set(partition, Number(offset))
    }
    await assert.rejects(run({ sink: { ...sink, format: 'parquet' } }), {
      code: 'UNSUPPORTED_FORMAT',
      message: /files/,
    })
  })

  it('hands records out in the same order in every run, and resumes behind the last whole split', async () => {
    const dir = folder()
    const collect = (limit: number, seen: string[]): RecordSink => ({
      kind: 'records',
      records(records, split) {
        for (const { offset, key } of records) seen.push(`${split.partition}/${offset}/${key}`)
        if (seen.length > limit) throw new Error('enough')
      },
      splitDone: () => ({ count: seen.length }),
    })
    const whole: string[] = []
    await run({ sink: collect(Number.POSITIVE_INFINITY, whole) })
    assert.equal(new Set(whole).size, TOTAL)
    const begun: string[] = []
    await assert.rejects(run({ sink: collect(TOTAL / 2, begun), checkpointDir: dir }), /enough/)
    const rest: string[] = []
    let stored: unknown
    const sink: RecordSink = {
      ...collect(TOTAL, rest),
      open({ doneSplits }) {
        stored = doneSplits.at(-1)?.sinkState
      },
    }
    await run({ sink, checkpointDir: dir, resume: true, manifest: undefined })
    const doneCount = (stored as { count: number } | undefined)?.count ?? 0
    assert.ok(doneCount > 0 && doneCount <= TOTAL / 2 + PER_BATCH)
    assert.deepEqual([...begun.slice(0, doneCount), ...rest], whole)
  })

  it('plans by itself, limits the rate, and ends at once when it is stopped before', async () => {
    let count = 0
    const sink: RecordSink = {
      kind: 'records',
      records(records) {
        count += [...records].length
      },
    }
    const plan = { topics: ['orders'], partitions: [2], from: { offset: 10 }, to: { offset: 20 } } as const
    await replay({ source, plan, sink })
    assert.equal(count, 10)
    const signal = AbortSignal.abort()
    await assert.rejects(run({ sink, signal }), { code: 'CANCELLED' })
    await assert.rejects(run({ sink, manifest: undefined }), { code: 'INVALID_CONFIG', message: /manifest/ })
    await assert.rejects(run({ sink, parallelism: 65 }), { code: 'INVALID_CONFIG', message: /parallelism/ })
    await assert.rejects(run({ sink, resume: true, manifest: undefined }), {
      code: 'INVALID_REQUEST',
      message: /no checkpoint/,
    })
  })

  it('an empty plan is done at once', async () => {
    const dir = folder()
    const empty = await planReplay(source, { topics: ['orders'], from: 'latest' })
    const summary = await run({ manifest: empty, sink: { kind: 'files', dir, format: 'parquet' } })
    assert.equal(summary.recordCount, 0)
    assert.deepEqual(summary.files, [])
    assert.ok(existsSync(join(dir, '_SUCCESS')))
  })

  it('a topic that was created anew since the plan is an error by name, and what was done stays', async () => {
    const topic = 'again'
    await client.admin.createTopic({ name: topic, partitionCount: 1, replicationFactor: 1 })
    await produceRaw(client, { topic, batches: [orders(0, 0)] })
    const old = await planReplay(source, { topics: [topic] })
    await client.admin.deleteTopic(topic)
    await client.admin.createTopic({ name: topic, partitionCount: 1, replicationFactor: 1 })
    const dir = folder()
    const sink = { kind: 'files', dir, format: 'ndjson' } as const
    await assert.rejects(run({ manifest: old, sink }), { code: 'UNKNOWN_TOPIC_ID', topic })
    assert.ok(!existsSync(join(dir, '_SUCCESS')))
  })
})

function filesBeside(dir: string): string[] {
  return readdirSync(dir, { recursive: true }).map(String)
}
