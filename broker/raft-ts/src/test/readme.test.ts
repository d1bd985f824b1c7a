/** The README's example runs as it stands. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url))

test('the example of the README elects, commits and applies', () => {
  const readme = readFileSync(`${PACKAGE}README.md`, 'utf8')
  const code = readme.split('```ts\n')[1]!.split('```')[0]!
  const args = ['--conditions=typescript-source', '--input-type=module-typescript', '--eval', code]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: PACKAGE, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.equal(stdout, [1, 2, 3].map((id) => `${id} abc committed up to 4\n`).join(''))
})
