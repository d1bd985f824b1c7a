import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { createLogger } from './logger.ts'

test('lines are in the file at once, with bindings, and errors with code, hint and causes', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'stratalog-logger-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const destination = join(folder, 'broker.log')
  const logger = createLogger({ level: 'info', brokerId: 7, destination })
  const cause = new TypeError('inner')
  logger.child({ topic: 't' }).warn({ err: new StratalogError('DISK_FULL', 'no room', { cause }) }, 'trouble')
  logger.debug('not this')
  const lines = readFileSync(destination, 'utf8').trim().split('\n')
  assert.equal(lines.length, 1)
  const line = JSON.parse(lines[0] ?? '')
  assert.deepEqual([line.level, line.brokerId, line.topic, line.msg], ['warn', 7, 't', 'trouble'])
  assert.match(line.time, /^\d{4}-\d\d-\d\dT/)
  assert.deepEqual([line.err.code, line.err.message, line.err.cause.message], ['DISK_FULL', 'no room', 'inner'])
  assert.ok(line.err.hint.length > 0)
})
