import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type BrokerImage, EMPTY_IMAGE, type MetadataImage } from './metadata-image.ts'
import { newPartition } from './metadata-records.ts'
import { replay } from './metadata-replay.ts'
import { Placer, takesReplicas } from './placement.ts'

/** Brokers 1, 2, 3... by their racks. */
function imageOf(racks: readonly string[]): MetadataImage {
  return replay(
    EMPTY_IMAGE,
    racks.map((rack, i) => ({
      type: 'broker-registered',
      brokerId: i + 1,
      host: 'h',
      port: 1,
      rack,
      peerHost: 'h',
      peerPort: 2,
      directoryId: `d${i}`,
      run: 'first',
      formerRuns: [],
      storageLost: false,
    })),
  )
}

function withTopic(image: MetadataImage, name: string, placed: readonly (readonly number[])[]): MetadataImage {
  const topicId = image.topicsById.size.toString(16).padStart(32, '0')
  const partitions = placed.map((brokerIds, i) => newPartition(i, brokerIds))
  return replay(image, [{ type: 'topic-created', name, topicId, partitions, configs: {} }])
}

function placeAll(placer: Placer, partitionCount: number, replicationFactor: number): (readonly number[])[] {
  return Array.from({ length: partitionCount }, () => placer.place(replicationFactor))
}

function counts(image: MetadataImage, brokerIds: Iterable<number>): number[] {
  const byBroker = new Map([...image.brokers.keys()].map((id) => [id, 0]))
  for (const id of brokerIds) byBroker.set(id, byBroker.get(id)! + 1)
  return [...byBroker.values()]
}

const spread = (values: readonly number[]): number => Math.max(...values) - Math.min(...values)

const shape = fc.record({
  rackSizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
  replicationFactor: fc.integer({ min: 1, max: 5 }),
  partitionCount: fc.integer({ min: 1, max: 40 }),
})

test('property: copies are on different brokers, and in as many racks as there are', () => {
  fc.assert(
    fc.property(shape, ({ rackSizes, replicationFactor, partitionCount }) => {
      const racks = rackSizes.flatMap((size, i) => Array.from({ length: size }, () => `rack-${i}`))
      const image = imageOf(racks)
      const factor = Math.min(replicationFactor, racks.length)
      for (const brokerIds of placeAll(new Placer(image, takesReplicas), partitionCount, factor)) {
        assert.equal(brokerIds.length, factor)
        assert.equal(new Set(brokerIds).size, factor)
        assert.equal(new Set(brokerIds.map((id) => racks[id - 1])).size, Math.min(factor, rackSizes.length))
      }
    }),
  )
})

test('property: without racks, copies and preferred leaders differ by at most one, within each topic and overall', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 4 })), {
        minLength: 1,
        maxLength: 5,
      }),
      (brokerCount, topics) => {
        let image = imageOf(Array.from({ length: brokerCount }, () => ''))
        for (const [i, [partitionCount, wanted]] of topics.entries()) {
          const factor = Math.min(wanted, brokerCount)
          const placed = placeAll(new Placer(image, takesReplicas), partitionCount, factor)
          assert.ok(spread(counts(image, placed.flat())) <= 1, 'replicas of the topic')
          assert.ok(
            spread(
              counts(
                image,
                placed.map((ids) => ids[0]!),
              ),
            ) <= 2,
            'leaders of the topic',
          )
          image = withTopic(image, `topic-${i}`, placed)
        }
        const all = [...image.topicsById.values()].flatMap(({ partitions }) => partitions)
        const brokerIds = all.flatMap(({ replicas }) => replicas.map(({ brokerId }) => brokerId))
        assert.ok(spread(counts(image, brokerIds)) <= 1, 'replicas overall')
      },
    ),
  )
})

test('property: racks of the same size are balanced', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 40 }),
      (rackCount, brokersPerRack, partitionCount) => {
        const racks = Array.from({ length: rackCount * brokersPerRack }, (_, i) => `rack-${i % rackCount}`)
        const image = imageOf(racks)
        const placed = placeAll(new Placer(image, takesReplicas), partitionCount, Math.min(3, rackCount))
        assert.ok(spread(counts(image, placed.flat())) <= 2)
      },
    ),
  )
})

test('a broker that has just joined does not get all of a new topic', () => {
  let image = imageOf(['', '', ''])
  image = withTopic(image, 'old', placeAll(new Placer(image, ({ brokerId }) => brokerId < 3), 30, 2))
  const placed = placeAll(new Placer(image, takesReplicas), 9, 1)
  assert.deepEqual(counts(image, placed.flat()), [3, 3, 3])
  // Where the topic does not tell brokers apart, the emptier one is taken.
  assert.deepEqual(new Placer(image, takesReplicas).place(1), [3])
})

test('property: the same image gives the same places', () => {
  fc.assert(
    fc.property(shape, ({ rackSizes, replicationFactor, partitionCount }) => {
      const image = imageOf(rackSizes.map((_, i) => `rack-${i}`))
      const factor = Math.min(replicationFactor, rackSizes.length)
      const place = () => placeAll(new Placer(image, takesReplicas), partitionCount, factor)
      assert.deepEqual(place(), place())
    }),
  )
})

test('brokers that are drained, being emptied or filtered out get nothing', () => {
  const image = replay(imageOf(['', '', '', '']), [
    { type: 'broker-drained', brokerId: 1, drained: true },
    { type: 'broker-decommissioned', brokerId: 2, decommissioning: true },
  ])
  const filter = (broker: BrokerImage) => takesReplicas(broker) && broker.brokerId !== 3
  const placer = new Placer(image, filter)
  assert.equal(placer.candidateCount, 1)
  assert.deepEqual(placeAll(placer, 3, 1), [[4], [4], [4]])
})

test('a broker that is left is replaced in its place, by one in a rack that has no copy yet', () => {
  const image = imageOf(['a', 'b', 'c', 'a', 'b'])
  const placer = new Placer(image, takesReplicas)
  assert.equal(placer.canReplace([1, 2, 3], 1), true)
  assert.deepEqual(placer.replace([3, 1, 2], 1), [3, 4, 2])
  assert.deepEqual(placer.replace([3, 2], 2), [3, 1])
  const [leader, ...rest] = placer.replace([1, 2, 3], 1)
  assert.ok(leader !== 1 && rest.length === 2)
  assert.equal(new Placer(imageOf(['', '']), takesReplicas).canReplace([1, 2], 1), false)
})
