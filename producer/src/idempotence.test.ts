import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SILENT_LOGGER } from '@stratalog/client'
import { StratalogError } from '@stratalog/proto'
import { Idempotence, type ProducerIdentity } from './idempotence.ts'
import { addSequence } from './sequence.ts'

function setUp(answers: (ProducerIdentity | StratalogError)[]) {
  const asked: (ProducerIdentity | null)[] = []
  const timers: (() => void)[] = []
  const refused: StratalogError[] = []
  let identityCount = 0
  const idempotence = new Idempotence({
    init: async (previous) => {
      asked.push(previous)
      const answer = answers.shift()
      if (answer === undefined || answer instanceof StratalogError) throw answer
      return answer
    },
    after: (_ms, callback) => void timers.push(callback),
    random: () => 0.5,
    onIdentity: () => identityCount++,
    onRefused: (error) => refused.push(error),
    logger: SILENT_LOGGER,
  })
  return { idempotence, asked, timers, refused, identityCount: () => identityCount }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('one call at a time; failures are tried again, with pauses', async () => {
  const first = { producerId: 7, producerEpoch: 0 }
  const { idempotence, asked, timers, identityCount } = setUp([new StratalogError('NETWORK_EXCEPTION'), first])
  idempotence.request()
  idempotence.request()
  await turn()
  assert.equal(asked.length, 1)
  assert.equal(idempotence.lastError?.code, 'NETWORK_EXCEPTION')
  timers.shift()?.()
  await turn()
  assert.equal(idempotence.current, first)
  assert.equal(identityCount(), 1)
})

test('a renewal asks for the next epoch, once for all partitions; an id the broker forgot is replaced', async () => {
  const first = { producerId: 7, producerEpoch: 0 }
  const second = { producerId: 7, producerEpoch: 1 }
  const other = { producerId: 8, producerEpoch: 0 }
  const { idempotence, asked, timers } = setUp([first, second, new StratalogError('UNKNOWN_PRODUCER_ID'), other])
  idempotence.request()
  await turn()
  idempotence.renew(first)
  idempotence.renew(first)
  assert.equal(idempotence.current, null)
  await turn()
  assert.equal(idempotence.current, second)
  idempotence.renew(first)
  assert.equal(idempotence.current, second)
  idempotence.renew(second)
  await turn()
  timers.shift()?.()
  await turn()
  assert.equal(idempotence.current, other)
  assert.deepEqual(asked, [null, first, second, null])
})

test('a refusal for good is reported', async () => {
  const { idempotence, refused } = setUp([new StratalogError('INVALID_REQUEST')])
  idempotence.request()
  await turn()
  assert.equal(refused[0]?.code, 'INVALID_REQUEST')
})

test('sequences go on at 0 after 2^31 - 1', () => {
  assert.equal(addSequence(0, 10), 10)
  assert.equal(addSequence(2 ** 31 - 1, 1), 0)
  assert.equal(addSequence(2 ** 31 - 5, 10), 5)
})
