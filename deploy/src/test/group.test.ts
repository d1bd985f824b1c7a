import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { startTestBroker } from '@stratalog/broker/testing'
import { type CommandResult, runCommand, startCommand } from './command-process.ts'

const DEADLINE_MS = 30_000

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

/** A topic with records `<partition>:<number>`, so many in each partition. */
async function fill(topic: string, partitions: number, count: number): Promise<void> {
  const created = await command('topic', 'create', topic, '--partitions', String(partitions))
  assert.equal(created.status, 0, created.stderr)
  await produce(topic, partitions, 0, count)
}

async function produce(topic: string, partitions: number, from: number, count: number): Promise<void> {
  const lines = Array.from({ length: partitions * count }, (_, index) => {
    const partition = index % partitions
    return `${JSON.stringify({ partition, value: `${partition}:${from + Math.floor(index / partitions)}` })}\n`
  })
  const given = { bootstrap: broker.bootstrap, input: lines.join('') }
  const { status, stderr } = await runCommand(['produce', topic, '--format', 'jsonl'], given)
  assert.equal(status, 0, stderr)
}

/** A member that goes on until it is stopped, and what it has written. */
class Member {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''

  constructor(...args: string[]) {
    this.child = startCommand(['consume', ...args, '--follow'], { bootstrap: broker.bootstrap })
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
  }

  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1)
  }

  /** @returns how long it took, ms. */
  async stop(): Promise<number> {
    const startedAtMs = performance.now()
    this.child.kill('SIGINT')
    const [status] = await once(this.child, 'close')
    assert.equal(status, 130, this.stderr)
    return performance.now() - startedAtMs
  }
}

async function until(condition: () => boolean | Promise<boolean>, failure: () => string): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS
  while (!(await condition())) {
    if (performance.now() > deadlineMs) assert.fail(failure())
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function read(...args: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await command('consume', ...args)
  assert.equal(status, 0, stderr)
  return String(stdout).split('\n').slice(0, -1)
}

test('a group goes on where it stopped, whether it ended at a count, at the end, or with its reader', async () => {
  await fill('resumed', 3, 10)
  const first = await read('resumed', '--group', 'resume', '--count', '7')
  assert.equal(first.length, 7)
  const rest = await read('resumed', '--group', 'resume')
  assert.equal(new Set([...first, ...rest]).size, 30)
  assert.equal(first.length + rest.length, 30, 'each record once')
  assert.deepEqual(await read('resumed', '--group', 'resume'), [])
  await produce('resumed', 3, 10, 1)
  assert.deepEqual((await read('resumed', '--group', 'resume')).sort(), ['0:10', '1:10', '2:10'])
  const summary = JSON.parse(
    (await command('consume', 'resumed', '--group', 'other', '--output', 'json')).stderr.split('\n').at(-2)!,
  )
  assert.deepEqual(summary.nextOffsets, { 'resumed-0': 11, 'resumed-1': 11, 'resumed-2': 11 })
  assert.equal(summary.recordCount, 33)
})

test('two members share the partitions, hand them over, and leave at once', async () => {
  await fill('shared', 4, 5)
  const first = new Member('shared', '--group', 'share')
  await until(
    () => first.lines.length === 20,
    () => `read ${first.lines.length}: ${first.stderr}`,
  )
  const second = new Member('--pattern', 'shar.d', '--group', 'share', '--instance-id', 'steady')
  const owners = async (): Promise<string[]> => {
    const { partitions, state } = await json('group', 'describe', 'share')
    return state === 'stable' ? partitions.map(({ ownerMemberId }: Record<string, unknown>) => ownerMemberId) : []
  }
  let last: string[] = []
  await until(
    async () => {
      last = await owners()
      return last.length === 4 && new Set(last).size === 2
    },
    () => `${last}: ${second.stderr}`,
  )
  await produce('shared', 4, 5, 5)
  await until(
    () => first.lines.length + second.lines.length === 40,
    () => `read ${first.lines} and ${second.lines}`,
  )
  assert.equal(new Set([...first.lines, ...second.lines]).size, 40, 'each record once')
  assert.equal(second.lines.length, 10, 'two of four partitions')
  // What is read is committed within a second.
  await until(
    async () => (await json('group', 'lag', 'share')).total.lagRecords === 0,
    () => 'what was read was not committed',
  )
  const table = String((await command('group', 'describe', 'share')).stdout)
  assert.match(table, /^members: +2$/m)
  assert.match(table, /^steady +stratalog-command /m)
  assert.match(table, /^shared +\d +steady +10 +10 +0 /m)

  const busy = await command('group', 'delete', 'share', '--yes')
  assert.match(busy.stderr, /^error: GROUP_NOT_EMPTY: /)
  assert.match((await command('group', 'seek', 'share', '--to', 'earliest')).stderr, /^error: GROUP_NOT_EMPTY: /)
  const subscribed = await command('group', 'delete-offsets', 'share', '--topic', 'shared', '--yes')
  assert.match(subscribed.stderr, /^error: GROUP_SUBSCRIBED_TO_TOPIC: /)
  const tookMs = await first.stop()
  assert.ok(tookMs < 1000, `it took ${tookMs} ms to leave`)
  assert.match(first.stderr, /INTERRUPTED: stopped after 30 records; group share goes on with shared-\d at 10/)
  await until(
    async () => new Set(await owners()).size === 1,
    () => 'the partitions of the member that left went to nobody',
  )
  await second.stop()
  assert.equal((await json('group', 'lag', 'share')).total.lagRecords, 0)
})

test('what did not reach the reader of the output comes again', async () => {
  await fill('cut', 1, 20_000)
  const args = ['--conditions=typescript-source', new URL('../main.ts', import.meta.url).pathname]
  const env = { ...process.env, STRATALOG_BOOTSTRAP: broker.bootstrap }
  const child = spawn(process.execPath, [...args, 'consume', 'cut', '--group', 'cut', '--quiet'], { env })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdout.once('data', () => child.stdout.destroy())
  const [status] = await once(child, 'close')
  assert.deepEqual([status, stderr], [0, ''])
  const { members, partitions } = await json('group', 'describe', 'cut')
  assert.deepEqual(members, [], 'it has left')
  const rest = await read('cut', '--group', 'cut')
  assert.equal(rest.length, 20_000 - (partitions[0].committedOffset ?? 0))
  assert.equal(rest.at(-1), '0:19999')
})

test('groups are listed by state, for people and for scripts', async () => {
  await fill('listed', 1, 1)
  await read('listed', '--group', 'listed-1')
  const listed = await json('group', 'list', '--state', 'empty')
  const own = listed.find(({ groupId }: Record<string, unknown>) => groupId === 'listed-1')
  assert.deepEqual(own, { groupId: 'listed-1', state: 'empty', memberCount: 0, coordinatorId: 1 })
  assert.match(String((await command('group', 'list')).stdout), /^listed-1 +empty +0 +1$/m)
  assert.deepEqual(await json('group', 'list', '--state', 'reconciling'), [])
})

test('a seek shows first, asks, and moves all or nothing', async () => {
  await fill('sought', 2, 100)
  await read('sought', '--group', 'seek')
  const moves = async (...args: string[]): Promise<unknown[]> => {
    const { resets } = await json('group', 'seek', 'seek', ...args)
    return resets.map(({ partition, fromOffset, toOffset }: Record<string, unknown>) => [
      partition,
      fromOffset,
      toOffset,
    ])
  }
  assert.deepEqual(await moves('--to', 'earliest', '--dry-run'), [
    [0, 100, 0],
    [1, 100, 0],
  ])
  const unasked = await command('group', 'seek', 'seek', '--to', 'earliest')
  assert.equal(unasked.status, 2)
  assert.match(String(unasked.stdout), /^sought +0 +100 +0 +-100$/m)
  assert.match(unasked.stderr, /nothing was moved\nhint: add --yes/)
  assert.equal((await json('group', 'lag', 'seek')).total.lagRecords, 0, 'nothing was moved')

  assert.deepEqual(await moves('--to', '-30', '--topic', 'sought:1', '--yes'), [[1, 100, 70]])
  assert.deepEqual(await moves('--to', '10', '--yes'), [
    [0, 100, 10],
    [1, 70, 10],
  ])
  assert.deepEqual(await moves('--to', '1h', '--yes'), [
    [0, 10, 0],
    [1, 10, 0],
  ])
  assert.deepEqual(await moves('--to', '2099-01-01', '--yes'), [
    [0, 0, 100],
    [1, 0, 100],
  ])
  const there = await command('group', 'seek', 'seek', '--to', 'latest')
  assert.equal(there.status, 0)
  assert.match(String(there.stdout), /group seek is there already/)
  assert.deepEqual(await moves('--to', '+5', '--dry-run'), [
    [0, 100, 100],
    [1, 100, 100],
  ])

  await produce('sought', 1, 100, 50)
  const beyond = await command('group', 'seek', 'seek', '--to', '120', '--yes')
  assert.equal(beyond.status, 1)
  assert.match(beyond.stderr, /^error: OFFSET_OUT_OF_RANGE: sought-1 cannot be moved there: .*; nothing was moved\n/)
  assert.deepEqual(await moves('--to', '120', '--topic', 'sought:0', '--yes'), [[0, 100, 120]])
  const copied = await json('group', 'seek', 'copy', '--to', 'group:seek', '--yes')
  assert.deepEqual(
    copied.resets.map(({ toOffset }: Record<string, unknown>) => toOffset),
    [120, 100],
  )
  assert.equal((await read('sought', '--group', 'copy')).length, 30)
})

test('lag is told in records and time, and limits have a status', async () => {
  await fill('late', 2, 10)
  await read('late', '--group', 'late', '--count', '1')
  const { total, partitions } = await json('group', 'lag', 'late')
  assert.equal(total.lagRecords, 19)
  assert.ok(total.lagMs > 0)
  assert.deepEqual(
    partitions.map(({ visibleEnd }: Record<string, unknown>) => visibleEnd),
    [10, 10],
  )
  assert.match(String((await command('group', 'lag', 'late')).stdout), /^total: 19 records, .* behind$/m)
  assert.equal((await command('group', 'lag', 'late', '--max-records', '19', '--max-time', '1d')).status, 0)
  const above = await command('group', 'lag', 'late', '--max-records', '18', '--output', 'json')
  assert.equal(above.status, 6)
  assert.equal(JSON.parse(String(above.stdout)).total.lagRecords, 19)
  const { error } = JSON.parse(above.stderr)
  assert.deepEqual([error.code, error.metadata.lagRecords], ['LAGGING', '19'])
  assert.equal((await command('group', 'lag', 'late', '--max-time', '1ms')).status, 6)
  assert.equal((await command('group', 'lag', 'late', '--topic', 'late:1')).status, 0)
  assert.equal((await command('group', 'lag', 'late', '--topic', 'late:7')).status, 2)
})

test('offsets and groups are forgotten', async () => {
  await fill('forgotten', 2, 3)
  await read('forgotten', '--group', 'forget')
  const unasked = await command('group', 'delete-offsets', 'forget', '--topic', 'forgotten:1')
  assert.equal(unasked.status, 2)
  assert.match(unasked.stderr, /no offsets were deleted/)
  const { deleted } = await json('group', 'delete-offsets', 'forget', '--topic', 'forgotten:1', '--yes')
  assert.deepEqual(deleted, [{ topic: 'forgotten', partition: 1, offset: 3 }])
  assert.deepEqual(await read('forgotten', '--group', 'forget'), ['1:0', '1:1', '1:2'])
  assert.deepEqual(await json('group', 'delete', 'forget', '--yes'), { deleted: true, groupId: 'forget' })
  assert.equal((await command('group', 'delete', 'forget', '--yes')).status, 3)
})

test('a group that is not there has status 3, and the nearest name', async () => {
  await fill('near', 1, 1)
  await read('near', '--group', 'nearby-readers')
  for (const args of [
    ['describe'],
    ['lag'],
    ['delete', '--yes'],
    ['seek', '--to', 'earliest'],
    ['describe', '--watch'],
  ]) {
    const [verb = '', ...options] = args
    const { status, stderr } = await command('group', verb, 'nearby-reader', ...options)
    assert.equal(status, 3, `${verb}: ${stderr}`)
    assert.match(stderr, /GROUP_ID_NOT_FOUND: there is no group nearby-reader; did you mean nearby-readers\?/)
  }
  const mistyped = await command('consume', 'nearr', '--group', 'nearby-readers')
  assert.equal(mistyped.status, 3, 'a topic that does not exist is not waited for')
  const noStart = await command('consume', 'near', '--group', 'new', '--from', 'committed')
  assert.match(noStart.stderr, /^error: NO_COMMITTED_OFFSET: /m)
  const pattern = await command('consume', '--pattern', '(', '--group', 'new')
  assert.equal(pattern.status, 2)
  assert.match(pattern.stderr, /^error: INVALID_REGULAR_EXPRESSION: /m)
})

test('a group is watched until Ctrl-C', async () => {
  await fill('watched', 1, 2)
  await read('watched', '--group', 'watch')
  const args = ['group', 'describe', 'watch', '--watch', '--interval', '100', '--output', 'jsonl']
  const watch = startCommand(args, { bootstrap: broker.bootstrap })
  let text = ''
  watch.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const latest = (): Record<string, unknown>[] => JSON.parse(text.split('\n').at(-2) ?? '{"partitions":[]}').partitions
  await until(
    () => text.split('\n').length > 3,
    () => text,
  )
  assert.equal(latest()[0]?.['committedOffset'], 2)
  await produce('watched', 1, 2, 2)
  await until(
    () => latest()[0]?.['lagRecords'] === 2,
    () => text,
  )
  watch.kill('SIGINT')
  assert.deepEqual(await once(watch, 'close'), [0, null])
})
