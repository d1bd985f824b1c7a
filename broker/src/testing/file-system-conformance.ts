/** What every {@link FileSystem} does, as tests: run on the real one and on the fake. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FileSystem, fileErrorCode, TEMPORARY_SUFFIX } from '../storage/file-system.ts'

/** A file system and an existing empty folder in it. */
export interface ConformanceSubject {
  readonly fileSystem: FileSystem
  readonly folder: string
  cleanUp(): Promise<void>
}

/** Registers the suite's tests. */
export function fileSystemConformance(name: string, create: () => Promise<ConformanceSubject>): void {
  for (const [title, run] of Object.entries(CASES)) {
    test(`${name}: ${title}`, async () => {
      const subject = await create()
      try {
        await run(subject.fileSystem, subject.folder)
      } finally {
        await subject.cleanUp()
      }
    })
  }
}

async function rejectsWith(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => fileErrorCode(error) === code)
}

const CASES: Record<string, (fs: FileSystem, folder: string) => Promise<void>> = {
  'a missing file is ENOENT however it is asked for': async (fs, folder) => {
    const path = `${folder}/missing`
    await rejectsWith(fs.open(path), 'ENOENT')
    await rejectsWith(fs.open(path, { readonly: true }), 'ENOENT')
    await rejectsWith(fs.size(path), 'ENOENT')
    await rejectsWith(fs.readFile(path), 'ENOENT')
    await rejectsWith(fs.remove(path), 'ENOENT')
    await rejectsWith(fs.rename(path, `${path}2`), 'ENOENT')
    await rejectsWith(fs.readDirectory(path), 'ENOENT')
    await rejectsWith(fs.open(`${path}/file`, { create: true }), 'ENOENT')
    assert.equal(await fs.exists(path), false)
  },

  'gathered writes land one after another at the position': async (fs, folder) => {
    const file = await fs.open(`${folder}/a`, { create: true })
    await file.write([Buffer.from('abc'), Buffer.from(''), Buffer.from('def')], 0)
    file.writeSync([Buffer.from('XY'), Buffer.from('Z')], 2)
    await file.datasync()
    assert.equal(await file.size(), 6)
    await file.close()
    assert.equal((await fs.readFile(`${folder}/a`)).toString(), 'abXYZf')
    assert.equal(await fs.size(`${folder}/a`), 6)
  },

  'many buffers in one write': async (fs, folder) => {
    const file = await fs.open(`${folder}/many`, { create: true })
    const buffers = Array.from({ length: 3000 }, (_, index) => Buffer.from([index & 0xff, index >> 8]))
    await file.write(buffers, 0)
    file.writeSync(buffers, 6000)
    await file.close()
    assert.deepEqual(await fs.readFile(`${folder}/many`), Buffer.concat([...buffers, ...buffers]))
  },

  'a large write lands whole, however its buffers are cut': async (fs, folder) => {
    const file = await fs.open(`${folder}/large`, { create: true })
    const bytes = Buffer.from(Uint32Array.from({ length: 600_000 }, (_, index) => index).buffer)
    const cuts = [0, 1, 1, 700_000, 1_048_576, 1_048_577, 1_572_864, 2_200_000, bytes.length]
    const buffers = cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end))
    await file.write(buffers, 0)
    await file.write([bytes], bytes.length)
    await file.close()
    assert.ok((await fs.readFile(`${folder}/large`)).equals(Buffer.concat([bytes, bytes])))
  },

  'a read is short only at the end of the file': async (fs, folder) => {
    const file = await fs.open(`${folder}/a`, { create: true })
    await file.write([Buffer.from('0123456789')], 0)
    const buffer = Buffer.alloc(6)
    assert.equal(await file.read(buffer, 2), 6)
    assert.equal(buffer.toString(), '234567')
    assert.equal(await file.read(buffer, 7), 3)
    assert.equal(await file.read(buffer, 10), 0)
    assert.equal(await file.read(buffer, 99), 0)
    await file.close()
  },

  'a write beyond the end leaves zeros before it': async (fs, folder) => {
    const file = await fs.open(`${folder}/a`, { create: true })
    await file.write([Buffer.from('x')], 3)
    await file.close()
    assert.deepEqual(await fs.readFile(`${folder}/a`), Buffer.from([0, 0, 0, 0x78]))
  },

  'truncate cuts and extends': async (fs, folder) => {
    const file = await fs.open(`${folder}/a`, { create: true })
    await file.write([Buffer.from('abcdef')], 0)
    await file.truncate(2)
    await file.truncate(4)
    await file.close()
    assert.deepEqual(await fs.readFile(`${folder}/a`), Buffer.from([0x61, 0x62, 0, 0]))
  },

  'opening with create keeps what is there; readonly refuses writes': async (fs, folder) => {
    await fs.writeFileAtomic(`${folder}/a`, Buffer.from('kept'))
    const again = await fs.open(`${folder}/a`, { create: true })
    assert.equal(await again.size(), 4)
    await again.close()
    const reader = await fs.open(`${folder}/a`, { readonly: true })
    await rejectsWith(reader.write([Buffer.from('x')], 0), 'EBADF')
    await reader.close()
  },

  'writeFileAtomic replaces the file and leaves no temporary': async (fs, folder) => {
    await fs.writeFileAtomic(`${folder}/a`, Buffer.from('a longer first version'))
    await fs.writeFileAtomic(`${folder}/a`, Buffer.from('second'))
    assert.equal((await fs.readFile(`${folder}/a`)).toString(), 'second')
    assert.equal(await fs.exists(`${folder}/a${TEMPORARY_SUFFIX}`), false)
  },

  'an open file outlives its name': async (fs, folder) => {
    const file = await fs.open(`${folder}/a`, { create: true })
    await file.write([Buffer.from('still here')], 0)
    await fs.remove(`${folder}/a`)
    const buffer = Buffer.alloc(5)
    assert.equal(await file.read(buffer, 0), 5)
    assert.equal(buffer.toString(), 'still')
    await file.close()
    assert.deepEqual(await fs.readDirectory(folder), [])
  },

  'folders: parents are made, listings sorted, removal is recursive and may repeat': async (fs, folder) => {
    await fs.makeDirectory(`${folder}/x/y`)
    await fs.makeDirectory(`${folder}/x/y`)
    for (const name of ['b', 'a', 'c']) await fs.writeFileAtomic(`${folder}/x/${name}`, Buffer.from(name))
    assert.deepEqual(await fs.readDirectory(`${folder}/x`), ['a', 'b', 'c', 'y'])
    await fs.syncDirectory(`${folder}/x`)
    await fs.removeDirectory(`${folder}/x`)
    await fs.removeDirectory(`${folder}/x`)
    assert.equal(await fs.exists(`${folder}/x`), false)
  },

  'rename replaces a file and moves a folder with its content': async (fs, folder) => {
    await fs.writeFileAtomic(`${folder}/a`, Buffer.from('new'))
    await fs.writeFileAtomic(`${folder}/b`, Buffer.from('old'))
    await fs.rename(`${folder}/a`, `${folder}/b`)
    assert.equal((await fs.readFile(`${folder}/b`)).toString(), 'new')
    await fs.makeDirectory(`${folder}/d`)
    await fs.writeFileAtomic(`${folder}/d/file`, Buffer.from('moved'))
    await fs.rename(`${folder}/d`, `${folder}/e`)
    assert.deepEqual(await fs.readDirectory(folder), ['b', 'e'])
    assert.equal((await fs.readFile(`${folder}/e/file`)).toString(), 'moved')
  },
}
