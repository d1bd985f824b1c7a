/**
 * `stratalog replay` as a process beside a real broker: plans, files, standard output, another topic; killed and resumed; from the
 * cluster and from the broker's folder; and every refusal that its user may meet.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { ReplayGap } from '@stratalog/consumer'
import { createProducer } from '@stratalog/producer'
import { iterateBatches } from '@stratalog/proto/records'
import { BrokerProcess } from '../cluster/broker-process.ts'
import { type CommandResult, runCommand, startCommand } from './command-process.ts'
import { TemporaryFolder } from './temporary-folder.ts'

const PARTITIONS = 3
const COUNT = 3_000

describe('stratalog replay', () => {
  const folder = new TemporaryFolder()
  let broker: BrokerProcess
  let outputs = 0

  before(async () => {
    const logPath = folder.join('broker.log')
    broker = await BrokerProcess.start({
      brokerId: 1,
      dataDir: folder.join('data'),
      host: '127.0.0.1',
      port: 0,
      logPath,
    })
    await ok(['topic', 'create', 'orders', '--partitions', String(PARTITIONS), '--config', 'retention.ms=-1'])
    // Small batches: a plan cuts between them.
    await using producer = createProducer({ bootstrap: broker.address }, { batchBytesMax: 4_096 })
    await producer.sendBatch(
      Array.from({ length: COUNT }, (_, index) => ({
        topic: 'orders',
        key: index % 10 === 0 ? null : `k${index % 50}`,
        value: JSON.stringify({
          number: index,
          price: index / 4,
          odd: index % 2 === 1,
          note: 'x"y,z'.repeat(index % 3),
        }),
        timestamp: 1_700_000_000_000 + index,
        headers: index % 7 === 0 ? { kind: 'seventh' } : {},
      })),
    )
  })

  after(async () => {
    await broker?.stop()
    folder[Symbol.dispose]()
  })

  function run(args: readonly string[], input = ''): Promise<CommandResult> {
    return runCommand(args, { bootstrap: broker.address, input })
  }

  async function ok(args: readonly string[], input = ''): Promise<string> {
    const { status, stdout, stderr } = await run(args, input)
    assert.equal(status, 0, stderr)
    return stdout.toString()
  }

  async function fails(args: readonly string[], status: number, message: RegExp): Promise<void> {
    const result = await run(args)
    assert.match(result.stderr, message)
    assert.equal(result.status, status, result.stderr)
  }

  const out = (): string => folder.join(`out-${++outputs}`)
  const numbersIn = (lines: string): number[] =>
    lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(JSON.parse(line).value).number)
      .sort((a, b) => a - b)
  const EVERY = Array.from({ length: COUNT }, (_, index) => index)

  /** Content of all files of the topic, by name. */
  function filesOf(dir: string): Map<string, Buffer> {
    const names = readdirSync(dir, { recursive: true }).map(String).sort()
    return new Map(
      names
        .filter((name) => name.startsWith('topic=') && /\.\w+$/.test(name))
        .map((name) => [name, readFileSync(join(dir, name))]),
    )
  }

  it('prints the plan, saves it, and reads what a saved one says', async () => {
    const plan = folder.join('plan.json')
    const table = await ok(['replay', 'orders', '--dry-run', '--splits', '9', '--save-plan', plan])
    assert.match(table, /^TOPIC +PARTITION +START +END/)
    assert.match(table, /plan [0-9a-f]{32}: 3,000 offsets, about .*, in \d+ pieces; from earliest to latest/)
    const manifest = JSON.parse(await ok(['replay', '--plan', plan, '--dry-run', '--output', 'json']))
    assert.deepEqual(manifest, JSON.parse(readFileSync(plan, 'utf8')))
    const splits = await ok(['replay', '--plan', plan, '--dry-run', '--output', 'jsonl'])
    assert.equal(splits.trimEnd().split('\n').length, manifest.splits.length)
    assert.deepEqual(numbersIn(await ok(['replay', '--plan', plan, '--quiet'])), EVERY)
    await fails(['replay', 'orders', '--dry-run', '--save-plan', plan], 4, /exists already/)
    await fails(['replay', 'orders', '--plan', plan], 2, /--plan says what to read/)
    writeFileSync(folder.join('no.json'), '{"format":"x"}')
    await fails(['replay', '--plan', folder.join('no.json')], 1, /INVALID_REQUEST/)
    await fails(['replay', '--plan', folder.join('missing.json')], 3, /FILE_NOT_FOUND/)
  })

  it('writes records to standard output, filtered', async () => {
    const { stdout, stderr } = await run([
      'replay',
      'orders',
      '--where',
      'number>=10',
      '--where',
      'odd=true',
      '--key',
      'k1',
      '--key',
      'k3',
    ])
    const expected = EVERY.filter((index) => index >= 10 && index % 2 === 1 && [1, 3].includes(index % 50))
    assert.deepEqual(numbersIn(stdout.toString()), expected)
    assert.match(stderr, new RegExp(`replayed ${expected.length} records`))
    const sevenths = await ok([
      'replay',
      'orders',
      '--header',
      'kind=seventh',
      '--after',
      '1700000000500',
      '--before',
      '2023-11-14T22:13:21Z',
      '--quiet',
    ])
    assert.deepEqual(
      numbersIn(sevenths),
      EVERY.filter((index) => index % 7 === 0 && index >= 500 && index < 1_000),
    )
    const csv = await ok(['replay', 'orders', '--format', 'csv', '--no-place', '--partition', '1', '--quiet'])
    assert.match(csv, /^number,price,odd,note\n\d+,[\d.]+,(true|false),/)
  })

  it('writes files from the cluster and from the folder alike, and never over others', async () => {
    const [cluster, fromFolder, plan] = [out(), out(), folder.join('both.json')]
    await ok(['replay', 'orders', '--splits', '8', '--dry-run', '--save-plan', plan])
    for (const [dir, args] of [
      [cluster, []],
      [fromFolder, ['--data', folder.join('data')]],
    ] as const) {
      const summary = JSON.parse(await ok(['replay', '--plan', plan, '--out', dir, '--output', 'json', ...args]))
      assert.equal(summary.recordCount, COUNT)
      assert.ok(existsSync(join(dir, '_SUCCESS')))
    }
    assert.deepEqual(filesOf(cluster), filesOf(fromFolder))
    assert.deepEqual(numbersIn([...filesOf(cluster).values()].join('')), EVERY)
    const before = filesOf(cluster)
    await fails(['replay', '--plan', plan, '--out', cluster], 4, /OUTPUT_EXISTS: .* is not empty[\s\S]*resume it/)
    await ok(['replay', '--plan', plan, '--out', cluster, '--resume'])
    assert.deepEqual(filesOf(cluster), before)
  })

  it('killed again and again, it goes on where it was, and every record is there once', async () => {
    const [dir, whole] = [out(), out()]
    const args = ['replay', 'orders', '--format', 'csv', '--columns', 'json', '--splits', '30', '--quiet']
    await ok([...args, '--out', whole])
    const slow = [...args, '--out', dir, '--resume', '--parallel', '2', '--rate-limit', '150kb']
    let killedCount = 0
    for (let done = 0; killedCount < 3; ) {
      const child = startCommand(slow, { bootstrap: broker.address })
      const closed = once(child, 'close')
      // At a split further on, wherever the others are then.
      await waitUntil(() => doneSplits(dir) > done || child.exitCode !== null)
      assert.equal(child.exitCode, null, 'it is slow enough to be killed')
      child.kill('SIGKILL')
      await closed
      done = doneSplits(dir)
      assert.ok(!existsSync(join(dir, '_SUCCESS')))
      killedCount++
    }
    await fails(['replay', 'other', '--out', dir, '--resume'], 2, /CHECKPOINT_MISMATCH: .* is of orders, not of other/)
    await fails(
      ['replay', 'orders', '--from', '5', '--out', dir, '--resume', '--format', 'csv', '--columns', 'json'],
      2,
      /CHECKPOINT_MISMATCH: .*request/,
    )
    await fails(['replay', 'orders', '--out', dir, '--resume'], 2, /CHECKPOINT_MISMATCH: .*format was "csv"/)
    await ok([...args, '--out', dir, '--resume'])
    assert.deepEqual(filesOf(dir), filesOf(whole))
    assert.deepEqual(
      readdirSync(dir, { recursive: true }).filter((name) => String(name).endsWith('.tmp')),
      [],
    )
  })

  it('copies a topic over more partitions, keys, headers and timestamps kept, once each over kills', async () => {
    const args = ['replay', 'orders', '--into', 'wider', '--partitions', '5', '--splits', '12', '--quiet']
    const [state] = [out()]
    const slow = [...args, '--checkpoint', state, '--resume', '--rate-limit', '150kb']
    for (let killedCount = 0; killedCount < 2; killedCount++) {
      const done = doneSplits(state)
      const child = startCommand(slow, { bootstrap: broker.address })
      const closed = once(child, 'close')
      await waitUntil(() => doneSplits(state) > done || child.exitCode !== null)
      assert.equal(child.exitCode, null)
      child.kill('SIGKILL')
      await closed
    }
    await ok([...args, '--checkpoint', state, '--resume'])
    const content = async (topic: string): Promise<string[]> =>
      (await ok(['replay', topic, '--quiet']))
        .trimEnd()
        .split('\n')
        .map((line) => {
          const { key, value, timestamp, headers } = JSON.parse(line)
          return JSON.stringify({ key, value, timestamp, headers })
        })
        .sort()
    assert.deepEqual(await content('wider'), await content('orders'))
    await fails(args, 4, /OUTPUT_EXISTS: wider-\d holds records already/)
    await fails(['replay', 'orders', '--into', 'orders'], 2, /orders is what is read/)
  })

  it('what does not fit goes to a file of its own, with the reason', async () => {
    await ok(['topic', 'create', 'mixed', '--partitions', '1'])
    const lines = ['{"n":1}', '{"n":"two"}', 'no json', '{"n":3,"more":true}', '{"n":4}']
    await ok(['produce', 'mixed', '--quiet'], `${lines.join('\n')}\n`)
    const dir = out()
    const text = await ok(['replay', 'mixed', '--format', 'parquet', '--fields', 'n:int64', '--out', dir])
    assert.match(text, /3 records did not fit the schema: they are in _rejected/)
    const [rejects] = readdirSync(join(dir, '_rejected', 'topic=mixed', 'part=0'))
    const reasons = readFileSync(join(dir, '_rejected', 'topic=mixed', 'part=0', rejects ?? ''), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      reasons.map(({ offset, reason, value }) => [offset, reason.split(':')[0], value]),
      [
        [1, 'field n is "two", the column is int64', '{"n":"two"}'],
        [2, 'the value is not JSON', 'no json'],
        [3, 'field more is not in the schema', '{"n":3,"more":true}'],
      ],
    )
    await fails(
      ['replay', 'mixed', '--format', 'csv', '--fields', 'n:int64'],
      1,
      /SERIALIZATION_FAILED: mixed-0 at offset 1: field n/,
    )
  })

  it('damage stops it with place and file, or is passed over and reported', async () => {
    const copy = folder.join('copy')
    cpSync(folder.join('data'), copy, { recursive: true })
    const path = damage(copy, 'orders')
    const args = ['replay', 'orders', '--data', copy, '--partition', '0']
    const { status, stderr } = await run([...args, '--output', 'json'])
    assert.equal(status, 1)
    const { code, metadata } = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '').error
    assert.equal(code, 'CORRUPT_MESSAGE')
    assert.equal(metadata.file, path)
    const dir = out()
    const summary = JSON.parse(await ok([...args, '--skip-corrupt', '--out', dir, '--output', 'json']))
    const [gap] = summary.gaps.filter(({ cause }: { cause: string }) => cause === 'corrupt')
    assert.equal(String(gap.startOffset), metadata.offset)
    assert.ok(gap.missingCount > 0)
    assert.equal(summary.recordCount + summary.missingCount, summary.partitions[0].endOffset)
    assert.match(await ok([...args, '--skip-corrupt', '--out', out()]), /no record at \d+ of orders-0 .*corrupt/)
  })

  it('what was deleted since the plan ends it with what is left, or is reported', async () => {
    const topic = 'trimmed'
    await ok(['topic', 'create', topic, '--partitions', '1'])
    await ok(['produce', topic, '--quiet'], 'one\ntwo\nthree\nfour\n')
    const plan = folder.join('trimmed.json')
    await ok(['replay', topic, '--dry-run', '--save-plan', plan])
    await ok(['topic', 'delete-records', topic, '--partition', '0', '--before', '2', '--yes'])
    await fails(['replay', '--plan', plan], 1, /OFFSET_OUT_OF_RANGE/)
    const summary = JSON.parse(
      await ok(['replay', '--plan', plan, '--skip-deleted', '--out', out(), '--output', 'json']),
    )
    assert.equal(summary.recordCount, 2)
    const gaps = summary.gaps.map(({ cause, startOffset, endOffset }: ReplayGap) => [cause, startOffset, endOffset])
    assert.deepEqual(gaps, [['deleted', 0, 2]])
  })

  it('Ctrl-C ends it in order, and a second process is kept out while it runs', async () => {
    const dir = out()
    const args = ['replay', 'orders', '--splits', '30', '--out', dir, '--rate-limit', '100kb']
    const child = startCommand(args, { bootstrap: broker.address })
    const closed = once(child, 'close')
    let stderr = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    await waitUntil(() => doneSplits(dir) > 0 || child.exitCode !== null)
    await fails([...args, '--resume'], 75, /OUTPUT_IN_USE: .* is being written by process \d+/)
    child.kill('SIGINT')
    assert.equal((await closed)[0], 130)
    assert.match(stderr, /INTERRUPTED: stopped after [\d,]+ records\nhint: go on with the same command and --resume/)
    assert.ok(!existsSync(join(dir, '_lock')))
    await ok([...args.slice(0, -2), '--resume', '--quiet'])
    assert.deepEqual(numbersIn([...filesOf(dir).values()].join('')), EVERY)
  })

  it('bounds that hold nothing, or contradict each other, and topics that are not there', async () => {
    assert.equal(await ok(['replay', 'orders', '--from', 'latest', '--quiet']), '')
    assert.equal(await ok(['replay', 'orders', '--to', '@5', '--quiet']), '')
    assert.equal(await ok(['replay', 'orders', '--from', '@2033-01-01', '--quiet']), '')
    assert.deepEqual(numbersIn(await ok(['replay', 'orders', '--from', '@5', '--to', '@2033-01-01', '--quiet'])), EVERY)
    const empty = out()
    await ok(['replay', 'orders', '--from', 'latest', '--format', 'arrow', '--out', empty])
    assert.ok(existsSync(join(empty, '_SUCCESS')))
    await fails(['replay', 'orders', '--from', '20', '--to', '10'], 1, /INVALID_REQUEST: .*after/)
    await fails(['replay', 'orders', '--from', '99999'], 1, /OFFSET_OUT_OF_RANGE/)
    await fails(['replay', 'orders', '--to', 'group:nobody'], 1, /INVALID_REQUEST|GROUP_ID_NOT_FOUND/)
    await fails(['replay', 'missing'], 3, /UNKNOWN_TOPIC_OR_PARTITION/)
    await fails(['replay', 'orders', '--data', folder.join('nothing')], 1, /nothing/)
    await ok(['topic', 'create', 'gone', '--partitions', '1'])
    await ok(['produce', 'gone', '--quiet'], 'one\ntwo\n')
    const plan = folder.join('gone.json')
    await ok(['replay', 'gone', '--dry-run', '--save-plan', plan])
    await ok(['topic', 'delete', 'gone', '--yes'])
    await fails(['replay', '--plan', plan], 3, /UNKNOWN_TOPIC_OR_PARTITION/)
    await ok(['topic', 'create', 'gone', '--partitions', '1'])
    await fails(['replay', '--plan', plan], 3, /UNKNOWN_TOPIC_ID/)
  })
})

/** Flips a byte in the records of the batch in the middle of a segment file. @returns the file. */
function damage(dataDir: string, topic: string): string {
  const dir = join(dataDir, 'topics', `${topic}-0`)
  const path = join(dir, readdirSync(dir).find((name) => name.endsWith('.log')) ?? '')
  const bytes = readFileSync(path)
  const batches = [...iterateBatches(bytes, { partialTail: 'stop' })].filter(({ header }) => !header.control)
  const { position, header } = batches[Math.floor(batches.length / 2)]!
  bytes[position + header.sizeBytes - 5]! ^= 0xff
  writeFileSync(path, bytes)
  return path
}

/** Lines of the checkpoint behind the first. */
function doneSplits(dir: string): number {
  const path = join(dir, '_checkpoint.ndjson')
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 2 : 0
}

async function waitUntil(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 60_000
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, 'the condition is met in time')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
