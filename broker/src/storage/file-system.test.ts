import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { fileSystemConformance } from '../testing/file-system-conformance.ts'
import { NodeFileSystem } from './node-file-system.ts'

fileSystemConformance('node', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stratalog-fs-'))
  return { fileSystem: new NodeFileSystem(), folder, cleanUp: () => rm(folder, { recursive: true }) }
})

fileSystemConformance('fake', async () => {
  const fileSystem = new FakeFileSystem()
  await fileSystem.makeDirectory('/data')
  return { fileSystem, folder: '/data', cleanUp: () => Promise.resolve() }
})
