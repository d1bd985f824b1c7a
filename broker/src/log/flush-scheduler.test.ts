import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlushScheduler } from './flush-scheduler.ts'

test('no more syncs run than allowed, in the order of asking, failures included', async () => {
  const scheduler = new FlushScheduler(2)
  const order: number[] = []
  const gates: (() => void)[] = []
  const runs = [0, 1, 2, 3, 4].map((index) =>
    scheduler
      .run(async () => {
        order.push(index)
        assert.ok(scheduler.inFlightCount <= 2)
        await new Promise<void>((resolve) => gates.push(resolve))
        if (index === 1) throw new Error('disk')
      })
      .catch((error: Error) => error.message),
  )
  for (let opened = 0; opened < 5; opened++) {
    for (let turn = 0; turn < 20 && gates.length <= opened; turn++) await null
    gates[opened]!()
  }
  assert.deepEqual(await Promise.all(runs), [undefined, 'disk', undefined, undefined, undefined])
  assert.deepEqual(order, [0, 1, 2, 3, 4])
  assert.equal(scheduler.inFlightCount, 0)
})
