import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startTestBroker } from '@stratalog/broker/testing'
import { type CommandInput, type CommandResult, runCommand, startCommand, waitForOutput } from './command-process.ts'
import { TemporaryFolder } from './temporary-folder.ts'

let broker: Awaited<ReturnType<typeof startTestBroker>>
before(async () => {
  broker = await startTestBroker()
})
after(() => broker[Symbol.asyncDispose]())

function command(args: readonly string[], given: CommandInput = {}): Promise<CommandResult> {
  return runCommand(args, { bootstrap: broker.bootstrap, ...given })
}

async function output(args: readonly string[], given: CommandInput = {}): Promise<string> {
  const { status, stdout, stderr } = await command(args, given)
  assert.equal(status, 0, stderr)
  return String(stdout)
}

async function createTopic(name: string, partitions = 1): Promise<void> {
  // Records with old timestamps stay, however long the test takes.
  await output(['topic', 'create', name, '--partitions', String(partitions), '--config', 'retention.ms=-1'])
}

test('keys, headers, partitions and timestamps travel as jsonl, and what consume prints can be produced again', async () => {
  await createTopic('jsonl', 2)
  await createTopic('again', 2)
  const records = [
    { key: 'a', value: 'text', partition: 0, timestamp: 1000, headers: { source: 'test', empty: null } },
    { key: null, value: { nested: [1, 2] }, partition: 1, timestamp: 2000 },
    { keyBase64: '/w==', valueBase64: 'AP8=', partition: 1, timestamp: 3000 },
    { key: 'gone', value: null, partition: 0, timestamp: 4000 },
  ]
  const input = records.map((record) => `${JSON.stringify(record)}\n`).join('')
  await output(['produce', 'jsonl', '--format', 'jsonl', '--header', 'by=me'], { input })
  const printed = await output(['consume', 'jsonl', '--format', 'json'])
  const read = printed
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const first = read.find(({ key }) => key === 'a')
  assert.deepEqual(first, {
    topic: 'jsonl',
    partition: 0,
    offset: 0,
    timestamp: 1000,
    key: 'a',
    value: 'text',
    headers: [
      { key: 'by', value: 'me' },
      { key: 'source', value: 'test' },
      { key: 'empty', value: null },
    ],
  })
  assert.deepEqual(
    read.filter(({ partition }) => partition === 1).map(({ value, valueBase64 }) => value ?? valueBase64),
    ['{"nested":[1,2]}', 'AP8='],
  )
  await output(['produce', 'again', '--format', 'jsonl'], { input: printed })
  const withoutTopic = (text: string): string[] =>
    text
      .replaceAll(/"topic":"\w+"/g, '')
      .trimEnd()
      .split('\n')
      .sort()
  assert.deepEqual(withoutTopic(await output(['consume', 'again', '--format', 'json'])), withoutTopic(printed))
})

test('keys from a separator or a field, and templates', async () => {
  await createTopic('keys')
  await output(['produce', 'keys', '--key-separator', ': '], { input: 'a: 1\nb: 2: 3\n' })
  await output(['produce', 'keys', '--key-field', 'id'], { input: '{"id":7, "x":1}\n' })
  const lines = await output(['consume', 'keys', '--format', '%o|%k|%v|%V\\n'])
  assert.equal(lines, '0|a|1|1\n1|b|2: 3|4\n2|7|{"id":7, "x":1}|15\n')
})

test('every way to say where to begin and where to end', async () => {
  await createTopic('ranges')
  const input = Array.from({ length: 10 }, (_, index) =>
    JSON.stringify({ value: `v${index}`, timestamp: 1000 + index }),
  )
  await output(['produce', 'ranges', '--format', 'jsonl'], { input: input.join('\n') })
  const read = async (...args: string[]): Promise<string> =>
    (await output(['consume', 'ranges', '--format', '%o ', '--quiet', ...args])).trimEnd()
  assert.equal(await read(), '0 1 2 3 4 5 6 7 8 9')
  assert.equal(await read('--from', '3', '--until', '6'), '3 4 5')
  assert.equal(await read('--from', '@1004'), '4 5 6 7 8 9')
  assert.equal(await read('--until', '@1970-01-01T00:00:01.004Z'), '0 1 2 3')
  assert.equal(await read('--from', '@999999'), '')
  assert.equal(await read('--from', 'latest'), '')
  assert.equal(await read('--until', 'latest', '--count', '2'), '0 1')
  assert.equal(await read('--until', 'earliest'), '')
  assert.equal(await read('--from', '8', '--until', '100'), '8 9')
  const beyond = await command(['consume', 'ranges', '--from', '11'])
  assert.equal(beyond.status, 1)
  assert.match(beyond.stderr, /OFFSET_OUT_OF_RANGE: offset 11 of ranges-0 does not exist: it holds 0 to 10/)
})

test('following prints what comes, ends at a count, and tells its place when interrupted', async () => {
  await createTopic('follow')
  const follower = startCommand(['consume', 'follow', '--follow'], { bootstrap: broker.bootstrap })
  let stderr = ''
  follower.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const seen = waitForOutput(follower, /two\n/)
  await output(['produce', 'follow'], { input: 'one\ntwo\n' })
  assert.equal(await seen, 'one\ntwo\n')
  follower.kill('SIGINT')
  assert.deepEqual(await once(follower, 'close'), [130, null])
  assert.match(stderr, /INTERRUPTED: stopped after 2 records; next offsets: follow-0 at 2/)

  const counted = command(['consume', 'follow', '--follow', '--count', '3', '--quiet'])
  await output(['produce', 'follow'], { input: 'three\n' })
  assert.equal(String((await counted).stdout), 'one\ntwo\nthree\n')
})

test('an interrupted input is sent as far as it was read', async () => {
  await createTopic('interrupted')
  const producer = startCommand(['produce', 'interrupted'], { bootstrap: broker.bootstrap })
  let stderr = ''
  producer.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  producer.stdin?.write('one\ntwo\nhalf')
  let read = ''
  while (read !== 'one\ntwo\n') read = await output(['consume', 'interrupted', '--quiet'])
  producer.kill('SIGINT')
  assert.deepEqual(await once(producer, 'close'), [130, null])
  assert.match(stderr, /acknowledged 2 records/)
  assert.match(stderr, /INTERRUPTED: stopped after line 2/)
})

test('a reader that has seen enough ends the command quietly', async () => {
  await createTopic('pipe')
  await output(['produce', 'pipe'], { input: 'x'.repeat(100).concat('\n').repeat(50_000) })
  const child = startCommand(['consume', 'pipe', '--quiet'], { bootstrap: broker.bootstrap })
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdout?.once('data', () => child.stdout?.destroy())
  const [status] = await once(child, 'exit')
  assert.equal(status, 0)
  assert.equal(stderr, '')
})

test('what cannot be sent is said with its line, and what came before was sent', async () => {
  await createTopic('refused')
  const bad = await command(['produce', 'refused', '--format', 'jsonl'], { input: '{"value":"ok"}\n{"value":\n' })
  assert.equal(bad.status, 1)
  assert.match(bad.stderr, /acknowledged 1 records/)
  assert.match(bad.stderr, /INPUT_INVALID: line 2 is not JSON/)
  assert.equal(await output(['consume', 'refused', '--quiet']), 'ok\n')

  await output(['topic', 'alter', 'refused', '--config', 'max.message.bytes=2000'])
  const large = await command(['produce', 'refused'], { input: `${'x'.repeat(5000)}\n` })
  assert.equal(large.status, 1)
  assert.match(large.stderr, /error: (MESSAGE|RECORD)_TOO_LARGE: /)
})

test('what is not there has status 3: topic, partition, file', async () => {
  await createTopic('there')
  for (const args of [
    ['produce', 'nowhere'],
    ['consume', 'nowhere'],
    ['produce', 'there', '--partition', '1'],
    ['consume', 'there', '--partition', '1'],
    ['produce', 'there', '--file', '/nonexistent/file'],
  ]) {
    const { status, stderr } = await command(args)
    assert.equal(status, 3, `${args.join(' ')}: ${stderr}`)
  }
})

test('all codecs, and JSON summaries', async () => {
  using folder = new TemporaryFolder()
  const file = folder.join('input')
  const content = Array.from({ length: 2000 }, (_, index) => `line ${index} ${'ab'.repeat(index % 50)}\n`).join('')
  writeFileSync(file, content)
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    await createTopic(`codec-${codec}`)
    const acks = codec === 'none' ? 'leader' : 'all'
    const args = ['produce', `codec-${codec}`, '--file', file, '--compression', codec, '--acks', acks]
    const { status, stderr } = await command([...args, '--output', 'json'])
    assert.equal(status, 0, stderr)
    assert.equal(JSON.parse(stderr).recordCount, 2000)
    assert.equal(await output(['consume', `codec-${codec}`, '--quiet']), content, codec)
  }
})

test('without acknowledgements everything still goes out before the end', async () => {
  await createTopic('unanswered')
  await output(['produce', 'unanswered', '--acks', 'none'], { input: 'one\ntwo\n' })
  const deadlineMs = performance.now() + 20_000
  let read = ''
  while (read !== 'one\ntwo\n' && performance.now() < deadlineMs)
    read = await output(['consume', 'unanswered', '--quiet'])
  assert.equal(read, 'one\ntwo\n')
})

test('segment dump and verify read what the broker wrote, and see damage', async () => {
  await createTopic('inspected')
  await output(['produce', 'inspected', '--key-separator', ':'], { input: 'k:first\nk:second\n' })
  const folder = join(broker.dataDir, 'topics', 'inspected-0')
  const dumped = await output(['segment', 'dump', folder, '--records'])
  assert.match(dumped, /batch at byte 0: offsets 0\.\.1, 2 records/)
  assert.match(dumped, /"key":"k","value":"second"/)
  const lines = (await output(['segment', 'dump', folder, '--records', '--output', 'jsonl'])).trimEnd().split('\n')
  assert.ok(lines.map((line) => JSON.parse(line)).some(({ kind, value }) => kind === 'record' && value === 'first'))
  assert.match(await output(['segment', 'verify', folder]), /0\.\.2 .* sound/)

  using copy = new TemporaryFolder()
  const file = copy.join('00000000000000000000.log')
  copyFileSync(join(folder, '00000000000000000000.log'), file)
  const bytes = readFileSync(file)
  bytes[bytes.length - 3]! ^= 1
  writeFileSync(file, bytes)
  const damaged = await command(['segment', 'verify', file])
  assert.equal(damaged.status, 6)
  assert.match(damaged.stderr, /error: SEGMENT_DAMAGED: .* at byte 0: /)
  assert.equal((await command(['segment', 'verify', copy.join('none.log')])).status, 3)
  assert.equal((await command(['segment', 'dump', fileURLToPath(import.meta.url)])).status, 2)
})
