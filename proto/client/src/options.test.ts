import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress, parseAddress, parseAddresses } from './address.ts'
import { backoffDelayMs, RETRY_BACKOFF } from './backoff.ts'
import { resolveClientOptions } from './options.ts'

test('addresses are HOST:PORT, with a default port and IPv6 in brackets', () => {
  const cases: [string, string][] = [
    ['localhost', 'localhost:9400'],
    [' kafka-1.example.com:1 ', 'kafka-1.example.com:1'],
    ['[::1]', '[::1]:9400'],
    ['[fe80::1%eth0]:65535', '[fe80::1%eth0]:65535'],
  ]
  for (const [text, expected] of cases) assert.equal(formatAddress(parseAddress(text, 'bootstrap')), expected)
  for (const text of ['a:b', 'a:0', 'a:65536', '::1', 'http://a:1', 'a:1:2', '[a', 'a b']) {
    assert.throws(() => parseAddress(text, 'option bootstrap'), { code: 'INVALID_CONFIG', message: /option bootstrap/ })
  }
  assert.equal(parseAddresses('a, b:2,', 'bootstrap').length, 2)
  assert.throws(() => parseAddresses(' , ', 'bootstrap'), { code: 'INVALID_CONFIG' })
})

test('bootstrap comes from the option, then the environment, then the default', () => {
  const environment = { STRATALOG_BOOTSTRAP: 'env:1' }
  const first = (options: object, env: NodeJS.ProcessEnv) =>
    formatAddress(resolveClientOptions(options, env).bootstrap[0]!)
  assert.equal(first({ bootstrap: ['given:2'] }, environment), 'given:2')
  assert.equal(first({}, environment), 'env:1')
  assert.equal(first({}, {}), '127.0.0.1:9400')
  assert.throws(() => resolveClientOptions({ connectTimeoutMs: 0 }, {}), {
    message: /connectTimeoutMs is 0.*1\.\.600000/,
  })
})

test('a backoff doubles from its first to its largest value and stays within half of it', () => {
  assert.equal(
    backoffDelayMs(0, RETRY_BACKOFF, () => 1),
    0,
  )
  for (const [failureCount, ceilingMs] of [
    [1, 25],
    [2, 50],
    [6, 800],
    [7, 1_000],
    [1_000, 1_000],
  ] as const) {
    assert.equal(
      backoffDelayMs(failureCount, RETRY_BACKOFF, () => 0),
      Math.round(ceilingMs / 2),
    )
    assert.equal(
      backoffDelayMs(failureCount, RETRY_BACKOFF, () => 1),
      ceilingMs,
    )
  }
})
