import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { RecordBatchBuilder, stampBatch } from '@stratalog/proto/records'
import { compareReplicas, type ReplicaFolder } from './replica-compare.ts'

async function batch(baseOffset: number, values: readonly string[]): Promise<Buffer> {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.append({ key: null, value: Buffer.from(value), timestamp: 1000, headers: [] })
  const bytes = Buffer.from(await builder.build())
  stampBatch(bytes, 0, baseOffset, 1)
  return bytes
}

/** Replicas with these segments each, by base offset. */
async function replicas(
  contents: readonly Record<number, readonly Buffer[]>[],
  body: (folders: ReplicaFolder[]) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'stratalog-compare-'))
  try {
    const folders: ReplicaFolder[] = []
    for (const [index, segments] of contents.entries()) {
      const folder = join(root, String(index + 1))
      await mkdir(folder)
      for (const [base, batches] of Object.entries(segments)) {
        await writeFile(join(folder, `${base.padStart(20, '0')}.log`), Buffer.concat(batches))
      }
      folders.push({ brokerId: index + 1, folder })
    }
    await body(folders)
  } finally {
    await rm(root, { recursive: true })
  }
}

const A = await batch(0, ['a', 'b'])
const B = await batch(2, ['c'])
const C = await batch(3, ['d', 'e', 'f'])

test('the same batches in other segments are the same', async () => {
  await replicas([{ 0: [A, B, C] }, { 0: [A], 2: [B, C] }, { 0: [A, B], 3: [C] }], async (folders) => {
    const found = await compareReplicas(folders, 6)
    assert.deepEqual(found, { comparedBatches: 3, comparedBytes: A.length + B.length + C.length, problems: [] })
  })
})

test('what lies above the high watermark may differ', async () => {
  await replicas([{ 0: [A, B, C] }, { 0: [A, B, await batch(3, ['x'])] }, { 0: [A, B] }], async (folders) => {
    assert.deepEqual((await compareReplicas(folders, 3)).problems, [])
  })
})

test('a replica that differs, is short, or is gone is told', async () => {
  await replicas([{ 0: [A, B, C] }, { 0: [A, await batch(2, ['x']), C] }, { 0: [A] }], async (folders) => {
    const { problems } = await compareReplicas([...folders, { brokerId: 4, folder: `${folders[0]!.folder}-gone` }], 6)
    assert.equal(problems.filter((problem) => problem.includes('differs')).length, 3)
    assert.ok(problems.some((problem) => problem.includes('offset 2 of 6')))
    assert.ok(problems.some((problem) => problem.includes('the folder is missing')))
  })
})

test('the first replica is checked too', async () => {
  await replicas([{ 0: [A] }, { 0: [A, B, C] }], async (folders) => {
    const { problems } = await compareReplicas(folders, 6)
    assert.equal(problems.length, 1)
    assert.match(problems[0]!, /no batch at offset 2 of 6: the log ends/)
  })
})
