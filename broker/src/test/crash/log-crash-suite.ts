/**
 * The crash suite itself: stops the host at every write, sync, rename, create and remove of a workload, lets the disk
 * keep various parts of what was not synced, and checks what recovery makes of it.
 *
 * It runs in a worker thread (log-crash-worker.ts), away from the test runner's hooks on every promise, which would
 * take most of the time.
 */
import assert from 'node:assert/strict'
import { verifySegment } from '../../log/index.ts'
import { dataBatch } from '../../testing/batches.ts'
import { type CrashLoss, seededRandom } from '../../testing/fake-disk.ts'
import { FakeFileSystem } from '../../testing/fake-file-system.ts'
import { assertHolds, LogModel } from '../../testing/log-model.ts'
import { DIRECTORY, LogWorkload, openLog } from './log-workload.ts'

/** What one run of the suite does. */
export interface CrashTask {
  readonly kind: 'workload' | 'recovery'
  /** Workloads to run, by seed from 1 on. */
  readonly seedCount: number
  /** Tries all losses at each point instead of the two extremes and two of the others in turn. */
  readonly allLosses: boolean
}

function losses(operation: number, all: boolean): CrashLoss[] {
  const partial: CrashLoss[] = [
    { keep: 'random', seed: operation * 3 },
    { keep: 'torn', bytes: 0.5 },
    { keep: 'sectors', seed: operation },
    { keep: 'random', seed: operation * 3 + 1 },
    { keep: 'torn', bytes: 7 },
    { keep: 'torn', bytes: 70 },
  ]
  const chosen = all ? partial : [partial[operation % 6]!, partial[(operation + 2) % 6]!]
  return [{ keep: 'all' }, { keep: 'none' }, ...chosen]
}

async function operationsOf(seed: number): Promise<string[]> {
  const operations: string[] = []
  const fileSystem = new FakeFileSystem()
  fileSystem.onMutation = (_number, operation) => operations.push(operation)
  const workload = new LogWorkload(fileSystem, seed)
  await workload.run()
  assert.equal(workload.model.acknowledgedEnd, workload.model.endOffset)
  return operations
}

/** What must hold of the log that a start finds, then that it works on and that a second start finds the same. */
async function checkRecovery(disk: FakeFileSystem, workload: LogWorkload): Promise<void> {
  const { log, recent } = await openLog(disk)
  let { model } = workload
  if (workload.pendingReset !== null && log.logStartOffset === workload.pendingReset) {
    model = new LogModel()
    model.reset(workload.pendingReset)
  } else {
    assert.ok(workload.startMayBe.includes(log.logStartOffset), `the log starts at ${log.logStartOffset}`)
    assert.ok(log.logEndOffset >= model.acknowledgedEnd, `${log.logEndOffset} < acknowledged ${model.acknowledgedEnd}`)
    assert.ok(log.logEndOffset <= model.endOffset, 'the log has more than was appended')
  }
  await assertHolds(log, model)
  recent.assertMatches(model, log)
  assert.equal(log.flushedEndOffset, log.logEndOffset)
  await checkFiles(disk)

  // What recovery found is durable: a second crash that loses everything unsynced changes nothing.
  const again = await openLog(disk.crash({ keep: 'none' }))
  assert.equal(again.log.logEndOffset, log.logEndOffset)
  assert.equal(again.log.logStartOffset, log.logStartOffset)
  await assertHolds(again.log, model)

  const survivors = new LogModel()
  survivors.reset(log.logStartOffset)
  survivors.batches = model.batches.filter((batch) => batch.endOffset <= log.logEndOffset)
  survivors.endOffset = log.logEndOffset
  // Enough to pass the offset of any companion that the crash made stale.
  for (let index = 0; index < 4; index++) {
    const batch = dataBatch({ baseOffset: survivors.endOffset, epoch: 20, recordCount: 5, salt: 99 })
    log.append([batch])
    survivors.append(batch)
    recent.seeBytes(batch)
  }
  assert.equal(await log.flush(), survivors.endOffset)
  await assertHolds(log, survivors)
  const last = await openLog(disk.crash({ keep: 'none' }))
  assert.equal(last.log.logEndOffset, survivors.endOffset)
  await assertHolds(last.log, survivors)
  last.recent.assertMatches(survivors, last.log)
}

async function checkFiles(disk: FakeFileSystem): Promise<void> {
  const { problems, segments } = await verifySegment(DIRECTORY, { fileSystem: disk })
  assert.deepEqual(problems, [])
  assert.equal(segments.at(-1)!.incompleteBytes, 0)
}

/** Runs the task and returns its figures in a line; throws at the first thing that is wrong. */
export function runCrashTask(task: CrashTask): Promise<string> {
  return task.kind === 'workload' ? crashEverywhere(task) : crashRecoveries()
}

async function crashEverywhere(task: CrashTask): Promise<string> {
  let points = 0
  let cases = 0
  const kinds = new Map<string, number>()
  for (let seed = 1; seed <= task.seedCount; seed++) {
    const operations = await operationsOf(seed)
    for (const operation of operations) {
      const kind = operation.split(' ')[0]!
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
    for (let stop = 1; stop <= operations.length + 1; stop++) {
      const { fileSystem, workload } = await runUntil(stop, seed)
      points++
      await checkDisk(
        fileSystem.kill(),
        workload,
        `kill at ${stop} before "${operations[stop - 1] ?? 'end'}", seed ${seed}`,
      )
      cases++
      for (const loss of losses(stop, task.allLosses)) {
        const at = `stop ${stop} before "${operations[stop - 1] ?? 'end'}", ${JSON.stringify(loss)}, seed ${seed}`
        await checkDisk(fileSystem.crash(loss), workload, at)
        cases++
      }
    }
  }
  const split = [...kinds].map(([kind, count]) => `${kind} ${count}`).join(', ')
  return `${points} crash points (${split}), ${cases} cases, ${cases * 3} recoveries checked`
}

/** Stops recovery itself at each of its operations. */
async function crashRecoveries(): Promise<string> {
  const random = seededRandom(5)
  let cases = 0
  const operations = await operationsOf(1)
  for (let stop = 5; stop <= operations.length; stop += 11) {
    const { fileSystem, workload } = await runUntil(stop, 1)
    for (let inner = 1; ; inner++) {
      const disk = fileSystem.crash({ keep: 'random', seed: stop })
      disk.stopAtOperation(inner)
      if (await opens(disk)) break
      const next = disk.crash({ keep: 'random', seed: Math.floor(random() * 1e9) })
      await checkDisk(next, workload, `stop ${stop}, then ${inner} of recovery`)
      cases++
    }
  }
  return `${cases} crashes during recovery`
}

async function runUntil(stop: number, seed: number): Promise<{ fileSystem: FakeFileSystem; workload: LogWorkload }> {
  const fileSystem = new FakeFileSystem()
  fileSystem.stopAtOperation(stop)
  const workload = new LogWorkload(fileSystem, seed)
  await workload.run()
  return { fileSystem, workload }
}

/** Whether the log opens before the host stops. */
async function opens(disk: FakeFileSystem): Promise<boolean> {
  try {
    await disk.makeDirectory('/data/topics')
    await openLog(disk)
    return true
  } catch (error) {
    if (!disk.stopped) throw error
    return false
  }
}

async function checkDisk(disk: FakeFileSystem, workload: LogWorkload, at: string): Promise<void> {
  try {
    await disk.makeDirectory('/data/topics')
    await checkRecovery(disk, workload)
  } catch (cause) {
    throw new Error(`recovery after ${at} failed: ${cause instanceof Error ? cause.stack : cause}`, { cause })
  }
}
