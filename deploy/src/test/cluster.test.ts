import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestBroker } from '@stratalog/broker/testing'
import { type CommandResult, runCommand } from './command-process.ts'

let broker: Awaited<ReturnType<typeof startTestBroker>>
before(async () => {
  broker = await startTestBroker()
  const created = await command('topic', 'create', 'watched', '--partitions', '2')
  assert.equal(created.status, 0, created.stderr)
})
after(() => broker[Symbol.asyncDispose]())

function command(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { bootstrap: broker.bootstrap })
}

async function json(...args: string[]): Promise<ReturnType<typeof JSON.parse>> {
  const { status, stdout, stderr } = await command(...args, '--output', 'json')
  assert.equal(status, 0, stderr)
  return JSON.parse(String(stdout))
}

test('brokers are listed for people and for scripts', async () => {
  const [listed] = await json('broker', 'list')
  assert.equal(listed.brokerId, 1)
  assert.equal(listed.pid, process.pid)
  assert.equal(listed.state, 'running')
  assert.equal(listed.leaderCount, 2)
  assert.equal(listed.replicaCount, 2)
  assert.equal(`${listed.address.host}:${listed.address.port}`, broker.bootstrap)
  const table = String((await command('broker', 'list')).stdout)
  assert.match(table, /BROKER\s+ADDRESS\s+RACK\s+PID\s+STATE\s+LEADS\s+REPLICAS\s+SIZE/)
  assert.match(table, new RegExp(`^ +1 +127\\.0\\.0\\.1:\\d+ +- +${process.pid} +running +2 +2 `, 'm'))
})

test('partitions and their replicas are shown', async () => {
  const listed = await json('partition', 'list')
  assert.deepEqual(
    listed.map(({ topic, partition, leaderId, problems }: Record<string, unknown>) => [
      topic,
      partition,
      leaderId,
      problems,
    ]),
    [
      ['watched', 0, 1, []],
      ['watched', 1, 1, []],
    ],
  )
  assert.deepEqual(await json('partition', 'list', '--problems'), [])
  const status = String((await command('partition', 'status', 'watched', '1')).stdout)
  assert.match(status, /^partition: +watched-1$/m)
  assert.match(status, /^ +1 +0 +leader +\d+ +0 +yes +yes$/m)
  assert.equal((await command('partition', 'status', 'watched', '7')).status, 3)
  assert.equal((await command('partition', 'status', 'nowhere')).status, 3)
  assert.match(String((await command('topic', 'describe', 'watched')).stdout), /LIVE +IN SYNC/)
})

test('the quorum of a cluster of one is its broker', async () => {
  const quorum = await json('cluster', 'quorum')
  assert.equal(quorum.leaderId, 1)
  assert.equal(quorum.voters.length, 1)
  assert.match(String((await command('cluster', 'quorum')).stdout), /^leader: +broker 1$/m)
})

test('what cannot be done is refused with a reason', async () => {
  const moved = await command('partition', 'move', 'watched', '0', '--to', '9')
  assert.notEqual(moved.status, 0)
  assert.match(moved.stderr, /^error: [A-Z_]+: .*\nhint: /)
  const twice = await command('partition', 'move', 'watched', '0', '--to', '1,1')
  assert.equal(twice.status, 2)
  assert.match(twice.stderr, /named once/)
  const led = await command('partition', 'transfer-leader', 'watched', '0', '--to', '2')
  assert.match(led.stderr, /^error: INELIGIBLE_REPLICA: /)
  const unasked = await command('broker', 'decommission', '1')
  assert.equal(unasked.status, 2)
  assert.match(unasked.stderr, /broker 1 was not decommissioned\nhint: add --yes/)
  assert.equal((await command('broker', 'drain', '1')).status === 0, false)
  assert.equal((await command('broker', 'nonsense')).status, 2)
})

test('a broker that is down makes the command end with status 5', async () => {
  const away = await startTestBroker()
  const { bootstrap } = away
  await away[Symbol.asyncDispose]()
  const { status, stderr } = await runCommand(['broker', 'list', '--timeout', '2000'], { bootstrap })
  assert.equal(status, 5)
  assert.match(stderr, /cannot be reached/)
})
