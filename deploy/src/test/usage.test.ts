import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { runCommand } from './command-process.ts'
import { TemporaryFolder } from './temporary-folder.ts'

/** Nothing listens on port 1, and connecting to it fails at once. */
const NOWHERE = '127.0.0.1:1'

test('help names every command and exit status', async () => {
  const { status, stdout, stderr } = await runCommand(['--help'])
  assert.equal(status, 0)
  assert.equal(stderr, '')
  for (const word of [
    'broker',
    'dev',
    'topic',
    'produce',
    'consume',
    'replay',
    'group',
    'cluster',
    'segment',
    'Exit status:',
  ]) {
    assert.match(String(stdout), new RegExp(word))
  }
})

test('the launcher runs the same command', async () => {
  const launcher = fileURLToPath(new URL('../../bin/stratalog.mjs', import.meta.url))
  const env = { ...process.env, STRATALOG_FROM_SOURCE: '1' }
  const { stdout } = await promisify(execFile)(process.execPath, [launcher, '--version'], { env })
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  await assert.rejects(promisify(execFile)(process.execPath, [launcher, 'nonsense'], { env }), { code: 2 })
})

test('wrong usage has status 2 and says what would be right', async () => {
  const wrong: [string[], RegExp][] = [
    [[], /USAGE: no command given/],
    [['topics'], /USAGE: unknown command 'topics' \(Did you mean topic\?\)/],
    [['topic', 'create', 'x', '--partitons', '2'], /unknown option '--partitons' \(Did you mean --partitions\?\)/],
    [['topic', 'create', 'x', '--partitions', '0'], /integer from 1 to 10000/],
    [['topic', 'create', 'x', '--config', 'novalue'], /must be key=value/],
    [['topic', 'delete', 'x'], /add --yes/],
    [['topic', 'alter', 'x'], /nothing to change/],
    [['consume', 'x', '--from', 'yesterday'], /--from "yesterday" is not a position/],
    [['consume', 'x', '--format', '%q'], /unknown letter %q/],
    [['consume'], /no topic is named/],
    [['consume', 'x', 'y'], /several topics are for reading in a group/],
    [['consume', '--pattern', 'x.*'], /--pattern is for reading in a group/],
    [['consume', 'x', '--instance-id', 'a'], /--instance-id is for reading in a group/],
    [['consume', '--group', 'g'], /no topic is named/],
    [['consume', 'x', '--group', 'g', '--partition', '1'], /--partition and --group contradict each other/],
    [['consume', 'x', '--group', 'g', '--until', 'latest'], /--until and --group contradict each other/],
    [['consume', 'x', '--group', 'g', '--from', '5'], /--from with an offset and --group contradict each other/],
    [['replay'], /no topic is named/],
    [['replay', 'x', '--from', 'yesterday'], /--from "yesterday" is not a position/],
    [['replay', 'x', 'x'], /a topic is named twice/],
    [['replay', 'x', '--splits', '2', '--split-size', '1m'], /--splits and --split-size contradict each other/],
    [['replay', 'x', '--split-size', 'big'], /must be a number of bytes/],
    [['replay', 'x', '--format', 'parquet'], /parquet cannot go to standard output/],
    [['replay', 'x', '--format', 'avro'], /ndjson, csv, parquet, arrow/],
    [['replay', 'x', '--resume'], /--resume needs a folder/],
    [['replay', 'x', '--out', 'a', '--into', 'b'], /--out and --into contradict each other/],
    [['replay', 'x', '--into', 'b', '--resume'], /--resume with --into needs --checkpoint/],
    [['replay', 'x', '--partitions', '3'], /--partitions is for --into/],
    [['replay', 'x', '--data', 'd', '--read-from', 'any'], /--read-from is for clusters/],
    [['replay', 'x', '--unsafe-to-log-end'], /--unsafe-to-log-end is for folders/],
    [['replay', 'x', '--after', 'noon'], /--after "@noon" is not a position/],
    [['replay', 'x', '--fields', 'a:int64', '--columns', 'raw'], /--fields are for JSON values/],
    [['group', 'list', '--state', 'asleep'], /one of empty, assigning, reconciling, stable/],
    [['group', 'describ', 'g'], /unknown command 'describ' \(Did you mean describe\?\)/],
    [['group', 'lag', 'g', '--max-time', '5'], /must be a duration/],
    [['group', 'seek', 'g'], /required option '--to <place>'/],
    [['group', 'seek', 'g', '--to', 'yesterday'], /--to "yesterday" is no place/],
    [['group', 'seek', 'g', '--to', 'earliest', '--topic', 'x:3-1'], /--topic "x:3-1" names no partitions/],
    [['group', 'delete', 'g'], /group g was not deleted/],
    [['produce', 'x', '--key-separator', ':', '--format', 'jsonl'], /--key-separator is for lines/],
    [['produce', 'x', '--header', 'novalue'], /is not key=value/],
    [['dev', '--brokers', '0'], /integer from 1 to 100/],
  ]
  for (const [args, complaint] of wrong) {
    const { status, stderr } = await runCommand(args, { bootstrap: NOWHERE })
    assert.equal(status, 2, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, complaint)
    assert.match(stderr, /^hint: ./m)
  }
})

test('no broker has status 5, in JSON too', async () => {
  const plain = await runCommand(['topic', 'list', '--timeout', '2000'], { bootstrap: NOWHERE })
  assert.equal(plain.status, 5)
  assert.match(plain.stderr, /^error: BROKER_NOT_AVAILABLE: .*127\.0\.0\.1:1/)
  const json = await runCommand(['cluster', 'health', '--timeout', '2000', '--output', 'json'], { bootstrap: NOWHERE })
  assert.equal(json.status, 5)
  assert.equal(String(json.stdout), '')
  const { error } = JSON.parse(json.stderr)
  assert.equal(error.code, 'BROKER_NOT_AVAILABLE')
  assert.equal(error.exitStatus, 5)
})

test('a broker that cannot start says why: configuration, folder, port', async () => {
  using folder = new TemporaryFolder()
  const start = (...args: string[]) => runCommand(['broker', '--listen', '127.0.0.1:0', ...args])
  const unknown = await start('--data', folder.join('a'), '--set', 'open.file.max=3')
  assert.equal(unknown.status, 78)
  assert.match(unknown.stderr, /error: CONFIG_INVALID: .*open\.file\.max.*did you mean open\.files\.max/)
  const foreign = await start('--data', fileURLToPath(new URL('.', import.meta.url)))
  assert.equal(foreign.status, 73)
  assert.match(foreign.stderr, /error: DATA_DIRECTORY_FOREIGN: /)
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const taken = await runCommand(['broker', '--data', folder.join('b'), '--listen', `127.0.0.1:${port}`])
  server.close()
  assert.equal(taken.status, 75)
  assert.match(taken.stderr, new RegExp(`error: PORT_IN_USE: .*${port}`))
})

test('every setting and its source can be printed', async () => {
  const { status, stdout } = await runCommand(['broker', '--print-config', '--data', 'somewhere'], {
    env: { STRATALOG_LOG__LEVEL: 'warn' },
  })
  assert.equal(status, 0)
  assert.match(String(stdout), /^data\.dir = "somewhere" {2}# flag$/m)
  assert.match(String(stdout), /^log\.level = "warn" {2}# environment variable STRATALOG_LOG__LEVEL$/m)
})
