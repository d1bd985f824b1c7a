import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorName, StratalogError } from '@stratalog/proto'
import { type Attempt, callAnyBroker } from './any-broker-call.ts'

const brokers = [1, 2, 3].map((id) => ({ brokerId: id, host: 'model', port: 9400 + id }))
const never = new AbortController().signal

/** What a broker does: answers, fails having acted or not, or is silent until the attempt is given up. */
type Behaviour = 'answers' | 'silent' | 'connects-slowly' | { readonly fails: ErrorName; readonly sent: boolean }

function attempts(behaviours: readonly Behaviour[]) {
  const asked: number[] = []
  const begun: number[] = []
  const attempt: Attempt<number> = async ({ brokerId }, signal, mayBegin) => {
    const id = brokerId ?? 0
    asked.push(id)
    const behaviour = behaviours[id - 1]!
    if (behaviour === 'connects-slowly') {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    }
    const refused = { error: new StratalogError('CANCELLED'), sent: false }
    if (typeof behaviour === 'object' && !behaviour.sent)
      return { error: new StratalogError(behaviour.fails), sent: false }
    if (!mayBegin()) return refused
    begun.push(id)
    if (behaviour === 'answers') return { response: id }
    if (typeof behaviour === 'object') return { error: new StratalogError(behaviour.fails), sent: true }
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    return refused
  }
  const call = (repeatable: boolean, signal: AbortSignal = never) =>
    callAnyBroker(brokers, attempt, {
      repeatable,
      mayTryAnother: ({ error, sent }) =>
        error.code === 'NOT_CONTROLLER' || (error.code === 'BROKER_NOT_AVAILABLE' && !sent),
      signal,
    })
  return { call, asked, begun }
}

test('the first broker that answers is the only one that is asked', async () => {
  const { call, asked } = attempts(['answers', 'answers', 'answers'])
  assert.deepEqual(await call(true), { response: 1, broker: brokers[0] })
  assert.deepEqual(asked, [1])
})

test('a silent broker does not hold up a call that changes nothing', async () => {
  const { call, begun } = attempts(['silent', 'answers', 'answers'])
  const outcome = await call(true)
  assert.ok('response' in outcome && outcome.response === 2)
  assert.deepEqual(begun, [1, 2])
})

test('a call that changes something waits for the broker that has it, and passes those that cannot be reached', async () => {
  const slow = attempts(['connects-slowly', { fails: 'BROKER_NOT_AVAILABLE', sent: false }, 'answers'])
  const outcome = await slow.call(false)
  assert.ok('response' in outcome && outcome.response === 3)
  assert.deepEqual(slow.begun, [3])
  const sent = attempts([{ fails: 'NETWORK_EXCEPTION', sent: true }, 'answers', 'answers'])
  const lost = await sent.call(false)
  assert.ok('error' in lost && lost.error.code === 'NETWORK_EXCEPTION')
  assert.deepEqual(sent.begun, [1])
  const elsewhere = attempts([{ fails: 'NOT_CONTROLLER', sent: true }, 'answers', 'answers'])
  assert.ok('response' in (await elsewhere.call(false)))
})

test('when no broker can be reached the last one is named; a signal ends the call', async () => {
  const down = { fails: 'BROKER_NOT_AVAILABLE', sent: false } as const
  const outcome = await attempts([down, down, down]).call(true)
  assert.ok('error' in outcome && outcome.error.code === 'BROKER_NOT_AVAILABLE')
  const controller = new AbortController()
  const aborted = attempts(['silent', 'silent', 'silent']).call(true, controller.signal)
  controller.abort()
  const ended = await aborted
  assert.ok('error' in ended && ended.error.code === 'CANCELLED')
})
