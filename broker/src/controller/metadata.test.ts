import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError, StratalogError } from '@stratalog/proto'
import fc from 'fast-check'
import { MemoryStore } from '../testing/memory-store.ts'
import {
  type Decision,
  decideAddPartitions,
  decideAllocateProducerIds,
  decideAlterTopicConfig,
  decideCreateTopic,
  decideDeleteTopic,
} from './commands.ts'
import { EMPTY_IMAGE, type MetadataImage, replay } from './metadata-image.ts'
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecord } from './metadata-records.ts'
import { MetadataStore } from './metadata-store.ts'

const WITH_BROKER = replay(EMPTY_IMAGE, [{ type: 'broker-registered', brokerId: 1, host: 'h', port: 1, rack: '' }])

type Command = (image: MetadataImage, serial: number) => Decision
const names = fc.constantFrom('a', 'b', 'c', '__internal', 'bad name', '')
const configs = fc.constantFrom(
  new Map(),
  new Map([['retention.ms', '5']]),
  new Map([['retention.ms', 'x']]),
  new Map([['no', '1']]),
)
const place = () => [1]
const hexId = (serial: number): string => serial.toString(16).padStart(32, '0')
const commands: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(names, fc.integer({ min: -1, max: 4 }), configs).map(([name, partitionCount, own]): Command => {
    return (image, serial) =>
      decideCreateTopic(image, { name, partitionCount, replicationFactor: 1, configs: own }, hexId(serial), place)
  }),
  names.map(
    (name): Command =>
      (image) =>
        decideDeleteTopic(image, name),
  ),
  fc.tuple(names, configs, fc.constantFrom([], ['retention.ms'], ['nope'])).map(([name, set, unset]): Command => {
    return (image) => decideAlterTopicConfig(image, { name, set, unset })
  }),
  fc.tuple(names, fc.integer({ min: 0, max: 6 })).map(
    ([name, count]): Command =>
      (image) =>
        decideAddPartitions(image, name, count, place),
  ),
  fc.constant((image: MetadataImage) => decideAllocateProducerIds(image)),
)

function recordsOf(script: readonly Command[]): MetadataRecord[][] {
  let image = WITH_BROKER
  const decided: MetadataRecord[][] = []
  for (const [serial, command] of script.entries()) {
    const decision = command(image, serial)
    if (decision instanceof StratalogError) continue
    decided.push([...decision])
    image = replay(image, decision)
  }
  return decided
}

test('property: records survive their bytes, and replaying them one by one or at once gives the same image', () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 40 }), (script) => {
      const decided = recordsOf(script)
      const again = decided.map((records) =>
        records.map((record) => decodeMetadataRecord(encodeMetadataRecord(record))),
      )
      assert.deepEqual(again, decided)
      const stepwise = again.reduce((image, records) => replay(image, records), WITH_BROKER)
      assert.deepEqual(replay(WITH_BROKER, decided.flat()), stepwise)
      assert.equal(stepwise.topicsById.size, stepwise.topicsByName.size)
    }),
  )
})

test('property: the store gives back the image, also after a power loss', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(commands, { maxLength: 25 }), async (script) => {
      const disk = new MemoryStore()
      const store = new MetadataStore(disk)
      const first: MetadataRecord[] = [{ type: 'broker-registered', brokerId: 1, host: 'h', port: 1, rack: '' }]
      await store.apply(first, WITH_BROKER)
      let image = WITH_BROKER
      for (const records of recordsOf(script)) {
        image = replay(image, records)
        await store.apply(records, image)
      }
      assert.deepEqual(await new MetadataStore(disk.crash()).load(), image)
    }),
    { numRuns: 50 },
  )
})

test('records of another release are refused', () => {
  const bytes = encodeMetadataRecord({ type: 'producer-ids-allocated', nextProducerId: 5 })
  bytes[0] = 2
  assert.throws(() => decodeMetadataRecord(bytes), InvariantError)
  assert.throws(
    () => decodeMetadataRecord(Buffer.concat([Buffer.of(1), Buffer.from('{"type":"new"}')])),
    InvariantError,
  )
})

test('records that cannot follow are refused', () => {
  assert.throws(() => replay(EMPTY_IMAGE, [{ type: 'topic-deleted', topicId: hexId(1) }]), InvariantError)
  assert.throws(() => replay(EMPTY_IMAGE, [{ type: 'producer-ids-allocated', nextProducerId: -1 }]), InvariantError)
})
