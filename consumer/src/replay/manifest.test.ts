/** Manifests that are saved, read back, tampered with and compared. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ReplayManifest, type ReplaySplit, splitId } from './manifest.ts'
import { compareManifests } from './manifest-compare.ts'
import { manifestId } from './manifest-id.ts'
import { parseManifest, parseSplit } from './manifest-json.ts'

const TOPIC_ID = 'ab'.repeat(16)

function split(partition: number, startOffset: number, endOffset: number): ReplaySplit {
  const id = splitId('t', partition, startOffset, endOffset)
  const hosts = [{ brokerId: 1, host: 'b1', port: 9400 }]
  return { id, topic: 't', topicId: TOPIC_ID, partition, startOffset, endOffset, bytes: 10, leaderEpoch: 3, hosts }
}

function manifest(splits: readonly ReplaySplit[], change: Partial<ReplayManifest> = {}): ReplayManifest {
  const numbers = [...new Set(splits.map(({ partition }) => partition))]
  const partitions = numbers.map((partition) => {
    const own = splits.filter((each) => each.partition === partition)
    const startOffset = own[0]!.startOffset
    const leaderEpochs = [{ leaderEpoch: 3, startOffset }]
    return { partition, startOffset, endOffset: own.at(-1)!.endOffset, leaderEpochs, bytes: 20 }
  })
  const topics = [{ topic: 't', topicId: TOPIC_ID, partitions }]
  const content = { topics, splits, ...change }
  return {
    format: 'stratalog-replay',
    version: 1,
    clusterId: 'c',
    createdAtMs: 1,
    from: 'earliest',
    to: 'latest',
    id: manifestId(content),
    ...content,
  }
}

const PLAN = manifest([split(0, 10, 20), split(0, 20, 35), split(1, 0, 5)])

describe('a manifest', () => {
  it('is plain JSON and comes back as it was', () => {
    assert.deepEqual(parseManifest(JSON.parse(JSON.stringify(PLAN))), PLAN)
    assert.deepEqual(parseSplit(JSON.parse(JSON.stringify(PLAN.splits[1]))), PLAN.splits[1])
  })

  it('is refused when it is not whole, naming the field', () => {
    const refused = (change: (copy: Record<string, unknown>) => unknown, field: string): void => {
      const copy = JSON.parse(JSON.stringify(PLAN))
      const changed = change(copy) ?? copy
      assert.throws(() => parseManifest(changed), { code: 'INVALID_REQUEST', metadata: { field } }, field)
    }
    refused(() => 'text', 'manifest')
    refused((copy) => Object.assign(copy, { format: 'x' }), 'format')
    refused((copy) => Object.assign(copy, { version: 2 }), 'version')
    refused((copy) => Object.assign(copy, { topics: null }), 'topics')
    refused((copy) => Object.assign(copy, { createdAtMs: '1' }), 'createdAtMs')
    refused((copy) => Object.assign(copy, { splits: PLAN.splits.slice(1) }), 'splits[0].startOffset')
    refused((copy) => Object.assign(copy, { splits: PLAN.splits.slice(0, 2) }), 'splits')
    refused((copy) => Object.assign(copy, { splits: [PLAN.splits[0], ...PLAN.splits] }), 'splits[1].startOffset')
    refused((copy) => Object.assign(copy, { splits: [split(7, 0, 1)] }), 'splits[0]')
    refused((copy) => Object.assign(copy, { splits: [{ ...PLAN.splits[0], id: 'x' }] }), 'splits[0].id')
    refused((copy) => Object.assign(copy, { splits: [{ ...PLAN.splits[0], endOffset: 10 }] }), 'splits[0].endOffset')
    refused((copy) => Object.assign(copy, { splits: [{ ...PLAN.splits[0], topicId: 'AB' }] }), 'splits[0].topicId')
    refused(
      (copy) => Object.assign(copy, { splits: [{ ...PLAN.splits[0], hosts: [{}] }] }),
      'splits[0].hosts[0].brokerId',
    )
    refused((copy) => Object.assign(copy, { id: '0'.repeat(32) }), 'id')
    const twice = [{ ...PLAN.topics[0]!, partitions: [...PLAN.topics[0]!.partitions, ...PLAN.topics[0]!.partitions] }]
    refused((copy) => Object.assign(copy, { topics: twice }), 'topics[0].partitions[2].partition')
  })
})

describe('two manifests', () => {
  it('are the same whoever holds the partitions and whenever they were planned', () => {
    const later = manifest(
      PLAN.splits.map((each) => ({ ...each, hosts: [], bytes: 99 })),
      { createdAtMs: 77, from: 'offset 10' } as Partial<ReplayManifest>,
    )
    assert.equal(later.id, PLAN.id)
    assert.deepEqual(compareManifests(PLAN, later), [])
  })

  it('differ by topic, id, partition, range, epoch and pieces', () => {
    const recut = manifest([split(0, 10, 35), split(1, 0, 5)])
    assert.deepEqual(compareManifests(PLAN, recut), [{ kind: 'splits', first: 3, second: 2 }])
    const longer = manifest([split(0, 10, 20), split(0, 20, 40)])
    assert.deepEqual(compareManifests(PLAN, longer), [
      { kind: 'range', topic: 't', partition: 0, first: [10, 35], second: [10, 40] },
      { kind: 'partition', topic: 't', partition: 1, in: 'first' },
    ])
    const [topic] = PLAN.topics
    const recreated = manifest(PLAN.splits, { topics: [{ ...topic!, topicId: 'cd'.repeat(16) }] })
    assert.deepEqual(compareManifests(PLAN, recreated), [
      { kind: 'topic-id', topic: 't', first: TOPIC_ID, second: 'cd'.repeat(16) },
    ])
    const other = manifest(PLAN.splits, { topics: [{ ...topic!, topic: 'u' }] })
    assert.deepEqual(compareManifests(PLAN, other), [
      { kind: 'topic', topic: 't', in: 'first' },
      { kind: 'topic', topic: 'u', in: 'second' },
    ])
    const partitions = topic!.partitions.map((each) => ({
      ...each,
      leaderEpochs: each.leaderEpochs.map((epoch) => ({ ...epoch, leaderEpoch: 9 })),
    }))
    const rewritten = manifest(PLAN.splits, { topics: [{ ...topic!, partitions }] })
    assert.deepEqual(compareManifests(PLAN, rewritten)[0], {
      kind: 'leader-epoch',
      topic: 't',
      partition: 0,
      offset: 10,
      first: 3,
      second: 9,
    })
  })
})
