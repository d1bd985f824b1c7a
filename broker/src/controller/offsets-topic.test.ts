import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError, StratalogError } from '@stratalog/proto'
import type { DecisionContext } from './commands.ts'
import { type BrokerImage, EMPTY_IMAGE, type MetadataImage } from './metadata-image.ts'
import { replay } from './metadata-replay.ts'
import { OFFSETS_TOPIC } from './offsets-topic.ts'
import { decideEnsureOffsetsTopic, lacksCopies } from './offsets-topic-decisions.ts'
import { decideAddPartitions, decideAlterTopicConfig, decideDeleteTopic } from './topic-decisions.ts'

const PARTITION_COUNT = 5

function broker(brokerId: number, changes: Partial<BrokerImage> = {}): BrokerImage {
  return {
    brokerId,
    host: 'h',
    port: 1,
    rack: '',
    peerHost: 'h',
    peerPort: 2,
    directoryId: `d${brokerId}`,
    run: 'r',
    formerRuns: [],
    storageLost: false,
    metadataGeneration: 0,
    isDrained: false,
    isDecommissioning: false,
    ...changes,
  }
}

function imageOf(brokers: readonly BrokerImage[], before: MetadataImage = EMPTY_IMAGE): MetadataImage {
  return { ...before, brokers: new Map(brokers.map((each) => [each.brokerId, each])) }
}

function contextOf(down: readonly number[] = []): DecisionContext {
  return { isBrokerUp: ({ brokerId }) => !down.includes(brokerId), newTopicId: () => 'c'.repeat(32) }
}

function ensured(image: MetadataImage, context = contextOf()): MetadataImage {
  const decision = decideEnsureOffsetsTopic(
    image,
    { type: 'ensure-offsets-topic', partitionCount: PARTITION_COUNT },
    context,
  )
  assert.ok(!isStratalogError(decision))
  return replay(image, decision.records, image.metadataOffset + decision.records.length)
}

function copies(image: MetadataImage): number[][] {
  const topic = image.topicsByName.get(OFFSETS_TOPIC)
  assert.ok(topic)
  return topic.partitions.map(({ replicas, target }) => (target ?? replicas).map(({ brokerId }) => brokerId))
}

test('the topic is made once, with three copies at most, on brokers that are up and stay', () => {
  const brokers = [broker(1), broker(2), broker(3), broker(4), broker(5, { isDrained: true })]
  const image = ensured(imageOf(brokers), contextOf([4]))
  assert.deepEqual(
    copies(image).map((each) => each.toSorted()),
    Array(PARTITION_COUNT).fill([1, 2, 3]),
  )
  assert.equal(new Set(copies(image).map(([leader]) => leader)).size, 3, 'leaders are spread')
  assert.equal(ensured(image, contextOf([4])).topicsByName.get(OFFSETS_TOPIC), image.topicsByName.get(OFFSETS_TOPIC))
  assert.equal(image.topicsByName.get(OFFSETS_TOPIC)?.configs.get('retention.ms'), '-1')
})

test('without a broker that takes copies there is none', () => {
  const command = { type: 'ensure-offsets-topic', partitionCount: PARTITION_COUNT } as const
  const decision = decideEnsureOffsetsTopic(imageOf([broker(1)]), command, contextOf([1]))
  assert.ok(decision instanceof StratalogError)
  assert.equal(decision.code, 'INVALID_REPLICATION_FACTOR')
})

test('one that was made on a single broker gets more copies once there are more brokers', () => {
  const alone = ensured(imageOf([broker(1)]))
  const topic = alone.topicsByName.get(OFFSETS_TOPIC)!
  assert.equal(lacksCopies(topic, 1), false)
  assert.equal(lacksCopies(topic, 2), true)
  const grown = ensured(imageOf([broker(1), broker(2), broker(3), broker(4)], alone))
  for (const placed of copies(grown)) {
    assert.equal(placed.length, 3)
    assert.equal(placed[0], 1, 'who is there stays')
  }
  assert.equal(lacksCopies(grown.topicsByName.get(OFFSETS_TOPIC)!, 4), false, 'it is on its way')
  const again = ensured(grown)
  assert.deepEqual(copies(again), copies(grown))
})

test('clients do not change, grow or delete it', () => {
  const image = ensured(imageOf([broker(1)]))
  const refusals = [
    decideAlterTopicConfig(image, { type: 'alter-topic-config', name: OFFSETS_TOPIC, set: {}, unset: [] }),
    decideAddPartitions(image, { type: 'add-partitions', name: OFFSETS_TOPIC, partitionCount: 9 }, contextOf()),
    decideDeleteTopic(image, { type: 'delete-topic', name: OFFSETS_TOPIC }),
  ]
  for (const refusal of refusals) assert.ok(isStratalogError(refusal, 'INVALID_TOPIC'))
})
