import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CommandResult, runCommand } from '../command-process.ts'
import { TestCluster } from './test-cluster.ts'

const TOPIC = 'orders'

test('the command shows a cluster of three, moves leaders, and tells what is wrong when one is gone', async () => {
  await using cluster = await TestCluster.start()
  const command = (...args: string[]): Promise<CommandResult> =>
    runCommand(args, { bootstrap: cluster.brokers.bootstrap })
  const json = async (...args: string[]): Promise<ReturnType<typeof JSON.parse>> => {
    const { status, stdout, stderr } = await command(...args, '--output', 'json')
    assert.equal(status, 0, stderr)
    return JSON.parse(String(stdout))
  }
  const created = await json('topic', 'create', TOPIC, '--partitions', '3')
  assert.equal(created.replicationFactor, 3, 'three copies where there are three brokers')
  for (const { leaderId } of created.partitions) assert.ok(leaderId, 'a new topic has its leaders when it is answered')

  const brokers = await json('broker', 'list')
  assert.deepEqual(
    brokers.map(({ brokerId, state, replicaCount, pid }: Record<string, unknown>) => [
      brokerId,
      state,
      replicaCount,
      typeof pid,
    ]),
    [1, 2, 3].map((id) => [id, 'running', 3, 'number']),
  )
  await cluster.healthy()
  assert.equal((await json('cluster', 'health')).healthy, true)
  assert.equal((await json('cluster', 'quorum')).voters.length, 3)
  const dryRun = await json('partition', 'move', TOPIC, '0', '--to', '2,3,1', '--dry-run')
  assert.equal(dryRun.moving, false)
  assert.equal((await command('partition', 'move', TOPIC, '0', '--to', '2,3,9')).status === 0, false)
  assert.match((await command('partition', 'move-cancel', TOPIC, '0')).stderr, /^error: NO_REASSIGNMENT_IN_PROGRESS/)
  assert.equal((await json('partition', 'transfer-leader', TOPIC, '0', '--to', '2')).leaderId, 2)

  const drained = await json('broker', 'drain', '3', '--wait')
  assert.equal(drained.broker.leaderCount, 0)
  const refused = await command('broker', 'drain', '2', '--dry-run')
  assert.match(refused.stderr, /^error: QUORUM_WOULD_BE_LOST: /)
  assert.equal((await json('broker', 'undrain', '3')).drained, false)
  assert.equal((await command('broker', 'drain', '77')).status, 3)

  await cluster.brokers.brokers[2]!.kill()
  let health: CommandResult | null = null
  await cluster.until(
    async () => {
      health = await command('cluster', 'health', '--output', 'json')
      const { error } = JSON.parse(health.stderr === '' ? '{"error":{}}' : health.stderr)
      return error.code === 'UNHEALTHY' && error.metadata.underReplicatedPartitions !== '0'
    },
    () => `the loss was not noticed: ${health?.stderr}`,
  )
  assert.equal(health!.status, 6)
  const { error } = JSON.parse(health!.stderr)
  assert.equal(error.metadata.unreachableBrokers, '3')
  assert.match(error.message, /broker 3 cannot be reached/)
  const problems = await json('partition', 'list', TOPIC, '--problems')
  assert.equal(problems.length, 3)
  assert.match(String((await command('broker', 'list')).stdout), /^ +3 .* - +unreachable +- +- +- +- +-$/m)
  await cluster.send(TOPIC, 100)
  await cluster.checkAll(TOPIC)
})
