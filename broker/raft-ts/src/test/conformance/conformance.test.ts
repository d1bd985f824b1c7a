/** etcd/raft's 41 scripts as a test: every directive must agree but for log lines. Skipped where they are not at hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runScripts, scriptsDirectory } from './score.ts'

const directory = scriptsDirectory()
const skip = directory === null ? 'no scripts at hand (RAFT_CONFORMANCE_DIR)' : false

test('743 of 743 directives of the conformance scripts', { skip }, () => {
  const score = runScripts(directory!)
  assert.deepEqual(score.failures, [])
  assert.equal(score.scripts, 41)
  assert.equal(score.semantic, 743)
})
