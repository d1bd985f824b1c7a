#!/usr/bin/env node
/**
 * From a fresh clone to a running task with nothing but Node >= 18.12 and npm.
 *
 * Installs the dependencies when the lockfile changed (they bring Node 24 along), builds what changed, and runs the task
 * with that Node. Works without a terminal, as root, and offline once installed. Signals go on to the task, whose exit
 * status becomes this one's. Plain JavaScript, because it must run on a Node that knows no types.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { watchLauncher } from './launcher-watch.mjs'

/** Ends what runs now, as a signal to this process would; replaced by `run`. */
let stop = () => process.exit(128 + constants.signals.SIGTERM)

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const STAMP = join(root, 'node_modules', '.stratalog-installed')
const LOWEST_NODE = [22, 18]

const TASKS = {
  demo: { build: true, args: [join('deploy', 'bin', 'stratalog.mjs'), 'demo'] },
  stratalog: { build: true, args: [join('deploy', 'bin', 'stratalog.mjs')] },
  test: { build: true, args: ['--conditions=typescript-source', join('deploy', 'checks', 'run-tests.ts')] },
  check: { build: true, args: ['--conditions=typescript-source', join('deploy', 'checks', 'run-tests.ts'), '--quick'] },
  bench: { build: true, args: [join('bench', 'dist', 'main.js')] },
  chaos: { build: true, args: [join('bench', 'dist', 'chaos', 'main.js')] },
  build: { build: true, args: null },
  node: { build: false, args: ['--conditions=typescript-source'] },
  sim: { build: false, args: ['--conditions=typescript-source', simulator('sim', '')] },
  mutants: { build: false, args: ['--conditions=typescript-source', simulator('mutants', 'mutants')] },
}

/** Of whole brokers with --broker, else of the Raft core alone. */
function simulator(raftFolder, brokerFolder) {
  return process.argv.includes('--broker')
    ? join('bench', 'src', 'sim', brokerFolder, 'main.ts')
    : join('broker', 'raft-ts', 'src', 'test', raftFolder, 'main.ts')
}

/** Runs a program to its end with our streams; resolves with its exit status, 128 + the signal's number if killed. */
function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options })
    const forward = (signal) => child.kill(signal)
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    for (const signal of signals) process.on(signal, forward)
    stop = () => forward('SIGTERM')
    child.once('error', reject)
    child.once('close', (status, signal) => {
      for (const each of signals) process.off(each, forward)
      resolve(signal === null ? status : 128 + constants.signals[signal])
    })
  })
}

/** What the installed tree depends on, as one hash. */
function wantedStamp() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`)
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'])
    hash.update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

async function install() {
  const wanted = wantedStamp()
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const pnpm = packageManager.split('+')[0]
  console.log(`installing dependencies with ${pnpm} (first start, or the lockfile changed)`)
  const windows = process.platform === 'win32'
  // CI=true keeps pnpm from asking anything, which it cannot do without a terminal.
  const status = await run(
    windows ? 'npx.cmd' : 'npx',
    ['-y', pnpm, 'install', '--frozen-lockfile', '--loglevel=error'],
    {
      env: { ...process.env, CI: 'true' },
      shell: windows,
    },
  )
  if (status !== 0)
    fail(`the installation ended with status ${status}`, 'see the lines above; then run the same command again')
  writeFileSync(STAMP, wanted)
}

/** The Node that came with the dependencies, or this one where none exists for the platform and this one is new enough. */
function findNode() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  try {
    const manifest = createRequire(join(root, 'package.json')).resolve(`node-${platform}-${process.arch}/package.json`)
    return join(dirname(manifest), 'bin', platform === 'win' ? 'node.exe' : 'node')
  } catch {
    const [major, minor] = process.versions.node.split('.').map(Number)
    const enough = major > LOWEST_NODE[0] || (major === LOWEST_NODE[0] && minor >= LOWEST_NODE[1])
    if (enough) return process.execPath
    return fail(
      `no packaged Node for ${platform}-${process.arch}, and this one is ${process.versions.node}`,
      `install Node ${LOWEST_NODE.join('.')} or later, better 24`,
    )
  }
}

function fail(message, hint) {
  console.error(`error: ${message}\nhint: ${hint}`)
  process.exit(1)
}

watchLauncher(() => stop())
const [name = 'demo', ...rest] = process.argv.slice(2)
const task = TASKS[name]
if (task === undefined) fail(`unknown task ${name}`, `one of ${Object.keys(TASKS).join(', ')}`)
await install()
const node = findNode()
if (task.build) {
  const status = await run(node, [join('node_modules', 'typescript', 'bin', 'tsc'), '-b'])
  if (status !== 0) fail(`the build ended with status ${status}`, 'the lines above name what does not compile')
}
if (task.args !== null) process.exitCode = await run(node, [...task.args, ...rest])
