import { deepEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { parseProcessStats, readProcessStats } from './process-stats.ts'

test('reads CPU time and memory whatever the name of the command', () => {
  const stat = '77 (a) b (c) S 1 77 77 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 11 0 5000 1000 200'
  const status = 'Name:\ta) b (c\nVmPeak:\t  9999 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n'
  deepEqual(parseProcessStats(stat, status), { cpuSeconds: 2, rssBytes: 1024 * 1024, peakRssBytes: 2048 * 1024 })
})

test('knows this process, and says of one that is gone that it knows nothing', (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc')
  ok(readProcessStats(process.pid).rssBytes > 1024 * 1024)
  ok(Number.isNaN(readProcessStats(2 ** 22 + 1).cpuSeconds))
})
