import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BrokerAddress } from './address.ts'
import { BrokerOrder } from './broker-order.ts'

const BROKERS = ['a', 'b', 'c'].map((host, brokerId): BrokerAddress => ({ host, port: 9400, brokerId }))
const [A, B, C] = BROKERS as [BrokerAddress, BrokerAddress, BrokerAddress]

function hosts(order: BrokerOrder): string {
  return order
    .order(BROKERS)
    .map(({ host }) => host)
    .join('')
}

test('the broker that answered last is asked first', () => {
  const order = new BrokerOrder()
  assert.equal(hosts(order), 'abc')
  order.answered(B)
  order.satisfied()
  assert.equal(hosts(order), 'bac')
})

test('who knows of no leader is asked last, until somebody does', () => {
  const order = new BrokerOrder()
  order.answered(A)
  order.unsatisfied()
  assert.equal(hosts(order), 'bca')
  order.answered(B)
  order.unsatisfied()
  assert.equal(hosts(order), 'cab')
  order.answered(C)
  order.satisfied()
  assert.equal(hosts(order), 'cab')
})

test('when nobody knows, all are asked again in turn', () => {
  const order = new BrokerOrder()
  const asked = Array.from({ length: 7 }, () => {
    const [first] = order.order(BROKERS)
    order.answered(first!)
    order.unsatisfied()
    return first!.host
  })
  assert.equal(asked.join(''), 'abcabca')
})
