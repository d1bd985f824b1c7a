import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileErrorCode } from '../storage/file-system.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { FaultyFileSystem } from './faulty-file-system.ts'
import { fileSystemConformance } from './file-system-conformance.ts'
import { LossyFileSystem } from './lossy-file-system.ts'

async function folders(): Promise<{ folder: string; attic: string; cleanUp: () => Promise<void> }> {
  const root = await mkdtemp(join(tmpdir(), 'stratalog-lossy-'))
  await new NodeFileSystem().makeDirectory(join(root, 'data'))
  const cleanUp = () => rm(root, { recursive: true, force: true })
  return { folder: join(root, 'data'), attic: join(root, 'attic'), cleanUp }
}

fileSystemConformance('lossy', async () => {
  const { folder, attic, cleanUp } = await folders()
  return { fileSystem: await LossyFileSystem.create(attic), folder, cleanUp }
})

fileSystemConformance('faulty without faults', async () => {
  const { folder, cleanUp } = await folders()
  return { fileSystem: new FaultyFileSystem(new NodeFileSystem()), folder, cleanUp }
})

/** Runs a body on a fresh lossy file system. */
function lossy(title: string, body: (fileSystem: LossyFileSystem, folder: string) => Promise<void>): void {
  test(`lossy: ${title}`, async () => {
    const { folder, attic, cleanUp } = await folders()
    try {
      await body(await LossyFileSystem.create(attic), folder)
    } finally {
      await cleanUp()
    }
  })
}

const LOSE_ALL = (): number => 0
const KEEP_ALL = (): number => 0.999_999

lossy('what is not synced is not in the real file, and lost with the power', async (fileSystem, folder) => {
  const path = join(folder, 'a')
  const file = await fileSystem.open(path, { create: true })
  await fileSystem.syncDirectory(folder)
  await file.write([Buffer.from('synced')], 0)
  await file.datasync()
  await file.write([Buffer.from(' and not')], 6)
  assert.equal((await readFile(path)).toString(), 'synced')
  assert.equal((await fileSystem.readFile(path)).toString(), 'synced and not')
  const report = await fileSystem.powerLoss(LOSE_ALL)
  assert.deepEqual(report, { lostChangeCount: 1, lostBytes: 8, tornPaths: [], undoneNameCount: 0 })
  assert.equal((await readFile(path)).toString(), 'synced')
})

lossy('writes made during a sync are not part of it', async (fileSystem, folder) => {
  const path = join(folder, 'a')
  const file = await fileSystem.open(path, { create: true })
  await fileSystem.syncDirectory(folder)
  file.writeSync([Buffer.from('one')], 0)
  const sync = file.datasync()
  await Promise.resolve()
  file.writeSync([Buffer.from('two')], 3)
  await sync
  assert.equal((await readFile(path)).toString(), 'one')
  await file.datasync()
  assert.equal((await readFile(path)).toString(), 'onetwo')
})

lossy('a beginning of the changes survives, and a part of the next one', async (fileSystem, folder) => {
  const path = join(folder, 'a')
  const file = await fileSystem.open(path, { create: true })
  await fileSystem.syncDirectory(folder)
  for (const [index, text] of ['0000', '1111', '2222', '3333'].entries()) {
    await file.write([Buffer.from(text)], index * 4)
  }
  const draws = [0.5, 0.75, 0]
  const report = await fileSystem.powerLoss(() => draws.shift()!)
  assert.equal((await readFile(path)).toString(), '00001111222')
  assert.deepEqual(report.tornPaths, [path])
  assert.equal(report.lostBytes, 5)
})

lossy('truncation is lost too, and reads see it before', async (fileSystem, folder) => {
  const path = join(folder, 'a')
  await fileSystem.writeFileAtomic(path, Buffer.from('abcdef'))
  const file = await fileSystem.open(path)
  await file.truncate(2)
  await file.write([Buffer.from('Z')], 4)
  assert.deepEqual((await fileSystem.readFile(path)).toString('latin1'), 'ab\0\0Z')
  await fileSystem.powerLoss(LOSE_ALL)
  assert.equal((await readFile(path)).toString(), 'abcdef')
})

lossy('names without a sync of their folder are as before', async (fileSystem, folder) => {
  const path = (name: string): string => join(folder, name)
  await fileSystem.writeFileAtomic(path('moved'), Buffer.from('moved'))
  await fileSystem.writeFileAtomic(path('replaced'), Buffer.from('replaced'))
  await fileSystem.writeFileAtomic(path('removed'), Buffer.from('removed'))
  await fileSystem.makeDirectory(path('folder'))
  await fileSystem.writeFileAtomic(path('folder/file'), Buffer.from('inside'))
  await fileSystem.syncDirectory(folder)

  const created = await fileSystem.open(path('created'), { create: true })
  await created.write([Buffer.from('x')], 0)
  await created.datasync()
  await fileSystem.remove(path('removed'))
  await fileSystem.rename(path('moved'), path('replaced'))
  await fileSystem.removeDirectory(path('folder'))
  await fileSystem.makeDirectory(path('new/deep'))
  assert.deepEqual(await fileSystem.readDirectory(folder), ['created', 'new', 'replaced'])

  const report = await fileSystem.powerLoss(LOSE_ALL)
  assert.equal(report.undoneNameCount, 6)
  const disk = new NodeFileSystem()
  assert.deepEqual(await disk.readDirectory(folder), ['folder', 'moved', 'removed', 'replaced'])
  for (const name of ['moved', 'removed', 'replaced']) assert.equal((await readFile(path(name))).toString(), name)
  assert.equal((await readFile(path('folder/file'))).toString(), 'inside')
})

lossy('names stay once their folder is synced, and what was kept for undoing is gone', async (fileSystem, folder) => {
  await fileSystem.writeFileAtomic(join(folder, 'a'), Buffer.from('a'))
  await fileSystem.writeFileAtomic(join(folder, 'b'), Buffer.from('b'))
  await fileSystem.rename(join(folder, 'a'), join(folder, 'b'))
  await fileSystem.syncDirectory(folder)
  assert.equal((await fileSystem.powerLoss(LOSE_ALL)).undoneNameCount, 0)
  assert.equal((await readFile(join(folder, 'b'))).toString(), 'a')
  assert.deepEqual(await new NodeFileSystem().readDirectory(join(folder, '..', 'attic')), [])
})

lossy('a lucky power cut keeps everything', async (fileSystem, folder) => {
  const file = await fileSystem.open(join(folder, 'a'), { create: true })
  await file.write([Buffer.from('lucky')], 0)
  assert.equal((await fileSystem.powerLoss(KEEP_ALL)).lostChangeCount, 0)
  assert.equal((await readFile(join(folder, 'a'))).toString(), 'lucky')
})

lossy('after the power cut nothing settles', async (fileSystem, folder) => {
  const file = await fileSystem.open(join(folder, 'a'), { create: true })
  await file.write([Buffer.from('x')], 0)
  let settled = 0
  const syncing = file.datasync()
  const cut = fileSystem.powerLoss(LOSE_ALL)
  for (const operation of [syncing, file.datasync(), file.write([Buffer.from('y')], 1), fileSystem.exists(folder)]) {
    operation.then(
      () => settled++,
      () => settled++,
    )
  }
  await cut
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(settled, 0)
})

test('faulty: each fault does what it says, for the files it concerns, until it is healed', async () => {
  const { folder, cleanUp } = await folders()
  try {
    const fileSystem = new FaultyFileSystem(new NodeFileSystem())
    const fails = (promise: Promise<unknown>, code: string) =>
      assert.rejects(promise, (error) => fileErrorCode(error) === code)
    const [hit, other] = [join(folder, 'hit'), join(folder, 'other')]
    const file = await fileSystem.open(hit, { create: true })
    const spared = await fileSystem.open(other, { create: true })
    fileSystem.setFaults({ only: 'hit', isFull: true, syncFails: true, readFails: true })
    await fails(file.write([Buffer.from('x')], 0), 'ENOSPC')
    assert.throws(() => file.writeSync([Buffer.from('x')], 0), /ENOSPC/)
    await fails(fileSystem.open(`${hit}2`, { create: true }), 'ENOSPC')
    await fails(fileSystem.writeFileAtomic(hit, Buffer.from('x')), 'ENOSPC')
    await fails(file.datasync(), 'EIO')
    await fails(file.read(Buffer.alloc(1), 0), 'EIO')
    await spared.write([Buffer.from('x')], 0)
    await spared.datasync()
    fileSystem.setFaults({ syncDelayMs: 30, writeFails: true })
    await fails(file.write([Buffer.from('x')], 0), 'EIO')
    const startedMs = performance.now()
    await spared.datasync()
    assert.ok(performance.now() - startedMs >= 25)
    fileSystem.setFaults({})
    await file.write([Buffer.from('x')], 0)
    await file.datasync()
    await Promise.all([file.close(), spared.close()])
  } finally {
    await cleanUp()
  }
})
