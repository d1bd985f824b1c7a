/** Reads splits for tests, and checks what they give against a model: every record once, every other offset told. */
import assert from 'node:assert/strict'
import {
  type ReadSplitOptions,
  type ReadStats,
  type ReplayGap,
  type ReplayManifest,
  type ReplaySource,
  type ReplaySplit,
  readSplit,
} from '../../index.ts'
import type { ModelRecord } from './log-folder.ts'

/** What reading brought. */
export interface Reading {
  readonly records: ModelRecord[]
  readonly gaps: ReplayGap[]
  readonly stats: ReadStats
}

/** Reads a split to its end. */
export async function read(source: ReplaySource, split: ReplaySplit, options: ReadSplitOptions = {}): Promise<Reading> {
  const records: ModelRecord[] = []
  const gaps: ReplayGap[] = []
  const reader = readSplit(source, split, { ...options, onGap: (gap) => gaps.push(gap) })
  for await (const batch of reader) {
    batch.forEach(({ offset, timestamp, key, value }) => {
      records.push({ offset, timestamp, key: key?.toString() ?? null, value: value?.toString() ?? null })
    })
  }
  return { records, gaps, stats: reader.stats }
}

/** Reads all splits, one after another, and checks that records and gaps make up each split. */
export async function readAll(
  source: ReplaySource,
  manifest: ReplayManifest,
  options: ReadSplitOptions = {},
): Promise<Reading> {
  const all: Reading = {
    records: [],
    gaps: [],
    stats: { recordCount: 0, filteredCount: 0, batchCount: 0, bytes: 0, missingCount: 0, position: 0 },
  }
  for (const split of manifest.splits) {
    const { records, gaps, stats } = await read(source, split, options)
    all.records.push(...records)
    all.gaps.push(...gaps)
    assert.equal(stats.position, split.endOffset)
    assert.equal(stats.recordCount, records.length)
    const told = gaps.reduce((sum, { missingCount }) => sum + missingCount, 0)
    assert.equal(stats.missingCount, told)
    const accounted = stats.recordCount + stats.filteredCount + told
    assert.equal(accounted, split.endOffset - split.startOffset, `every offset of ${split.id} is accounted for`)
    let last = split.startOffset - 1
    for (const { offset } of records) {
      assert.ok(offset > last && offset < split.endOffset, `offset ${offset} of ${split.id} after ${last}`)
      last = offset
    }
    for (const { startOffset, endOffset } of gaps) {
      assert.ok(startOffset >= split.startOffset && endOffset <= split.endOffset && startOffset < endOffset)
    }
  }
  return all
}
