import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Watchdog } from './watchdog.ts'

describe('the watchdog', () => {
  it('tells who was silent for the timeout, once for each timeout', () => {
    const watchdog = new Watchdog<string>(800)
    watchdog.watch('a')
    watchdog.watch('b')
    const told: [number, string[]][] = []
    for (let nowMs = 0; nowMs <= 2_000; nowMs += 100) {
      if (nowMs % 300 === 0) watchdog.heard('b')
      const stalled = watchdog.tick(nowMs)
      if (stalled.length > 0) told.push([nowMs, stalled])
    }
    assert.deepEqual(told, [
      [800, ['a']],
      [1_600, ['a']],
    ])
  })

  it('does not take a blocked process for a silent broker', () => {
    const watchdog = new Watchdog<string>(800)
    watchdog.watch('a')
    watchdog.tick(0)
    assert.deepEqual(watchdog.tick(60_000), [])
  })

  it('keeps counting for one that is watched already and forgets on demand', () => {
    const watchdog = new Watchdog<string>(800)
    watchdog.tick(0)
    for (let nowMs = 100; nowMs < 800; nowMs += 100) {
      watchdog.watch('a')
      assert.deepEqual(watchdog.tick(nowMs), [])
    }
    watchdog.forget('a')
    assert.deepEqual(watchdog.tick(900), [])
  })
})
