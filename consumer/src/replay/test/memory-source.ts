/** A source of batches in memory for tests of the engine, and splits of it. */
import { iterateBatches, RecordBatchBuilder, type RecordInput, stampBatch } from '@stratalog/proto/records'
import { type ReplaySplit, splitId } from '../manifest.ts'
import type { ReplaySource, SourceChunk, SourceReadOptions } from '../source.ts'

/** Batches by partition, each with its records; they begin at offset 0 and follow one another. */
export function memorySource(
  topic: string,
  partitions: readonly (readonly (readonly RecordInput[])[])[],
): ReplaySource {
  const unused = (): never => {
    throw new Error('not in this source')
  }
  const chunks = partitions.map((batches) => {
    let offset = 0
    return batches.map((records) => {
      const bytes = batchAt(offset, records)
      offset += records.length
      return { bytes, endOffset: offset }
    })
  })
  return {
    kind: 'folder',
    spec: { kind: 'folder', dir: '', unsafeToLogEnd: false },
    clusterId: unused,
    topic: unused,
    bounds: unused,
    offsetsForTime: unused,
    committedOffsets: unused,
    range: unused,
    read: (split: ReplaySplit, options: SourceReadOptions) => read(chunks[split.partition] ?? [], split, options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  } as ReplaySource

  async function* read(
    batches: readonly { bytes: Buffer; endOffset: number }[],
    split: ReplaySplit,
    { fromOffset, signal }: SourceReadOptions,
  ): AsyncGenerator<SourceChunk> {
    if (split.topic !== topic) throw new Error(`no topic ${split.topic}`)
    for (const { bytes, endOffset } of batches) {
      if (endOffset <= fromOffset) continue
      await Promise.resolve()
      signal?.throwIfAborted()
      yield { bytes, batches: [...iterateBatches(bytes)], nextOffset: endOffset, file: null, corrupt: null }
      if (endOffset >= split.endOffset) return
    }
  }
}

/** A split of `memorySource`. */
export function splitOf(topic: string, partition: number, startOffset: number, endOffset: number): ReplaySplit {
  return {
    id: splitId(topic, partition, startOffset, endOffset),
    topic,
    topicId: '00'.repeat(16),
    partition,
    startOffset,
    endOffset,
    bytes: 1000,
    leaderEpoch: 1,
    hosts: [],
  }
}

function batchAt(baseOffset: number, records: readonly RecordInput[]): Buffer {
  const builder = new RecordBatchBuilder()
  for (const record of records) builder.append(record)
  const batch = builder.buildSync()
  stampBatch(batch, 0, baseOffset, 1)
  return batch
}
