import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { FAIL_STOP_EXIT_STATUS } from './fail-stop.ts'

test('an error that nobody catches ends the process with its status, and its last line is in the log', () => {
  const failStop = new URL('./fail-stop.ts', import.meta.url)
  const logger = new URL('./observability/logger.ts', import.meta.url)
  for (const failure of [
    `setImmediate(() => { throw new InvariantError('1 != 2') })`,
    `Promise.reject(new InvariantError('1 != 2'))`,
  ]) {
    const script = `
      import { installFailStop } from '${failStop}'
      import { createLogger } from '${logger}'
      import { InvariantError } from '@stratalog/proto'
      installFailStop(createLogger({ level: 'info', brokerId: 3 }))
      setInterval(() => {}, 1000)
      ${failure}`
    const args = ['--conditions=typescript-source', '--input-type=module', '-e', script]
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: import.meta.dirname, encoding: 'utf8' })
    assert.equal(status, FAIL_STOP_EXIT_STATUS, stderr)
    const line = JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as Record<string, unknown>
    assert.equal(line['level'], 'fatal')
    assert.equal(line['brokerId'], 3)
    assert.equal((line['error'] as { message: string }).message, '1 != 2')
  }
})
