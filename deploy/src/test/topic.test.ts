import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestBroker } from '@stratalog/broker/testing'
import { type CommandResult, runCommand } from './command-process.ts'

let broker: Awaited<ReturnType<typeof startTestBroker>>
before(async () => {
  broker = await startTestBroker()
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

test('a topic from its creation to its deletion', async () => {
  const created = await command('topic', 'create', 'life', '--partitions', '3', '--config', 'retention.ms=5000')
  assert.equal(created.status, 0, created.stderr)
  assert.equal(String(created.stdout), 'created topic life with 3 partitions\n')
  assert.equal((await command('topic', 'create', 'life')).status, 4)
  assert.deepEqual(await json('topic', 'create', 'life', '--if-not-exists'), { created: false, name: 'life' })
  assert.match(String((await command('topic', 'list')).stdout), /^life\s+3\s+1\s+0\s+0 B$/m)

  const grown = await json('topic', 'add-partitions', 'life', '--partitions', '5')
  assert.equal(grown.partitions.length, 5)
  const altered = await json(
    'topic',
    'alter',
    'life',
    '--config',
    'retention.bytes=10000000',
    '--unset',
    'retention.ms',
  )
  assert.deepEqual(altered.configs, { 'retention.bytes': '10000000' })
  const [described] = await json('topic', 'describe', 'life')
  assert.equal(described.name, 'life')
  assert.ok(described.effectiveConfigs.some(({ key }: { key: string }) => key === 'max.message.bytes'))
  assert.match(String((await command('topic', 'describe', 'life')).stdout), /PARTITION\s+LEADER/)

  assert.deepEqual(await json('topic', 'delete', 'life', '--yes'), { deleted: true, name: 'life' })
  assert.equal((await command('topic', 'describe', 'life')).status, 3)
  assert.equal((await command('topic', 'delete', 'life', '--yes')).status, 3)
})

test('records of a partition are deleted up to an offset', async () => {
  await command('topic', 'create', 'old', '--partitions', '2')
  const input = 'a\nb\nc\nd\n'
  assert.equal(
    (await runCommand(['produce', 'old', '--partition', '1'], { bootstrap: broker.bootstrap, input })).status,
    0,
  )
  const where = ['topic', 'delete-records', 'old', '--partition', '1']
  const planned = await command(...where, '--before', '3', '--dry-run')
  assert.equal(
    String(planned.stdout),
    'offsets 0 to 3 (exclusive) of old-1 would be deleted; 3 to 4 (exclusive) stay\n',
  )
  const unasked = await command(...where, '--before', '3')
  assert.equal(unasked.status, 2)
  assert.match(unasked.stderr, /no records of old-1 were deleted/)
  const deleted = await json(...where, '--before', '3', '--yes')
  assert.deepEqual(deleted, {
    deleted: true,
    topic: 'old',
    partition: 1,
    logStartOffset: 3,
    previousLogStartOffset: 0,
    visibleEnd: 4,
  })
  assert.equal(String((await command(...where, '--before', '2', '--yes')).stdout), 'old-1 begins at offset 3 already\n')
  const beyond = await command(...where, '--before', '9', '--yes')
  assert.equal(beyond.status, 1)
  assert.match(beyond.stderr, /offset 9 of old-1 is out of range/)
  assert.equal((await json(...where, '--before', 'end', '--yes')).logStartOffset, 4)
  assert.equal((await command(...where, '--before', 'nowhere')).status, 2)
})

test('a dry run changes nothing', async () => {
  const { created } = await json('topic', 'create', 'never', '--partitions', '2', '--dry-run')
  assert.equal(created, false)
  assert.equal((await command('topic', 'describe', 'never')).status, 3)
})

test('what the broker refuses has status 2 and its reason', async () => {
  const badName = await command('topic', 'create', 'no spaces')
  assert.equal(badName.status, 2)
  assert.match(badName.stderr, /^error: INVALID_TOPIC: /)
  const badConfig = await command('topic', 'create', 'x', '--config', 'retention.mss=1')
  assert.equal(badConfig.status, 2)
  assert.match(badConfig.stderr, /retention\.mss.*did you mean retention\.ms/)
})

test('lists come as json and jsonl', async () => {
  await command('topic', 'create', 'list-a', '--partitions', '1')
  await command('topic', 'create', 'list-b', '--partitions', '2')
  const listed = (await json('topic', 'list')).map(({ name }: { name: string }) => name)
  assert.ok(listed.includes('list-a') && listed.includes('list-b'))
  const { stdout } = await command('topic', 'list', '--output', 'jsonl')
  const lines = String(stdout)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).name)
  assert.deepEqual(lines, listed)
})

test('the cluster is described and healthy', async () => {
  const info = await json('cluster', 'info')
  assert.equal(info.brokers.length, 1)
  assert.equal(info.brokers[0].pid, process.pid)
  assert.match(String((await command('cluster', 'info')).stdout), /BROKER\s+ADDRESS/)
  const health = await json('cluster', 'health')
  assert.equal(health.healthy, true)
})
