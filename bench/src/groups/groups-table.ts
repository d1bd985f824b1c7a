/** A run of the scenario `groups` as a table for people. */
import Table from 'cli-table3'
import type { GroupsResult } from './groups.ts'

const MEBIBYTE = 1024 * 1024
const US_PER_MS = 1000
const PERCENT = 100

/** A row for every figure. */
export function renderGroups(result: GroupsResult): string {
  const { join, quiet, commits, failover } = result
  const table = new Table({ head: ['', ''], colAligns: ['left', 'right'], style: { head: [], border: [] } })
  const cpu = (share: number): string => `${(share * PERCENT).toFixed(0)} % of a core`
  const mib = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(0)} MiB`
  const ms = (us: number): string => `${(us / US_PER_MS).toFixed(1)} ms`
  table.push(
    ['members that joined', result.memberCount.toLocaleString('en')],
    ['joined and settled in', `${join.seconds.toFixed(1)} s`],
    ['coordinator, heartbeats alone', cpu(quiet.coordinatorCpuShare)],
    ['heartbeats a second', quiet.heartbeatsPerSecond.toFixed(0)],
    ['coordinator memory', mib(quiet.coordinatorRssBytes)],
    ['offsets committed a second', commits.offsetsPerSecond.toFixed(0)],
    ['commits a second', commits.commitsPerSecond.toFixed(0)],
    ['commit p50', ms(commits.latency.p50)],
    ['commit p99', ms(commits.latency.p99)],
    ['coordinator while committing', cpu(commits.coordinatorCpuShare)],
    ['coordinator memory, peak', mib(commits.coordinatorPeakRssBytes)],
    ['coordinator killed: first commit after', `${failover.firstCommitMs.toFixed(0)} ms`],
    ['coordinator killed: every group after', `${failover.everyGroupMs.toFixed(0)} ms`],
    ['offsets checked after it', failover.checkedOffsets.toLocaleString('en')],
  )
  return table.toString()
}
