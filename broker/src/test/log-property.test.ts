/**
 * The partition log against the simplest model of it, under random commands: appends over several terms, flushes, cuts
 * at either end, rolls, reads, clean restarts and crashes.
 *
 * A failure prints the seed and the shrunk commands; PROPERTY_RUNS=n runs more (default 300).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { lastOffsetOf, maxTimestampOf } from '@stratalog/proto/records'
import fc from 'fast-check'
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { assertHolds, endOf, LogModel } from '../testing/log-model.ts'
import { type LogUnderTest, openLog } from './crash/log-workload.ts'

const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 300)

interface Real {
  fileSystem: FakeFileSystem
  subject: LogUnderTest
  /** Flushes asked for and not awaited. */
  waiting: Promise<unknown>[]
}

type Command = fc.AsyncCommand<LogModel, Real>

function command(name: string, run: (model: LogModel, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name }
}

function append(count: number, recordCount: number, valueBytes: number, newTerm: boolean, flush: boolean): Command {
  return command(
    `append(${count}x${recordCount}x${valueBytes},${newTerm ? 'new term,' : ''}${flush})`,
    async (model, real) => {
      const { log, recent } = real.subject
      const epoch = model.lastEpoch + (newTerm ? 1 : 0)
      const batches: Buffer[] = []
      if (newTerm) batches.push(leaderChangeBatch(model.endOffset, epoch))
      for (let index = 0; index < count; index++) {
        const last = batches.at(-1)
        const baseOffset = last === undefined ? model.endOffset : lastOffsetOf(last, 0) + 1
        batches.push(dataBatch({ baseOffset, epoch: Math.max(1, epoch), recordCount, valueBytes, salt: epoch }))
      }
      log.append(batches)
      for (const batch of batches) {
        model.append(batch)
        recent.seeBytes(batch)
      }
      if (flush) real.waiting.push(log.flush().catch(() => undefined))
    },
  )
}

const commands = [
  fc
    .tuple(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(0, 10, 60, 300, 1_300),
      fc.boolean(),
      fc.boolean(),
    )
    .map(([count, records, bytes, term, flush]) => append(count, records, bytes, term, flush)),
  fc.constant(
    command('flush', async (model, { subject }) => {
      assert.equal(await subject.log.flush(), model.endOffset)
      model.acknowledgedEnd = model.endOffset
      assert.equal(subject.log.flushedEndOffset, model.endOffset)
    }),
  ),
  fc.nat(20).map((back) =>
    command(`truncate(${back})`, async (model, real) => {
      const kept = model.batches.filter((batch) => batch.baseOffset >= real.subject.log.logStartOffset)
      const end = kept.at(-1 - back)?.baseOffset
      if (end === undefined) return
      model.truncateTo(end)
      await real.subject.log.truncateTo(toOffset(end), { replay: true })
      assert.equal(real.subject.log.logEndOffset, end)
    }),
  ),
  fc.double({ min: 0, max: 1, noNaN: true }).map((fraction) =>
    command(`deleteTo(${fraction})`, async (model, { subject: { log } }) => {
      const start = Math.floor(log.logStartOffset + (log.flushedEndOffset - log.logStartOffset) * fraction)
      await log.deleteTo(toOffset(start))
      model.startOffset = start
    }),
  ),
  fc.constant(command('roll', (_model, { subject }) => subject.log.roll())),
  fc.constant(command('checkpoint', (_model, { subject }) => subject.log.checkpoint())),
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(3_000), fc.boolean()).map(([at, maxBytes, minOne]) =>
    command(`read(${at},${maxBytes},${minOne})`, async (model, { subject: { log } }) => {
      const from = Math.floor(log.logStartOffset + (log.logEndOffset - log.logStartOffset) * at)
      const { bytes, nextOffset } = await log.read(toOffset(from), log.logEndOffset, maxBytes, minOne)
      assert.ok(bytes.equals(model.bytesBetween(from, bytes.length === 0 ? from : endOf(bytes))))
      assert.equal(nextOffset, bytes.length === 0 ? from : endOf(bytes))
      if (!minOne) assert.ok(bytes.length <= maxBytes)
      if (minOne && from < log.logEndOffset) assert.ok(nextOffset > from)
    }),
  ),
  fc.double({ min: 0, max: 1, noNaN: true }).map((at) =>
    command(`offsetForTimestamp(${at})`, async (model, { subject: { log } }) => {
      const timestamp = 1_000 + Math.floor(model.endOffset * at)
      const hit = await log.offsetForTimestamp(timestamp, log.logEndOffset)
      // Records of a data batch are dated 1000 + their offset.
      const batch = model.batches.find(
        (candidate) =>
          !candidate.control &&
          candidate.endOffset > log.logStartOffset &&
          maxTimestampOf(candidate.bytes, 0) >= timestamp,
      )
      const expected = batch === undefined ? null : Math.max(batch.baseOffset, timestamp - 1_000, log.logStartOffset)
      assert.equal(hit?.offset ?? null, expected)
    }),
  ),
  fc.constant(
    command('reopen', async (model, real) => {
      await real.subject.log.close()
      await Promise.all(real.waiting.splice(0))
      real.subject = await openLog(real.fileSystem)
      assert.equal(real.subject.report?.scannedBytes, 0)
      model.acknowledgedEnd = model.endOffset
    }),
  ),
  fc.nat().map((seed) =>
    command(`crash(${seed})`, async (model, real) => {
      await real.subject.log.flush()
      model.acknowledgedEnd = model.endOffset
      await Promise.all(real.waiting.splice(0))
      real.fileSystem = real.fileSystem.crash({ keep: 'random', seed })
      real.subject = await openLog(real.fileSystem)
    }),
  ),
]

test('the log does as its model under any commands', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 40 }), async (program) => {
      await fc.asyncModelRun(async () => {
        const fileSystem = new FakeFileSystem()
        await fileSystem.makeDirectory('/data/topics')
        return { model: new LogModel(), real: { fileSystem, subject: await openLog(fileSystem), waiting: [] } }
      }, wrapped(program))
    }),
    { numRuns: RUNS },
  )
})

/** Checks everything after each command. */
function* wrapped(program: Iterable<Command>): Generator<Command> {
  for (const inner of program) {
    yield {
      check: (model) => inner.check(model),
      toString: () => inner.toString(),
      run: async (model, real) => {
        await inner.run(model, real)
        const { log, recent } = real.subject
        assert.equal(log.logEndOffset, model.endOffset)
        assert.equal(log.logStartOffset, model.startOffset)
        assert.ok(log.flushedEndOffset >= model.acknowledgedEnd)
        await assertHolds(log, model)
        recent.assertMatches(model, log)
      },
    }
  }
}
