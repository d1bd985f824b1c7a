/**
 * Stops the host at every write, sync, rename, create and remove of a workload that compacts, lets the disk keep various
 * parts of what was not synced, and checks what the next start makes of it. Runs in a worker thread, see log-crash-suite.ts.
 */
import assert from 'node:assert/strict'
import { verifySegment } from '../../log/index.ts'
import { COMPACTED_DIRECTORY, CompactedLog } from '../../testing/compacted-log.ts'
import { CompactedModel } from '../../testing/compacted-model.ts'
import { type CrashLoss, seededRandom } from '../../testing/fake-disk.ts'
import { FakeFileSystem } from '../../testing/fake-file-system.ts'
import { readAll } from '../../testing/log-model.ts'

/** What a crash leaves to be found. */
interface Written {
  readonly model: CompactedModel
  acknowledgedEnd: number
}

async function workload(disk: FakeFileSystem, written: Written): Promise<void> {
  const random = seededRandom(3)
  const subject = await CompactedLog.open(disk, written.model)
  let epoch = 1
  const append = async (batchCount: number): Promise<void> => {
    for (let index = 0; index < batchCount; index++) {
      const records = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
        key: `key ${Math.floor(random() * 6)}`,
        value: random() < 0.2 ? null : 'x'.repeat(Math.floor(random() * 80)),
      }))
      subject.push(records, epoch)
    }
    written.acknowledgedEnd = await subject.log.flush()
  }
  await append(12)
  subject.pushLeader(++epoch)
  await append(6)
  await subject.compact()
  await append(8)
  // In rounds of a few keys, with appends in between.
  for (let hasMore = true; hasMore; ) {
    hasMore = (await subject.compact({ mapBytesMax: 32 * 5 })).hasMore
    await append(1)
  }
  subject.advance(1000)
  await subject.log.roll()
  await subject.compact()
  await append(2)
  await subject.log.close()
}

async function runUntil(stop: number): Promise<{ disk: FakeFileSystem; written: Written; operations: string[] }> {
  const disk = new FakeFileSystem()
  const written: Written = { model: new CompactedModel(), acknowledgedEnd: 0 }
  const operations: string[] = []
  disk.onMutation = (_number, operation) => operations.push(operation)
  disk.stopAtOperation(stop)
  try {
    await workload(disk, written)
  } catch (error) {
    if (!disk.stopped) throw error
  }
  return { disk, written, operations }
}

async function checkFound(disk: FakeFileSystem, { model, acknowledgedEnd }: Written): Promise<void> {
  const subject = await CompactedLog.open(disk, model)
  const { log } = subject
  assert.ok(log.logEndOffset >= acknowledgedEnd, `${log.logEndOffset} < ${acknowledgedEnd}`)
  await subject.check()
  const bytes = await readAll(log)
  for (let at = 1_000; at < 1_000 + log.logEndOffset; at += 13) {
    const hit = await log.offsetForTimestamp(at, log.logEndOffset)
    assert.equal(hit?.offset ?? null, CompactedModel.firstAt(bytes, at), `first record at ${at}`)
  }
  assert.deepEqual((await verifySegment(COMPACTED_DIRECTORY, { fileSystem: disk })).problems, [])
  assert.deepEqual(
    disk.paths.filter((path) => path.endsWith('.tmp')),
    [],
  )
  // What was found is durable, and goes on to be compacted.
  const again = await CompactedLog.open(disk.crash({ keep: 'none' }), model)
  assert.equal(again.log.logEndOffset, log.logEndOffset)
  await again.check()
  await again.log.roll()
  while ((await again.compact()).hasMore);
  assert.equal((await again.check()).replacedCount, 0)
  assert.deepEqual([...subject.damages, ...again.damages], [])
}

function losses(stop: number, all: boolean): CrashLoss[] {
  const partial: CrashLoss[] = [
    { keep: 'random', seed: stop * 3 },
    { keep: 'torn', bytes: 0.5 },
    { keep: 'sectors', seed: stop },
    { keep: 'random', seed: stop * 3 + 1 },
  ]
  return [{ keep: 'all' }, { keep: 'none' }, ...(all ? partial : [partial[stop % 4]!, partial[(stop + 1) % 4]!])]
}

/** Runs it and returns its figures in a line; throws at the first thing that is wrong. */
export async function crashCompaction(allLosses: boolean): Promise<string> {
  const { operations } = await runUntil(Number.POSITIVE_INFINITY)
  let cases = 0
  for (let stop = 1; stop <= operations.length + 1; stop++) {
    const { disk, written } = await runUntil(stop)
    // Nothing was written before the first append: nothing to be checked.
    if (written.model.endOffset === 0) continue
    const at = `${stop}, before "${operations[stop - 1] ?? 'the end'}"`
    const left: [string, FakeFileSystem][] = [['kill', disk.kill()]]
    for (const loss of losses(stop, allLosses)) left.push([JSON.stringify(loss), disk.crash(loss)])
    for (const [loss, found] of left) {
      cases++
      await checkFound(found, written).catch((cause: unknown) => {
        throw new Error(`after a stop at ${at}, ${loss}: ${cause instanceof Error ? cause.stack : cause}`, { cause })
      })
    }
  }
  const renames = operations.filter((operation) => /rename .*\.log\.tmp/.test(operation)).length
  assert.ok(renames > 6, `${renames} segments were replaced`)
  return `${operations.length} crash points, ${renames} replacements, ${cases} cases`
}
