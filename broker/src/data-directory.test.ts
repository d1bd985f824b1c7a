import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DataDirectory } from './data-directory.ts'
import { parseMetaProperties, renderMetaProperties } from './meta-properties.ts'
import { StartupError, type StartupErrorCode } from './startup-error.ts'

async function freshFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stratalog-data-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function refusal(path: string, code: StartupErrorCode, brokerId = 1): Promise<StartupError> {
  try {
    await (await DataDirectory.open({ path, brokerId })).close()
  } catch (error) {
    assert.ok(error instanceof StartupError)
    assert.equal(error.code, code, error.message)
    assert.ok(error.message.includes(path))
    return error
  }
  throw new Error('the folder was accepted')
}

test('a folder is founded once and keeps its identity', async (t) => {
  const path = join(await freshFolder(t), 'new', 'data')
  const first = await DataDirectory.open({ path, brokerId: 4 })
  await first.close()
  const second = await DataDirectory.open({ path, brokerId: 4 })
  t.after(() => second.close())
  assert.deepEqual(second.properties, first.properties)
  assert.equal(second.properties.brokerId, 4)
})

test('a folder with other things in it is foreign and stays as it is', async (t) => {
  const path = await freshFolder(t)
  await writeFile(join(path, 'thesis.txt'), 'years of work')
  const error = await refusal(path, 'DATA_DIRECTORY_FOREIGN')
  assert.match(error.message, /thesis\.txt/)
  assert.deepEqual(await readdir(path), ['thesis.txt'])
  await writeFile(join(path, 'meta.properties'), 'node.id=1\nversion=1\n')
  await refusal(path, 'DATA_DIRECTORY_FOREIGN')
  assert.deepEqual((await readdir(path)).sort(), ['meta.properties', 'thesis.txt'])
})

test('a folder of another broker, another cluster or a newer release is refused', async (t) => {
  const path = await freshFolder(t)
  const folder = await DataDirectory.open({ path, brokerId: 1, clusterId: 'mine' })
  await folder.close()
  assert.match((await refusal(path, 'DATA_DIRECTORY_MISMATCH', 2)).message, /belongs to broker 1, not to broker 2/)
  await assert.rejects(DataDirectory.open({ path, brokerId: 1, clusterId: 'other' }), /belongs to cluster/)
  await writeFile(join(path, 'meta.properties'), renderMetaProperties({ ...folder.properties, version: 2 }))
  assert.match((await refusal(path, 'DATA_DIRECTORY_MISMATCH')).message, /format version 2/)
})

test('the cluster of a new folder is filled in once, and kept', async (t) => {
  const path = await freshFolder(t)
  const folder = await DataDirectory.open({ path, brokerId: 1 })
  assert.equal(folder.properties.clusterId, null)
  await folder.belongTo('mine')
  await assert.rejects(folder.belongTo('other'), /belongs to cluster mine/)
  await folder.close()
  const again = await DataDirectory.open({ path, brokerId: 1, clusterId: 'mine' })
  assert.deepEqual(again.properties, folder.properties)
  await again.close()
})

test('a folder that cannot be used is refused with the cause', async (t) => {
  const path = join(await freshFolder(t), 'file')
  await writeFile(path, '')
  await refusal(path, 'DATA_DIRECTORY_UNUSABLE')
  const below = join(path, 'data')
  await refusal(below, 'DATA_DIRECTORY_UNUSABLE')
})

test('a folder in use names the process that has it, and is free once that has closed it', async (t) => {
  const path = await freshFolder(t)
  const holder = await DataDirectory.open({ path, brokerId: 1 })
  const before = await readFile(join(path, 'meta.properties'), 'utf8')
  const error = await refusal(path, 'DATA_DIRECTORY_IN_USE')
  assert.match(error.message, new RegExp(`in use by process ${process.pid}`))
  assert.equal(await readFile(join(path, 'meta.properties'), 'utf8'), before)
  await holder.close()
  await (await DataDirectory.open({ path, brokerId: 1 })).close()
})

test('what a crash while founding leaves behind, and lost+found, make no folder foreign', async (t) => {
  const path = await freshFolder(t)
  await mkdir(join(path, 'lost+found'))
  await writeFile(join(path, 'meta.properties.77.tmp'), 'half')
  await (await DataDirectory.open({ path, brokerId: 1 })).close()
})

test('properties are read back as written; anything else is not taken for them', () => {
  for (const clusterId of ['c', null]) {
    const properties = { version: 1, clusterId, brokerId: 0, directoryId: 'd' }
    assert.deepEqual(parseMetaProperties(renderMetaProperties(properties)), properties)
  }
  for (const text of ['', 'version=1', '\0\0\0', 'version=x\ncluster.id=c\nbroker.id=0\ndirectory.id=d']) {
    assert.equal(parseMetaProperties(text), null)
  }
})
