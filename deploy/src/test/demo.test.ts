import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { runCommand, startCommand, waitForOutput } from './command-process.ts'
import { TemporaryFolder } from './temporary-folder.ts'

async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const ended = once(child, 'close')
  child.kill(signal)
  assert.deepEqual(await ended, [0, null])
}

test('the demo loads once, reads back, and keeps its data from one start to the next', async () => {
  using folder = new TemporaryFolder()
  const args = ['demo', '--data', folder.path, '--port', '0']
  const first = startCommand(args)
  const text = await waitForOutput(first, /stop with Ctrl-C/)
  assert.match(text, /created topic flights with 6 partitions/)
  assert.match(text, /loaded 20,000 flights/)
  assert.match(text, /acknowledged as fsynced/)
  assert.match(text, /group flight-readers, two members, read 20,000, .*; each came once/)
  const shares = [...text.matchAll(/^reader-[12] +([-,0-9]+) +([0-9,]+)$/gm)].map(([, , count]) => count ?? '')
  assert.equal(shares.length, 2)
  assert.equal(
    shares.reduce((sum, count) => sum + Number(count.replaceAll(',', '')), 0),
    20_000,
  )
  const bootstrap = /serves at (\S+)/.exec(text)?.[1] ?? ''
  const { stdout } = await runCommand(['consume', 'flights', '--count', '2', '--format', '%k\n'], { bootstrap })
  assert.match(String(stdout), /^[A-Z]{3}\n[A-Z]{3}\n$/)
  const described = String((await runCommand(['group', 'describe', 'flight-readers'], { bootstrap })).stdout)
  assert.match(described, /^state: +stable$/m)
  assert.match(described, /^members: +2$/m)
  await runCommand(['produce', 'flights'], { bootstrap, input: 'one more\n' })
  await stop(first, 'SIGINT')

  const second = startCommand(['demo'], { env: { STRATALOG_DEMO_DATA: folder.path, STRATALOG_DEMO_PORT: '0' } })
  const again = await waitForOutput(second, /stop with Ctrl-C/)
  assert.match(again, /topic flights is loaded already: nothing was sent/)
  assert.match(again, /two members, (goes on where it was|read 1 more)/)

  const third = await runCommand(args)
  assert.equal(third.status, 75)
  assert.match(third.stderr, /error: DATA_DIRECTORY_IN_USE: /)
  await stop(second)
})

test('dev serves until it is stopped, and no broker outlives it', async () => {
  using folder = new TemporaryFolder()
  const args = ['dev', '--data', folder.path, '--port', '0', '--output', 'json']
  const dev = startCommand(args)
  const ready = JSON.parse(await waitForOutput(dev, /\n/))
  assert.equal(ready.event, 'ready')
  const bootstrap: string = ready.bootstrap
  const created = await runCommand(['topic', 'create', 'kept', '--partitions', '1'], { bootstrap })
  assert.equal(created.status, 0, created.stderr)

  const ended = once(dev, 'close')
  dev.kill('SIGKILL')
  await ended
  await waitUntilGone(ready.brokers[0].pid)

  const next = startCommand(args)
  const { bootstrap: nextBootstrap } = JSON.parse(await waitForOutput(next, /\n/))
  const listed = await runCommand(['topic', 'list'], { bootstrap: nextBootstrap })
  assert.match(String(listed.stdout), /^kept /m)
  await stop(next)
})

async function waitUntilGone(pid: number): Promise<void> {
  const deadlineMs = performance.now() + 15_000
  while (performance.now() < deadlineMs) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail(`process ${pid} is still there`)
}
