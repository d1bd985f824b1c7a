/** A worker without its thread: splits from memory into files, chunks and modules, with faults. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecordInput } from '@stratalog/proto/records'
import type { FileForm } from '../sinks/file-format.ts'
import { unpackRecords } from '../sinks/packed-records.ts'
import { FakeFiles } from '../test/fake-files.ts'
import { memorySource, splitOf } from '../test/memory-source.ts'
import { CHUNK_CREDIT_BYTES, SplitWorker } from './split-worker.ts'
import type { FromWorker, SplitResult, WorkerSetup } from './thread-messages.ts'

const CSV: FileForm = {
  format: 'csv',
  compression: 'none',
  schema: { mode: 'json', fields: [{ name: 'n', type: 'int64' }], place: false },
}

const values = (...texts: (string | null)[]): RecordInput[] => texts.map((value) => ({ value, timestamp: 1 }))
const SOURCE = memorySource('t', [
  [values('{"n":0}', '{"n":1}'), values('{"n":"x"}', '{"n":3}'), values('{"n":4}')],
  [values('{"n":9}', null)],
])

function setup(output: WorkerSetup['output'], filter?: WorkerSetup['filter']): WorkerSetup {
  return {
    source: SOURCE.spec,
    output,
    filter,
    skipCorrupt: false,
    onDeleted: 'fail',
    prefetchBytes: 1024 * 1024,
    rateLimit: null,
  }
}

async function opened(
  given: WorkerSetup,
  files = new FakeFiles(),
  source = SOURCE,
): Promise<{ worker: SplitWorker; messages: FromWorker[]; files: FakeFiles }> {
  const messages: FromWorker[] = []
  const worker = await SplitWorker.open(given, (message) => messages.push(message), source, files)
  return { worker, messages, files }
}

function doneOf(messages: readonly FromWorker[]): SplitResult {
  const last = messages.at(-1)
  assert.equal(last?.type, 'done', JSON.stringify(last))
  return (last as Extract<FromWorker, { type: 'done' }>).result
}

test('a split becomes a file, and what does not fit another', async () => {
  const { worker, messages, files } = await opened(setup({ kind: 'files', folder: 'out', form: CSV }))
  await worker.run(splitOf('t', 0, 1, 5), true)
  const { recordCount, rejectedCount, file, rejects, gaps } = doneOf(messages)
  assert.deepEqual({ recordCount, rejectedCount, gaps }, { recordCount: 3, rejectedCount: 1, gaps: [] })
  assert.equal(files.text(`out/${file?.path}`), 'n\n1\n3\n4\n')
  assert.equal(JSON.parse(files.text(`out/${rejects?.path}`)).reason, 'field n is "x", the column is int64')
  await worker.run(splitOf('t', 1, 0, 2), true)
  assert.equal(doneOf(messages).rejectedCount, 1, 'a tombstone')
  await worker.stop()
})

test('a split without records wanted leaves no file', async () => {
  const { worker, messages, files } = await opened(
    setup({ kind: 'files', folder: 'out', form: CSV }, { where: [{ path: ['n'], comparison: '>', operand: 100 }] }),
  )
  await worker.run(splitOf('t', 0, 0, 5), true)
  const { recordCount, filteredCount, file } = doneOf(messages)
  assert.deepEqual({ recordCount, filteredCount, file }, { recordCount: 0, filteredCount: 5, file: null })
  assert.deepEqual(files.paths, [])
})

test('a full disk fails the split, leaves nothing of it, and the worker goes on', async () => {
  const { worker, messages, files } = await opened(setup({ kind: 'files', folder: 'out', form: CSV }))
  files.roomBytes = 3
  await worker.run(splitOf('t', 0, 0, 5), true)
  const last = messages.at(-1)
  assert.ok(last?.type === 'failed')
  assert.equal(last.error.code, 'OUTPUT_FAILED')
  assert.deepEqual(files.paths, [])
  files.roomBytes = Number.POSITIVE_INFINITY
  await worker.run(splitOf('t', 0, 0, 5), true)
  assert.equal(doneOf(messages).recordCount, 4)
})

test('a stop discards what is under way', async () => {
  const { worker, messages, files } = await opened(setup({ kind: 'files', folder: 'out', form: CSV }))
  const running = worker.run(splitOf('t', 0, 0, 5), true)
  await worker.stop()
  await running
  const last = messages.at(-1)
  assert.ok(last?.type === 'failed')
  assert.equal(last.error.code, 'CANCELLED')
  assert.deepEqual(files.paths, [])
})

test('chunks wait for credit, and go on when they are taken', async () => {
  const large = 'x'.repeat(1_500_000)
  const source = memorySource('t', [Array.from({ length: 6 }, () => values(large))])
  const { worker, messages } = await opened(setup({ kind: 'records' }), new FakeFiles(), source)
  const chunkBytes = (): number =>
    messages.reduce((sum, message) => sum + (message.type === 'chunk' ? message.bytes.length : 0), 0)
  const running = worker.run(splitOf('t', 0, 0, 6), true)
  const deadline = performance.now() + 10_000
  while (chunkBytes() <= CHUNK_CREDIT_BYTES && performance.now() < deadline) await new Promise(setImmediate)
  const heldBytes = chunkBytes()
  assert.ok(heldBytes <= CHUNK_CREDIT_BYTES + 1_500_100, `${heldBytes} bytes are out`)
  let takenBytes = 0
  while (!messages.some(({ type }) => type === 'done') && performance.now() < deadline) {
    worker.give(chunkBytes() - takenBytes)
    takenBytes = chunkBytes()
    await new Promise(setImmediate)
  }
  await running
  const records = messages.flatMap((message) =>
    message.type === 'chunk' ? [...unpackRecords(Buffer.from(message.bytes))] : [],
  )
  assert.deepEqual(
    records.map(({ offset }) => offset),
    [0, 1, 2, 3, 4, 5],
  )
})

test('a stream ends with the first record that does not fit', async () => {
  const { worker, messages } = await opened(setup({ kind: 'text', form: CSV }))
  await worker.run(splitOf('t', 0, 0, 5), true)
  const last = messages.at(-1)
  assert.ok(last?.type === 'failed')
  assert.equal(last.error.code, 'SERIALIZATION_FAILED')
  assert.deepEqual([last.error.topic, last.error.partition, last.error.metadata], ['t', 0, { offset: '2' }])
})

test('a module takes batches in the worker', async () => {
  const code = `
    export const log = []
    export function openSplit(split, options) {
      return {
        batch(batch) { for (const record of batch) log.push(options.prefix + record.value) },
        close() { log.push('closed') },
      }
    }`
  const url = `data:text/javascript,${encodeURIComponent(code)}`
  const { worker, messages } = await opened(setup({ kind: 'module', url, options: { prefix: '>' } }))
  await worker.run(splitOf('t', 0, 0, 2), true)
  assert.equal(doneOf(messages).recordCount, 2)
  const { log } = (await import(url)) as { log: string[] }
  assert.deepEqual(log, ['>{"n":0}', '>{"n":1}', 'closed'])
  await assert.rejects(opened(setup({ kind: 'module', url: 'data:text/javascript,', options: null })), {
    code: 'INVALID_REQUEST',
    message: /exports no function openSplit/,
  })
})
