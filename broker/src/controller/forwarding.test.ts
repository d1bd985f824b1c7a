import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError } from '@stratalog/proto'
import fc from 'fast-check'
import { ControllerCluster, identityOf, registrationOf } from '../testing/controller-cluster.ts'
import { settled } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { decodeControllerAnswer, decodeControllerRequest, encodeControllerRequest } from './controller-protocol.ts'

const topic = (name: string, partitionCount = 1, replicationFactor = 1) => {
  return { name, partitionCount, replicationFactor, configs: new Map<string, string>() }
}

test('a command is taken by any broker, and its own image shows it when it is answered', async () => {
  const cluster = await ControllerCluster.founded([1, 2, 3])
  for (const brokerId of [1, 2, 3]) {
    const controller = cluster.controller(brokerId)
    const created = await controller.createTopic(topic(`from-${brokerId}`, 3, 2))
    assert.deepEqual(controller.image.topicsByName.get(`from-${brokerId}`), created)
    await controller.movePartition(`from-${brokerId}`, 0, [3, 1])
  }
  assert.equal(cluster.controller(3).leaderId, 1)
  assert.deepEqual(cluster.controller(2).image, cluster.controller(1).image)
})

test('a broker that is behind answers once it has caught up', async () => {
  const cluster = await ControllerCluster.founded([1, 2])
  const { controller, log } = cluster.node(2)
  log.setBehind(true)
  let isAnswered = false
  const created = controller.createTopic(topic('a')).finally(() => {
    isAnswered = true
  })
  await settled()
  assert.equal(cluster.controller(1).image.topicsByName.has('a'), true)
  assert.equal(isAnswered, false)
  log.setBehind(false)
  await created
  assert.equal(controller.image.topicsByName.has('a'), true)
})

test('an answer that was lost is asked for again, and the command takes effect once', async () => {
  const cluster = await ControllerCluster.founded([1, 2])
  let losses = 3
  cluster.fault = () => (losses-- > 0 ? 'answer-lost' : null)
  const created = await cluster.within(cluster.controller(2).createTopic(topic('a')))
  assert.equal(cluster.controller(1).image.topicsByName.get('a')?.topicId, created.topicId)
  losses = 2
  await cluster.within(cluster.controller(2).deleteTopic('a'))
  losses = 2
  const { storageLost } = await cluster.within(cluster.register(2, { runs: ['run-2', 'second'] }))
  assert.equal(storageLost, false)
  losses = 1
  const first = await cluster.within(cluster.controller(2).allocateProducerId())
  const second = await cluster.controller(2).allocateProducerId()
  assert.equal(second.producerId, first.producerId + 1)
  assert.equal(cluster.controller(1).image.nextProducerId, 1000)
})

test('without a leader a command waits for one, up to its deadline', async () => {
  const cluster = await ControllerCluster.founded([1, 2, 3])
  cluster.log.depose()
  const waiting = cluster.controller(2).createTopic(topic('a'))
  await cluster.clock.advance(5000)
  cluster.log.elect(3)
  await cluster.within(waiting)
  assert.equal(cluster.controller(3).image.topicsByName.has('a'), true)
  cluster.log.depose()
  await assert.rejects(cluster.within(cluster.controller(2).createTopic(topic('b'))), (error) =>
    isStratalogError(error, 'NOT_CONTROLLER'),
  )
  const startedMs = cluster.clock.nowMs()
  cluster.log.elect(1)
  cluster.fault = () => 'lost'
  await assert.rejects(cluster.within(cluster.controller(2).createTopic(topic('b'))), (error) =>
    isStratalogError(error, 'BROKER_NOT_AVAILABLE'),
  )
  assert.ok(cluster.clock.nowMs() - startedMs <= 15_100)
})

test('a leader that loses its lead with a command under way: it takes effect once, or was never there', async () => {
  for (const uncommitted of ['kept', 'lost'] as const) {
    for (const asked of [1, 2, 3]) {
      const cluster = await ControllerCluster.founded([1, 2, 3])
      cluster.log.holdsCommits = true
      const waiting = cluster.controller(asked).createTopic(topic('a', 2))
      await settled()
      cluster.log.elect(2, uncommitted)
      cluster.log.holdsCommits = false
      const created = await cluster.within(waiting)
      assert.equal(cluster.controller(3).image.topicsByName.get('a')?.topicId, created.topicId)
      assert.equal(cluster.controller(3).image.commands.size, 5)
    }
  }
})

test('a new leader decides only once it has applied all that was committed before', async () => {
  const cluster = await ControllerCluster.founded([1, 2])
  cluster.node(2).log.setBehind(true)
  await cluster.controller(1).createTopic(topic('a'))
  cluster.log.elect(2)
  const refused = cluster.controller(2).createTopic(topic('a'))
  refused.catch(() => undefined)
  await cluster.clock.advance(1000)
  cluster.node(2).log.setBehind(false)
  await assert.rejects(cluster.within(refused), (error) => isStratalogError(error, 'TOPIC_ALREADY_EXISTS'))
})

test('while it is not known what becomes of a batch, nothing is decided', async () => {
  const cluster = await ControllerCluster.founded([1])
  cluster.log.holdsCommits = true
  const first = cluster.controller(1).createTopic(topic('a'))
  const second = cluster.controller(1).createTopic(topic('a'))
  first.catch(() => undefined)
  second.catch(() => undefined)
  const batches = cluster.log.batches.length
  await assert.rejects(cluster.within(first), (error) => isStratalogError(error, 'REQUEST_TIMED_OUT'))
  assert.equal(cluster.log.batches.length, batches)
  cluster.log.holdsCommits = false
  cluster.log.commit()
  await assert.rejects(second)
  await settled()
  assert.equal(cluster.controller(1).image.topicsByName.has('a'), true)
})

test('whoever is asked passes a request on, once', async () => {
  const cluster = await ControllerCluster.founded([1, 2, 3])
  const registration = { ...registrationOf(9), clusterId: null }
  const request = {
    commandId: 'join',
    command: { type: 'register-broker', registration },
    validateOnly: false,
    timeoutMs: 5000,
    mayForward: true,
  } as const
  const newcomer = { ...identityOf(9), clusterId: null }
  const body = encodeControllerRequest(request)
  const answer = decodeControllerAnswer(await cluster.controller(2).handleControllerRequest(body, newcomer))
  assert.equal(answer.clusterId, 'the-cluster')
  assert.equal(cluster.controller(3).image.brokers.has(9), true)
  const direct = encodeControllerRequest({ ...request, commandId: 'other', mayForward: false })
  await assert.rejects(cluster.controller(2).handleControllerRequest(direct, newcomer), (error) => {
    assert.ok(isStratalogError(error, 'NOT_CONTROLLER'))
    assert.equal(error.leader?.leaderId, 1)
    return true
  })
  await assert.rejects(
    cluster.controller(1).handleControllerRequest(body, { ...newcomer, clusterId: 'another' }),
    (error) => isStratalogError(error, 'INCONSISTENT_CLUSTER_ID'),
  )
})

test('a controller whose log is shorter than what it knows ends its broker', async () => {
  const cluster = await ControllerCluster.founded([1])
  const { disk, group } = cluster.node(1)
  await group.close()
  const empty = new ControllerCluster()
  const node = await empty.start(1, disk.crash())
  empty.log.elect(1)
  const refused = node.controller.createTopic(topic('a'))
  await assert.rejects(empty.within(refused))
  assert.match(String(node.failures[0]), /known up to offset \d+, but the log of its leader ends at 0/)
})

test('closing answers what is under way', async () => {
  const cluster = await ControllerCluster.founded([1, 2])
  cluster.log.holdsCommits = true
  const local = cluster.controller(1).createTopic(topic('a'))
  const forwarded = cluster.controller(2).createTopic(topic('b'))
  await settled()
  cluster.controller(2).close()
  cluster.controller(1).close()
  for (const result of [local, forwarded]) {
    await assert.rejects(result, (error) => isStratalogError(error, 'SHUTTING_DOWN'))
  }
})

test('property: bytes are a request or INVALID_REQUEST, nothing else', () => {
  const valid = encodeControllerRequest({
    commandId: 'c',
    command: { type: 'barrier' },
    validateOnly: false,
    timeoutMs: 1,
    mayForward: true,
  })
  assert.equal(decodeControllerRequest(valid).commandId, 'c')
  const mutated = fc.tuple(fc.nat(valid.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = Buffer.from(valid)
    bytes[at] = byte
    return bytes
  })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(`\u0002${text}`)),
        mutated,
      ),
      (bytes) => {
        try {
          decodeControllerRequest(Buffer.from(bytes))
        } catch (error) {
          assert.ok(isStratalogError(error, 'INVALID_REQUEST'), String(error))
        }
      },
    ),
  )
})

test('property: under lost requests and answers and changing leaders every command takes effect once or is refused', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(1, 2, 3), fc.nat(3), fc.nat(5)), { minLength: 1, maxLength: 12 }),
      fc.infiniteStream(fc.constantFrom(null, null, 'lost' as const, 'answer-lost' as const)),
      async (steps, faults) => {
        const cluster = await ControllerCluster.founded([1, 2, 3])
        const created: string[] = []
        cluster.controller(1).onChange(({ records }) => {
          for (const record of records) if (record.type === 'topic-created') created.push(record.name)
        })
        cluster.fault = () => faults.next().value ?? null
        const outcomes = steps.map(async ([brokerId, name, event], i) => {
          for (let turn = 0; turn < i; turn++) await settled()
          if (event === 0) cluster.log.elect((i % 3) + 1, 'kept')
          if (event === 1) cluster.log.elect((i % 3) + 1, 'lost')
          return cluster.controller(brokerId).createTopic(topic(`topic-${name}`))
        })
        const results = await cluster.within(Promise.allSettled(outcomes))
        await settled()
        assert.equal(new Set(created).size, created.length, 'no topic is created twice')
        for (const [i, result] of results.entries()) {
          const name = `topic-${steps[i]![1]}`
          if (result.status === 'fulfilled') {
            assert.equal(result.value.topicId, cluster.controller(1).image.topicsByName.get(name)?.topicId)
          } else {
            assert.ok(isStratalogError(result.reason), String(result.reason))
          }
        }
        // Of the commands for a name exactly one was answered with the topic: a repetition is no refusal.
        const names = new Set(steps.map(([, name]) => `topic-${name}`))
        for (const name of names) {
          const answered = results.filter((result) => result.status === 'fulfilled' && result.value.name === name)
          assert.equal(answered.length, 1, name)
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('a broker that restarts follows on from its own disk', async () => {
  const cluster = await ControllerCluster.founded([1, 2])
  await cluster.controller(1).createTopic(topic('a'))
  const { group, disk } = cluster.node(2)
  await group.close()
  await cluster.controller(1).createTopic(topic('b'))
  const again = await cluster.start(2, disk.crash())
  await again.group.reached(cluster.log.committedEnd)
  assert.deepEqual(again.group.image, cluster.controller(1).image)
  const wiped = await cluster.start(2, new MemoryStore())
  await wiped.group.reached(cluster.log.committedEnd)
  assert.deepEqual(wiped.group.image, cluster.controller(1).image)
})
