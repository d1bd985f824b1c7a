/** The checkpoint and its folder: what survives a power loss, what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REPLAY_MANIFEST_FORMAT, REPLAY_MANIFEST_VERSION, type ReplayManifest } from '../manifest.ts'
import { CHECKPOINT_FILE, SUCCESS_FILE, SUMMARY_FILE } from '../sinks/file-names.ts'
import { FakeFiles } from '../test/fake-files.ts'
import { splitOf } from '../test/memory-source.ts'
import type { Processes } from './folder-lock.ts'
import { Journal, type JournalEntry, readCheckpoint } from './journal.ts'
import { checkSameReplay, OutputFolder } from './output-folder.ts'
import { NO_COUNTS } from './thread-messages.ts'

const PATH = `out/${CHECKPOINT_FILE}`

function manifestOf(topic: string, id = 'a'.repeat(32)): ReplayManifest {
  return {
    format: REPLAY_MANIFEST_FORMAT,
    version: REPLAY_MANIFEST_VERSION,
    id,
    clusterId: null,
    createdAtMs: 0,
    from: 'earliest',
    to: 'latest',
    topics: [
      {
        topic,
        topicId: '00'.repeat(16),
        partitions: [{ partition: 0, startOffset: 0, endOffset: 9, leaderEpochs: [], bytes: 9 }],
      },
    ],
    splits: [splitOf(topic, 0, 0, 5), splitOf(topic, 0, 5, 9)],
  }
}

function entry(index: number): JournalEntry {
  const split = manifestOf('t').splits[index]!
  return { splitId: split.id, ...NO_COUNTS, recordCount: 5, gaps: [], file: null, rejects: null }
}

/** Processes of a machine, of which only some live. */
function processes(pid: number, alive: readonly number[] = []): Processes {
  return { self: { pid, host: 'h', startedAt: null }, isAlive: (owner) => alive.includes(owner.pid) }
}

function begun(files: FakeFiles): { folder: OutputFolder; header: Parameters<OutputFolder['begin']>[0] } {
  const folder = new OutputFolder(files, 'out', processes(1))
  const header = {
    manifest: manifestOf('t'),
    asked: { format: 'csv', request: { from: '7d' } },
    resolved: null,
    startedAtMs: 4,
  }
  assert.equal(folder.find(false), null)
  folder.begin(header)
  return { folder, header }
}

test('what was noted is there after a power loss', () => {
  const files = new FakeFiles()
  const { folder, header } = begun(files)
  folder.append(entry(1))
  files.losePower()
  const found = new OutputFolder(files, 'out', processes(2)).find(true)
  assert.deepEqual(JSON.parse(JSON.stringify(found?.entries)), [entry(1)])
  assert.deepEqual(found?.header.manifest, header.manifest)
  const seen = readCheckpoint('out', files)
  assert.deepEqual(seen?.request, { from: '7d' })
  assert.deepEqual(seen?.doneSplitIds, [entry(1).splitId])
  assert.equal(readCheckpoint('elsewhere', files), null)
})

test('a line that was cut is taken back, at every byte, and the journal goes on behind the last whole one', () => {
  const files = new FakeFiles()
  const { folder } = begun(files)
  folder.append(entry(0))
  const whole = files.read(PATH)
  folder.append(entry(1))
  const longer = files.read(PATH)
  for (let end = whole.length; end < longer.length; end++) {
    files.put(PATH, longer.subarray(0, end))
    const loaded = Journal.load(files, 'out')
    assert.deepEqual(
      loaded?.entries.map(({ splitId }) => splitId),
      [entry(0).splitId],
    )
    loaded?.journal.append(entry(1))
    assert.ok(files.read(PATH).equals(longer), `cut at ${end}`)
  }
  // Blocks that were allotted and never written.
  files.put(PATH, Buffer.concat([whole, Buffer.alloc(100)]))
  assert.equal(Journal.load(files, 'out')?.entries.length, 1)
})

test('damage elsewhere, and files that are no checkpoint, are CHECKPOINT_DAMAGED', () => {
  const files = new FakeFiles()
  const { folder } = begun(files)
  folder.append(entry(0))
  folder.append(entry(1))
  const bytes = Buffer.from(files.read(PATH))
  bytes[bytes.indexOf('"splitId"')] = 0
  const wrong: [string | Buffer, RegExp][] = [
    [bytes, /line 2 is no JSON/],
    ['', /no checkpoint/],
    ['{"format":"x"}\n', /no checkpoint/],
    ['{"format":"stratalog-replay-checkpoint","version":9}\n', /version 9/],
    ['{"format":', /line 1/],
  ]
  for (const [content, message] of wrong) {
    files.put(PATH, content)
    assert.throws(() => new OutputFolder(files, 'out', processes(2)).find(true), {
      code: 'CHECKPOINT_DAMAGED',
      message,
    })
  }
})

test('a folder that holds anything is not written to', () => {
  const files = new FakeFiles()
  files.put('out/notes.txt', 'mine')
  for (const resume of [false, true]) {
    assert.throws(() => new OutputFolder(files, 'out', processes(2)).find(resume), {
      code: 'OUTPUT_EXISTS',
      message: /out is not empty: it holds notes.txt/,
      hint: /empty or does not exist/,
    })
  }
  const other = new FakeFiles()
  begun(other)
  assert.throws(() => new OutputFolder(other, 'out', processes(2)).find(false), {
    code: 'OUTPUT_EXISTS',
    hint: /resume it/,
  })
  const unfinished = new FakeFiles()
  unfinished.put(`out/${CHECKPOINT_FILE}.tmp`, '{"for')
  assert.equal(new OutputFolder(unfinished, 'out', processes(2)).find(true), null, 'killed before it began')
})

test('a file that the checkpoint names must be there as it was', () => {
  const files = new FakeFiles()
  const { folder } = begun(files)
  folder.append({ ...entry(0), file: { path: 'topic=t/part=0/a.csv', bytes: 3, sha256: '' } })
  assert.throws(() => new OutputFolder(files, 'out', processes(2)).find(true), {
    code: 'CHECKPOINT_DAMAGED',
    message: /a.csv: .* gone/,
  })
  files.put('out/topic=t/part=0/a.csv', 'four')
  assert.throws(() => new OutputFolder(files, 'out', processes(2)).find(true), {
    code: 'CHECKPOINT_DAMAGED',
    message: /4 bytes, 3/,
  })
  files.put('out/topic=t/part=0/a.csv', 'ok\n')
  files.put('out/topic=t/part=0/b.csv.tmp', 'half')
  const again = new OutputFolder(files, 'out', processes(2))
  assert.equal(again.find(true)?.entries.length, 1)
  again.clean(manifestOf('t'))
  again.complete({ done: true })
  again.close()
  files.losePower()
  assert.deepEqual(files.paths, [PATH, `out/${SUCCESS_FILE}`, `out/${SUMMARY_FILE}`, 'out/topic=t/part=0/a.csv'].sort())
  assert.deepEqual(JSON.parse(files.text(`out/${SUMMARY_FILE}`)), { done: true })
})

test('another topic, plan or form is CHECKPOINT_MISMATCH and says what differs', () => {
  const { header } = begun(new FakeFiles())
  const same = { format: 'csv', request: { from: '7d' } }
  checkSameReplay('out', header, header.manifest, same)
  checkSameReplay('out', header, null, same)
  const wrong: [ReplayManifest | null, unknown, RegExp][] = [
    [manifestOf('u', 'b'.repeat(32)), same, /of t \(0+\), not u \(0+\)/],
    [manifestOf('t', 'b'.repeat(32)), same, /of t \(0+\), but with other offsets or pieces/],
    [null, { ...same, format: 'ndjson' }, /format was "csv", and is "ndjson"/],
    [null, { ...same, request: { from: '8d' } }, /request was \{"from":"7d"\}, and is \{"from":"8d"\}/],
    [null, { ...same, filter: { keys: ['a'] } }, /filter was not given/],
  ]
  for (const [manifest, asked, message] of wrong) {
    assert.throws(() => checkSameReplay('out', header, manifest, asked), { code: 'CHECKPOINT_MISMATCH', message })
  }
})

test('a folder belongs to the process that writes it, for as long as that lives', () => {
  const files = new FakeFiles()
  const { folder } = begun(files)
  const other = new OutputFolder(files, 'out', processes(2, [1]))
  assert.throws(() => other.find(true), { code: 'OUTPUT_IN_USE', message: 'out is being written by process 1' })
  folder.close()
  assert.equal(other.find(true)?.entries.length, 0)
  // Killed: its lock stays, and means nothing.
  assert.ok(files.exists('out/_lock'))
  assert.equal(new OutputFolder(files, 'out', processes(3, [])).find(true)?.entries.length, 0)
  files.put('out/_lock', '{"pid":')
  assert.equal(new OutputFolder(files, 'out', processes(4, [3])).find(true)?.entries.length, 0)
})
