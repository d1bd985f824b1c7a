import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteRate } from './byte-rate.ts'

test('what was spent beyond the limit is waited for, so that the average holds', () => {
  let nowMs = 0
  const rate = new ByteRate({ nowMs: () => nowMs }, 1_000)
  assert.equal(rate.delayMs, 0)
  rate.spend(1_100)
  assert.equal(rate.delayMs, 1_000, 'the first 100 bytes were there')
  nowMs += 999
  assert.equal(rate.delayMs, 1)
  nowMs += 2
  assert.equal(rate.delayMs, 0)
})

test('a pause saves up no more than a short burst, and a clock that is set back takes nothing away', () => {
  let nowMs = 1e6
  const rate = new ByteRate({ nowMs: () => nowMs }, 1_000)
  nowMs += 1e6
  rate.spend(600)
  assert.equal(rate.delayMs, 500)
  nowMs -= 1e6
  assert.equal(rate.delayMs, 500)
  nowMs += 501
  assert.equal(rate.delayMs, 0)
})

test('without a limit nobody waits', () => {
  const rate = new ByteRate({ nowMs: () => 0 }, 0)
  rate.spend(1e15)
  assert.equal(rate.delayMs, 0)
})
