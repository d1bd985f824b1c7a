/** What keeps a broker from starting, and what it lives through when the disk fills up or a file is damaged. */
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AdminService, MetadataService, ProduceService } from '@stratalog/proto'
import { StartupError, type StartupErrorCode } from '../startup-error.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { KeptRecords, readUpTo } from '../testing/kept-records.ts'
import { startTestBroker, type TestBrokerOptions } from '../testing/test-broker.ts'
import { waitFor } from '../testing/wire-client.ts'

/** User id without rights on any system. */
const NOBODY = 65_534

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stratalog-bad-start-'))
  t.after(async () => {
    await chmod(folder, 0o700)
    await rm(folder, { recursive: true, force: true })
  })
  return folder
}

async function assertRefused(options: TestBrokerOptions, code: StartupErrorCode, text: RegExp): Promise<void> {
  await assert.rejects(startTestBroker(options), (error) => {
    assert.ok(error instanceof StartupError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, text)
    assert.ok(error.hint.length > 0 && error.exitStatus > 0)
    return true
  })
}

test('a foreign folder is refused and stays as it is', async (t) => {
  const dataDir = await temporaryFolder(t)
  await writeFile(join(dataDir, 'photo.jpg'), 'cat')
  await assertRefused({ dataDir }, 'DATA_DIRECTORY_FOREIGN', /photo\.jpg/)
  assert.deepEqual(await readdir(dataDir), ['photo.jpg'])
})

test('an unreadable folder is refused', async (t) => {
  const dataDir = await temporaryFolder(t)
  await chmod(dataDir, 0o000)
  // Root reads everything: as root the test goes on as somebody else.
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(NOBODY)
  try {
    await assertRefused({ dataDir }, 'DATA_DIRECTORY_UNUSABLE', /permission denied/)
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})

test('a path that is no folder is refused', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'file')
  await writeFile(dataDir, 'not a folder')
  await assertRefused({ dataDir }, 'DATA_DIRECTORY_UNUSABLE', /cannot be used/)
  assert.equal(await readFile(dataDir, 'utf8'), 'not a folder')
})

test('a folder in use is refused; the broker that has it goes on', async (t) => {
  const kept = await KeptRecords.start(t)
  await assertRefused({ dataDir: kept.broker.dataDir }, 'DATA_DIRECTORY_IN_USE', new RegExp(`process ${process.pid}`))
  await kept.assertUnharmed()
})

test('a port in use is refused, and the data folder is free again afterwards', async (t) => {
  const kept = await KeptRecords.start(t)
  const { port } = kept.broker.broker.address
  const dataDir = join(await temporaryFolder(t), 'data')
  const settings = { listen: `127.0.0.1:${port}` }
  await assertRefused({ dataDir, settings }, 'PORT_IN_USE', new RegExp(`port ${port} on 127\\.0\\.0\\.1`))
  await kept.assertUnharmed()
  const second = await startTestBroker({ dataDir })
  await second[Symbol.asyncDispose]()
})

test('a full disk: produce is refused with DISK_FULL, reads go on, and writing resumes by itself', async (t) => {
  const fileSystem = new FakeFileSystem()
  const kept = await KeptRecords.start(t, { dependencies: { fileSystem } })
  fileSystem.diskFullAfterBytes(200)
  const produce = () =>
    kept.client.call(ProduceService.produceRecords, {
      topic: 'kept',
      records: [{ value: Buffer.alloc(1000, 1) }],
      timeoutMs: 5000,
    })
  for (let i = 0; i < 3; i++) {
    const { acks } = await produce()
    assert.equal(acks[0]?.error?.reason, 'DISK_FULL')
  }
  await kept.assertReadable()
  const { problems } = await kept.client.call(MetadataService.describeCluster, {})
  assert.match(problems[0] ?? '', /kept-0 .*DISK_FULL/)
  const error = await kept.client.call(AdminService.createTopic, { name: 'other' }).catch((thrown: unknown) => thrown)
  assert.ok(error !== undefined)
  fileSystem.diskFullAfterBytes(Number.POSITIVE_INFINITY)
  let acknowledged: number | null | undefined = -1
  await waitFor(async () => {
    const { acks } = await produce()
    if (acks[0]?.error) return false
    acknowledged = acks[0]?.offset
    return true
  }, 'writing')
  const values = await readUpTo(kept.client, 'kept', (acknowledged ?? 0) + 1)
  assert.deepEqual(values.slice(0, 3), ['record 0', 'record 1', 'record 2'])
  assert.equal(values[acknowledged ?? 0]?.length, 1000)
})

test('a failed sync: the partition serves no more, watchers are told, the others go on', async (t) => {
  const fileSystem = new FakeFileSystem()
  const kept = await KeptRecords.start(t, { dependencies: { fileSystem }, settings: { 'fetch.heartbeat.ms': 100 } })
  await kept.client.call(AdminService.createTopic, { name: 'doomed' })
  const watch = kept.client.watch(MetadataService.watchTopics, { topics: ['doomed'] })
  await watch.next((message) => message.topics[0]?.partitions?.[0] !== undefined, 'the first answer')
  fileSystem.failNextDatasync()
  const records = [{ value: Buffer.from('never acknowledged') }]
  for (let i = 0; i < 2; i++) {
    const { acks } = await kept.client.call(ProduceService.produceRecords, { topic: 'doomed', records })
    assert.equal(acks[0]?.error?.reason, 'STORAGE_ERROR')
  }
  await watch.next((message) => message.topics[0]?.partitions?.[0]?.error?.reason === 'STORAGE_ERROR', 'the news')
  watch.cancel()
  await kept.add()
  await kept.assertReadable()
})

test('a damaged partition is not served and is named; the others are, also after a restart', async (t) => {
  const kept = await KeptRecords.start(t)
  await kept.client.call(AdminService.createTopic, { name: 'hurt' })
  const records = [{ value: Buffer.from('to be damaged') }]
  await kept.client.call(ProduceService.produceRecords, { topic: 'hurt', records })
  await kept.client.call(ProduceService.produceRecords, { topic: 'hurt', records })
  await kept.broker.stop()
  const segment = join(kept.broker.dataDir, 'topics', 'hurt-0', `${'0'.repeat(20)}.log`)
  const bytes = await readFile(segment)
  bytes.writeUInt8(bytes[70]! ^ 0x40, 70)
  await writeFile(segment, bytes)
  await kept.broker.restart()
  const error = await readUpTo(kept.client, 'hurt', 2).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof Error)
  const { problems } = await kept.client.call(MetadataService.describeCluster, {})
  assert.match(problems[0] ?? '', /^broker 1: partition hurt-0 is not served: PARTITION_DAMAGED/)
  assert.match(problems[1] ?? '', /^partition hurt-0 (has a damaged copy, )?has no leader/)
  assert.equal(problems.length, 2)
  await kept.add()
  await kept.assertReadable()
})
