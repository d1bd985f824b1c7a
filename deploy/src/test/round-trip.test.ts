/**
 * Byte for byte through the command and a real broker process, before and after it is killed.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { verifySegment } from '@stratalog/broker'
import { BrokerProcess } from '../cluster/broker-process.ts'
import { runCommand, startCommand, waitForOutput } from './command-process.ts'
import { TemporaryFolder } from './temporary-folder.ts'

/** Real logs of many systems, kept beside the checkout where they are at hand. */
const LOGHUB = fileURLToPath(new URL('../../../../shared/data/loghub', import.meta.url))
const HOST = '127.0.0.1'

function startBroker(folder: TemporaryFolder, port = 0): Promise<BrokerProcess> {
  const logPath = folder.join('broker.log')
  return BrokerProcess.start({ brokerId: 1, dataDir: folder.join('data'), host: HOST, port, logPath })
}

async function output(bootstrap: string, args: readonly string[], input = ''): Promise<Buffer> {
  const { status, stdout, stderr } = await runCommand(args, { bootstrap, input })
  assert.equal(status, 0, stderr)
  return stdout
}

/** The file as `consume --format raw` gives it back: with a newline at its end. */
function closedByNewline(content: Buffer): Buffer {
  return content.length === 0 || content.at(-1) === 0x0a ? content : Buffer.concat([content, Buffer.from('\n')])
}

/** Sends every file into a topic of its own, and compares before and after a kill. */
async function sendKillAndCompare(folder: TemporaryFolder, files: ReadonlyMap<string, string>): Promise<void> {
  let broker = await startBroker(folder)
  const compare = async (topic: string, path: string, when: string): Promise<void> => {
    const read = await output(broker.address, ['consume', topic, '--quiet'])
    assert.ok(read.equals(closedByNewline(readFileSync(path))), `${topic} comes back as it was ${when}`)
  }
  try {
    await twoAtATime(files, async (topic, path) => {
      await output(broker.address, ['topic', 'create', topic, '--partitions', '1'])
      await output(broker.address, ['produce', topic, '--file', path])
      await compare(topic, path, 'before the kill')
    })
    await broker.kill()
    broker = await startBroker(folder, broker.port)
    await twoAtATime(files, async (topic, path) => {
      await compare(topic, path, 'after the kill')
      const { problems } = await verifySegment(folder.join('data', 'topics', `${topic}-0`))
      assert.deepEqual(problems, [])
    })
  } finally {
    await broker.stop()
  }
}

async function twoAtATime(
  files: ReadonlyMap<string, string>,
  action: (topic: string, path: string) => Promise<void>,
): Promise<void> {
  const waiting = files.entries()
  const work = async (): Promise<void> => {
    for (const [topic, path] of waiting) await action(topic, path)
  }
  await Promise.all([work(), work()])
}

function awkwardBytes(): Buffer {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  return Buffer.concat([
    Buffer.from('plain\r\n\r\n\n\n\0\0\n'),
    Buffer.from([0xff, 0xfe, 0xc3, 0x28, 0x0a, 0xe2, 0x80, 0xa8, 0x0a]),
    ...Array.from({ length: 50 }, () => everyByte),
    Buffer.alloc(1_000_000, 0x41),
    Buffer.from('\nno newline at the end'),
  ])
}

test('awkward bytes come back as they were, before and after kill -9', async () => {
  using folder = new TemporaryFolder()
  const files = { awkward: awkwardBytes(), empty: Buffer.alloc(0), newline: Buffer.from('\n'), one: Buffer.from('x') }
  for (const [name, content] of Object.entries(files)) writeFileSync(folder.join(name), content)
  await sendKillAndCompare(folder, new Map(Object.keys(files).map((name) => [name, folder.join(name)])))
})

test('a running total of what was acknowledged survives kill -9 in the middle of a load', async () => {
  using folder = new TemporaryFolder()
  let broker = await startBroker(folder)
  try {
    await output(broker.address, ['topic', 'create', 'load', '--partitions', '1'])
    const input = Array.from({ length: 200_000 }, (_, index) => `record ${index}\n`).join('')
    const producing = runCommand(['produce', 'load'], { bootstrap: broker.address, input })
    await waitUntilNotEmpty(broker.address)
    await broker.kill()
    broker = await startBroker(folder, broker.port)
    const { status, stderr } = await producing
    assert.equal(status, 0, stderr)
    assert.match(stderr, /acknowledged 200,000 records/)
    const read = String(await output(broker.address, ['consume', 'load', '--quiet']))
    assert.ok(read === input, 'no record is lost, doubled or out of order')
  } finally {
    await broker.stop()
  }
})

test('a follower says that it lost the broker, and goes on when it is back', async () => {
  using folder = new TemporaryFolder()
  let broker = await startBroker(folder)
  try {
    await output(broker.address, ['topic', 'create', 'news', '--partitions', '1'])
    await output(broker.address, ['produce', 'news', '--key-separator', '='], 'a=first\n')
    const follower = startCommand(['consume', 'news', '--follow', '--count', '2'], { bootstrap: broker.address })
    const read = waitForOutput(follower, /second\n/)
    // From the start: it may have ended before the last command below has.
    const closed = once(follower, 'close')
    let stderr = ''
    follower.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    await waitForOutput(follower, /first\n/)
    await broker.kill()
    broker = await startBroker(folder, broker.port)
    await output(broker.address, ['produce', 'news', '--key-separator', '='], 'a=second\n')
    assert.equal(await read, 'first\nsecond\n')
    await closed
    assert.match(stderr, /^lost 127\.0\.0\.1:\d+.*; trying again\nreading from 127\.0\.0\.1:\d+ again\nread 2 records/m)
  } finally {
    await broker.stop()
  }
})

async function waitUntilNotEmpty(bootstrap: string): Promise<void> {
  const deadlineMs = performance.now() + 30_000
  while (performance.now() < deadlineMs) {
    const [topic] = JSON.parse(String(await output(bootstrap, ['topic', 'describe', 'load', '--output', 'json'])))
    if (topic.partitions[0].visibleEnd > 0) return
  }
  assert.fail('no record became visible')
}

test('real logs come back as they were, before and after kill -9', { skip: !existsSync(LOGHUB) }, async () => {
  using folder = new TemporaryFolder()
  const names = readdirSync(LOGHUB).filter((name) => name.endsWith('.log'))
  assert.equal(names.length, 16)
  await sendKillAndCompare(folder, new Map(names.map((name) => [name.replace('_2k.log', ''), join(LOGHUB, name)])))
})
