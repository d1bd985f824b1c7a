/**
 * What the kernel says of a process: CPU time and memory, from /proc (Linux only).
 */
import { readFileSync } from 'node:fs'

/** CPU and memory of one process at one moment; NaN where /proc does not exist or the process is gone. */
export interface ProcessStats {
  /** User and system time since the process began, in seconds. */
  readonly cpuSeconds: number
  /** Resident set now, in bytes. */
  readonly rssBytes: number
  /** Largest resident set so far, in bytes. */
  readonly peakRssBytes: number
}

const CLOCK_TICKS_PER_SECOND = 100
const UTIME_FIELD = 11
const STIME_FIELD = 12

/** Reads the figures of `pid`. */
export function readProcessStats(pid: number): ProcessStats {
  try {
    return parseProcessStats(readFileSync(`/proc/${pid}/stat`, 'utf8'), readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return { cpuSeconds: Number.NaN, rssBytes: Number.NaN, peakRssBytes: Number.NaN }
  }
}

/** The figures in /proc/PID/stat and /proc/PID/status. */
export function parseProcessStats(stat: string, status: string): ProcessStats {
  // The second field is the command in brackets and may hold spaces and brackets; fields are counted after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    cpuSeconds: (Number(fields[UTIME_FIELD]) + Number(fields[STIME_FIELD])) / CLOCK_TICKS_PER_SECOND,
    rssBytes: bytesOf(status, 'VmRSS'),
    peakRssBytes: bytesOf(status, 'VmHWM'),
  }
}

function bytesOf(status: string, name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)
  return line === null ? Number.NaN : Number(line[1]) * 1024
}
