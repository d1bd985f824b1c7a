import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMPACTED_DIRECTORY, CompactedLog } from '../testing/compacted-log.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { readAll } from '../testing/log-model.ts'
import { CompactionThread } from './compaction-thread.ts'

async function filled(disk: FakeFileSystem): Promise<CompactedLog> {
  const subject = await CompactedLog.open(disk, undefined, { segmentBytesMax: 200_000 })
  for (let index = 0; index < 400; index++) {
    const records = [0, 1, 2, 3].map((add) => ({ key: `key ${(index * 7 + add) % 50}`, value: 'v'.repeat(300) }))
    subject.push(records, 1, index % 2 === 0 ? 'gzip' : 'none')
  }
  await subject.log.flush()
  return subject
}

test('the thread does what the calling thread would do', async () => {
  const thread = new CompactionThread()
  const [inThread, inline] = [await filled(new FakeFileSystem()), await filled(new FakeFileSystem())]
  const reports = [await inThread.compact({ engine: thread }), await inline.compact()]
  assert.deepEqual(reports[0], reports[1])
  assert.ok(reports[0]!.replacedCount > 0)
  assert.ok((await readAll(inThread.log)).equals(await readAll(inline.log)))
  await inThread.check()
  // Ended threads are started anew; one that is not there needs no end.
  await thread.close()
  await inThread.log.roll()
  await inThread.compact({ engine: thread })
  await inThread.check()
  await thread.close()
  await thread.close()
})

test('damage that the thread meets is told as such, and it goes on', async () => {
  const thread = new CompactionThread()
  const disk = new FakeFileSystem()
  const subject = await filled(disk)
  await subject.log.close()
  const path = `${COMPACTED_DIRECTORY}/00000000000000000000.log`
  disk.flipBit(path, 150)
  const reopened = await CompactedLog.open(disk, subject.model, { segmentBytesMax: 200_000 })
  await assert.rejects(reopened.compact({ engine: thread }), { code: 'LOG_SEGMENT_CORRUPT' })
  disk.flipBit(path, 150)
  await reopened.compact({ engine: thread })
  await reopened.check()
  await thread.close()
})
