import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearestName } from './nearest-name.ts'

test('a misspelt name is recognised, an unlike one is not', () => {
  assert.equal(nearestName('retention.mss', ['retention.ms', 'segment.ms']), 'retention.ms')
  assert.equal(nearestName('completely-different', ['retention.ms', 'segment.ms']), null)
})
