/** A run of the scenario `compaction` as a table for people. */
import Table from 'cli-table3'
import type { CompactionRun } from './compaction.ts'

/** A row for every replica, and what happened in a few lines. */
export function renderCompaction(run: CompactionRun): string {
  const table = new Table({
    head: ['broker', 'records', 'batches', 'of them empty', 'segments', 'MiB'],
    colAligns: ['right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { brokerId, recordCount, batchCount, emptyBatchCount, segmentCount, sizeBytes } of run.replicas) {
    const mebibytes = (sizeBytes / 1024 / 1024).toFixed(2)
    table.push([brokerId, count(recordCount), count(batchCount), count(emptyBatchCount), segmentCount, mebibytes])
  }
  const { endOffset, liveKeyCount, writtenMs, settledMs, killCount, leaderChangeCount, reads } = run
  return [
    table.toString(),
    `${count(endOffset)} offsets written in ${seconds(writtenMs)} s, compacted ${seconds(settledMs)} s later; ${count(liveKeyCount)} keys have a value.`,
    `${killCount} times kill -9, ${leaderChangeCount} changes of the leader; ${reads.passCount} times read meanwhile, ${count(reads.recordCount)} records.`,
    'Every replica has the last update of every key at its offset, and the same batches.',
  ].join('\n')
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1)
}
