/**
 * Notices that the npm that started this process is gone.
 *
 * A SIGTERM to `npm start` ends npm and the shell under it, and neither tells the program that runs below them: the
 * cluster would stay behind and hold its port. So the processes from here up to npm are watched. Where there is no
 * `/proc` only the parent is.
 */
import { readFileSync } from 'node:fs'

const INTERVAL_MS = 500
const DEPTH_MAX = 6

/** Calls `onEnd` once when one of the processes up to npm has ended; never when npm did not start this one. */
export function watchLauncher(onEnd) {
  if (process.env.npm_lifecycle_event === undefined) return
  const chain = chainToNpm()
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent && chain.every(isAlive)) return
    clearInterval(timer)
    onEnd()
  }, INTERVAL_MS)
  timer.unref()
}

/** Process ids from the parent up to npm; empty when npm is not among them. */
function chainToNpm() {
  const chain = []
  try {
    for (let pid = process.ppid; pid > 1 && chain.length < DEPTH_MAX; pid = parentOf(pid)) {
      chain.push(pid)
      if (/(^|[/\0 ])p?npm/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))) return chain
    }
  } catch {
    // Not Linux, or a process that is none of ours to look at.
  }
  return []
}

/** The fields after the name, which is in parentheses and may hold anything: state, parent, ... */
function parentOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
