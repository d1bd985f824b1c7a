/**
 * What the kernel says of a process: CPU time and memory, from /proc (Linux only).
 */
import { readFileSync } from 'node:fs'

/** CPU and memory of one process at one moment. */
export interface ProcessStats {
  /** User and system time since the process began, in seconds. */
  readonly cpuSeconds: number
  /** Largest resident set so far, in bytes. */
  readonly peakRssBytes: number
}

const CLOCK_TICKS_PER_SECOND = 100
const UTIME_FIELD = 11
const STIME_FIELD = 12

/** Reads the figures of `pid`, or `null` where /proc does not exist or the process is gone. */
export function readProcessStats(pid: number): ProcessStats | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in brackets and may hold spaces; fields are counted after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)
    return {
      cpuSeconds: (Number(fields[UTIME_FIELD]) + Number(fields[STIME_FIELD])) / CLOCK_TICKS_PER_SECOND,
      peakRssBytes: Number(peak?.[1] ?? 0) * 1024,
    }
  } catch {
    return null
  }
}
