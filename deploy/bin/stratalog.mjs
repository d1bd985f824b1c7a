#!/usr/bin/env node
/**
 * The `stratalog` command's first lines: finds a Node that can run it and hands over.
 *
 * Plain JavaScript for Node >= 18, because it is what an older Node runs first. Nothing here may touch the thread pool:
 * its size is read from the environment at its first use.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

// Flushes of many partitions and the key-value store share libuv's pool; its own default of 4 would queue them.
process.env.UV_THREADPOOL_SIZE ??= '16'

const here = dirname(dirname(fileURLToPath(import.meta.url)))
const fromSource = process.env.STRATALOG_FROM_SOURCE === '1'
const main = fromSource ? join(here, 'src', 'main.ts') : join(here, 'dist', 'main.js')
const [major, minor] = process.versions.node.split('.').map(Number)
const newEnough = major > 22 || (major === 22 && minor >= 18)

if (!existsSync(main)) {
  stop('this checkout is not built', 'run: npm start (sets everything up) or npx pnpm build')
} else if (newEnough && !fromSource) {
  await import(pathToFileURL(main).href)
} else {
  const node = newEnough ? process.execPath : packagedNode()
  if (node !== null) handOver(node, fromSource ? ['--conditions=typescript-source', main] : [main])
}

function packagedNode() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-${platform}-${process.arch}/package.json`)
    return join(dirname(manifest), 'bin', platform === 'win' ? 'node.exe' : 'node')
  } catch {
    stop(`Node ${process.versions.node} is too old`, 'install Node 22.18 or later, better 24')
    return null
  }
}

function handOver(node, args) {
  const child = spawn(node, [...args, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.once('error', (error) => stop(`cannot start ${node}: ${error.message}`, 'install the dependencies again'))
  child.once('close', (status, signal) => {
    process.exitCode = signal === null ? status : 128 + constants.signals[signal]
  })
}

function stop(message, hint) {
  console.error(`error: NOT_RUNNABLE: ${message}\nhint: ${hint}`)
  process.exitCode = 1
}
