import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { GENERATION_MAX } from '../replication/raft-ids.ts'
import type { BrokerRegistration, Command, DecisionContext } from './commands.ts'
import { decideOnce } from './decide.ts'
import { EMPTY_IMAGE, type MetadataImage, metadataMembers, type PartitionImage } from './metadata-image.ts'
import type { MetadataRecord } from './metadata-records.ts'
import { replay } from './metadata-replay.ts'
import { METADATA_TOPIC_ID } from './metadata-topic.ts'

/** A cluster that is told what to do, and what is up. */
class Cluster {
  image: MetadataImage = EMPTY_IMAGE
  readonly down = new Set<number>()
  #serial = 0
  readonly #context: DecisionContext = {
    isBrokerUp: ({ brokerId }) => !this.down.has(brokerId),
    newTopicId: () => (++this.#serial).toString(16).padStart(32, '0'),
  }

  /** Brokers 1, 2... of which the first three at most are controllers. */
  static of(brokerCount: number, racks: readonly string[] = []): Cluster {
    const cluster = new Cluster()
    const ids = Array.from({ length: brokerCount }, (_, i) => i + 1)
    const controllers = ids.slice(0, 3).map((brokerId) => ({ brokerId, generation: 0 }))
    cluster.run({ type: 'found-cluster', clusterId: 'c', controllers, featureLevel: 1, inherited: [] })
    for (const id of ids) cluster.register({ brokerId: id, rack: racks[id - 1] ?? '' })
    return cluster
  }

  run(command: Command): readonly MetadataRecord[] {
    const decision = decideOnce(this.image, `command-${++this.#serial}`, command, this.#context)
    if (decision instanceof StratalogError) throw decision
    this.image = replay(this.image, decision.records)
    return decision.records
  }

  result(command: Command): object {
    const decision = decideOnce(this.image, `command-${++this.#serial}`, command, this.#context)
    if (decision instanceof StratalogError) throw decision
    this.image = replay(this.image, decision.records)
    return decision.result
  }

  refused(command: Command, code: string, text: RegExp): void {
    const decision = decideOnce(this.image, `command-${++this.#serial}`, command, this.#context)
    assert.ok(decision instanceof StratalogError, `${command.type} was accepted`)
    assert.equal(decision.code, code, decision.message)
    assert.match(decision.message, text)
  }

  register(changes: Partial<BrokerRegistration> & { readonly brokerId: number }): object {
    return this.result(registration(changes))
  }

  create(name: string, replicationFactor: number, partitionCount = 1): void {
    this.run({ type: 'create-topic', name, partitionCount, replicationFactor, configs: {} })
  }

  partition(topic: string, partition = 0): PartitionImage {
    return this.image.topicsByName.get(topic)!.partitions[partition]!
  }

  topicId(topic: string): string {
    return this.image.topicsByName.get(topic)!.topicId
  }

  /** As the partition's leader does when its group is what the target says. */
  complete(topic: string, partition = 0): void {
    const { target } = this.partition(topic, partition)
    this.run({ type: 'complete-reassignment', topicId: this.topicId(topic), partition, target: target! })
  }
}

function registration(changes: Partial<BrokerRegistration> & { readonly brokerId: number }): Command {
  const base = { clusterId: 'c', host: 'h', port: 9400, rack: '', peerHost: 'h', peerPort: 9500 }
  const own = { directoryId: `d${changes.brokerId}`, runs: ['first'] }
  return { type: 'register-broker', registration: { ...base, ...own, ...changes } }
}

const copies = ({ replicas }: PartitionImage): string[] => replicas.map((r) => `${r.brokerId} g${r.generation}`)
const ids = (replicas: readonly { readonly brokerId: number }[]): number[] => replicas.map((r) => r.brokerId)

test('a broker that starts again keeps its copies; a repetition changes nothing', () => {
  const cluster = Cluster.of(3)
  cluster.create('a', 3)
  assert.deepEqual(cluster.register({ brokerId: 1, runs: ['first', 'second'] }), { storageLost: false })
  assert.deepEqual(cluster.run(registration({ brokerId: 1, runs: ['first', 'second'] })), [])
  assert.deepEqual(cluster.register({ brokerId: 1, runs: ['first', 'second'], port: 1 }), {
    storageLost: false,
  })
  assert.equal(cluster.image.brokers.get(1)?.port, 1)
  assert.deepEqual(copies(cluster.partition('a')).sort(), ['1 g0', '2 g0', '3 g0'])
  assert.equal(cluster.partition('a').moved, false)
})

test('an old copy of a disk, or another disk, costs the broker all its copies and its seat', () => {
  for (const changes of [
    { runs: ['other'] },
    { runs: ['first', 'again', 'other'] },
    { directoryId: 'wiped', runs: ['new'] },
  ]) {
    const cluster = Cluster.of(3)
    cluster.create('a', 3)
    cluster.register({ brokerId: 2, runs: ['first', 'fifth'] })
    cluster.down.add(2)
    assert.deepEqual(cluster.register({ brokerId: 2, ...changes }), { storageLost: true })
    assert.deepEqual(copies(cluster.partition('a')).sort(), ['1 g0', '2 g1', '3 g0'])
    assert.equal(cluster.partition('a').moved, true)
    assert.deepEqual(metadataMembers(cluster.image).voters, [
      { brokerId: 1, generation: 0 },
      { brokerId: 2, generation: 1 },
      { brokerId: 3, generation: 0 },
    ])
    assert.equal(cluster.image.brokers.get(2)?.storageLost, true)
    // The same run again: still known to have lost it, and nothing more is taken from it.
    assert.deepEqual(cluster.register({ brokerId: 2, ...changes }), { storageLost: true })
    assert.equal(cluster.image.brokers.get(2)?.metadataGeneration, 1)
  }
})

test('a registration of a former run that comes late is refused, and costs nothing', () => {
  const cluster = Cluster.of(3)
  cluster.create('a', 3)
  // The run between the two was killed before anybody could answer it.
  cluster.register({ brokerId: 2, runs: ['first', 'second', 'third'] })
  cluster.down.add(2)
  for (const runs of [['first'], ['first', 'second']]) {
    cluster.refused(registration({ brokerId: 2, runs }), 'DUPLICATE_BROKER_REGISTRATION', /started again since/)
  }
  assert.deepEqual(cluster.register({ brokerId: 2, directoryId: 'wiped', runs: ['new'] }), { storageLost: true })
  cluster.refused(
    registration({ brokerId: 2, runs: ['first', 'second', 'third'] }),
    'DUPLICATE_BROKER_REGISTRATION',
    /since/,
  )
  assert.equal(cluster.image.brokers.get(2)?.metadataGeneration, 1)
})

test('a second broker under an id that is up is refused', () => {
  const cluster = Cluster.of(3)
  cluster.register({ brokerId: 2, runs: ['first', 'fifth'] })
  cluster.refused(
    registration({ brokerId: 2, directoryId: 'other', runs: ['new'] }),
    'DUPLICATE_BROKER_REGISTRATION',
    /d2.*other/,
  )
  cluster.refused(registration({ brokerId: 2, runs: ['first', 'third'] }), 'DUPLICATE_BROKER_REGISTRATION', /running/)
})

test('registrations that cannot be are refused', () => {
  const cluster = Cluster.of(1)
  cluster.refused(registration({ brokerId: 2, clusterId: 'other' }), 'INCONSISTENT_CLUSTER_ID', /cluster c, not other/)
  cluster.refused(registration({ brokerId: 70_000 }), 'INVALID_REQUEST', /0 to 65535/)
  cluster.refused(registration({ brokerId: 2, host: '' }), 'INVALID_REQUEST', /host .* empty/)
  cluster.refused(registration({ brokerId: 2, peerPort: -1 }), 'INVALID_REQUEST', /peerPort .* 0 to 65535/)
  cluster.refused(registration({ brokerId: 2, runs: [] }), 'INVALID_REQUEST', /run .* empty/)
  new Cluster().refused(registration({ brokerId: 1 }), 'LEADER_NOT_AVAILABLE', /not founded/)
})

test('a broker that belongs to no cluster yet joins, and follows the metadata as a learner', () => {
  const cluster = Cluster.of(3)
  cluster.register({ brokerId: 9, clusterId: null })
  assert.deepEqual(metadataMembers(cluster.image).learners, [{ brokerId: 9, generation: 0 }])
})

test('a cluster is founded once', () => {
  const cluster = Cluster.of(1)
  const controllers = [{ brokerId: 1, generation: 0 }]
  const founding = { type: 'found-cluster', controllers, featureLevel: 1, inherited: [] } as const
  assert.deepEqual(cluster.run({ ...founding, clusterId: 'c' }), [])
  cluster.refused({ ...founding, clusterId: 'd' }, 'INCONSISTENT_CLUSTER_ID', /cluster c, not d/)
  new Cluster().refused({ ...founding, clusterId: 'd', controllers: [] }, 'INVALID_REQUEST', /at least one/)
  new Cluster().refused({ ...founding, clusterId: 'd', featureLevel: 99 }, 'INVALID_REQUEST', /feature level is 99/)
})

test('topics go to brokers that are up and take replicas', () => {
  const cluster = Cluster.of(3)
  cluster.down.add(3)
  const create = { type: 'create-topic', name: 'a', partitionCount: 1, replicationFactor: 3, configs: {} } as const
  cluster.refused(create, 'INVALID_REPLICATION_FACTOR', /1 to 2.*1 more are down/)
  cluster.down.clear()
  cluster.create('a', 3)
  cluster.down.add(2)
  cluster.refused({ type: 'add-partitions', name: 'a', partitionCount: 2 }, 'INVALID_REPLICATION_FACTOR', /1 to 2/)
})

test('a drain is refused when a quorum would be lost, unless it is forced', () => {
  const cluster = Cluster.of(4)
  cluster.create('a', 3, 4)
  cluster.refused(
    { type: 'drain-broker', brokerId: 9, drained: true, force: false },
    'BROKER_ID_NOT_REGISTERED',
    /1, 2, 3, 4/,
  )
  cluster.run({ type: 'drain-broker', brokerId: 1, drained: true, force: false })
  assert.deepEqual(cluster.run({ type: 'drain-broker', brokerId: 1, drained: true, force: false }), [])
  const second = { type: 'drain-broker', brokerId: 2, drained: true, force: false } as const
  cluster.refused(second, 'QUORUM_WOULD_BE_LOST', /the controllers, a-\d/)
  cluster.run({ ...second, force: true })
  cluster.run({ type: 'drain-broker', brokerId: 1, drained: false, force: false })
  cluster.run({ type: 'drain-broker', brokerId: 2, drained: false, force: false })
  cluster.down.add(3)
  cluster.refused(second, 'QUORUM_WOULD_BE_LOST', /broker 2 stops/)
})

test('a move goes to the target, and a copy that comes back is another one', () => {
  const cluster = Cluster.of(4)
  cluster.create('a', 2)
  const [first, second] = ids(cluster.partition('a').replicas) as [number, number]
  const [third, fourth] = [1, 2, 3, 4].filter((id) => id !== first && id !== second) as [number, number]
  const move = (brokerIds: number[]) => ({ type: 'move-partition', topic: 'a', partition: 0, brokerIds }) as const
  cluster.run(move([third, second]))
  assert.deepEqual(cluster.run(move([third, second])), [])
  cluster.refused(move([fourth]), 'REASSIGNMENT_IN_PROGRESS', /being moved/)
  const { topicId } = cluster.image.topicsByName.get('a')!
  const stale = {
    type: 'complete-reassignment',
    topicId,
    partition: 0,
    target: [{ brokerId: fourth, generation: 0 }],
  } as const
  assert.deepEqual(cluster.result(stale), { completed: false })
  cluster.complete('a')
  assert.deepEqual(copies(cluster.partition('a')), [`${third} g0`, `${second} g0`])
  cluster.run(move([first, second]))
  cluster.run({ type: 'cancel-move', topic: 'a', partition: 0 })
  assert.deepEqual(copies(cluster.partition('a')), [`${third} g0`, `${second} g0`])
  cluster.run(move([first, second]))
  cluster.complete('a')
  assert.deepEqual(copies(cluster.partition('a')), [`${first} g2`, `${second} g0`])
  cluster.refused({ type: 'cancel-move', topic: 'a', partition: 0 }, 'NO_REASSIGNMENT_IN_PROGRESS', /not being moved/)
})

test('moves that cannot be are refused', () => {
  const cluster = Cluster.of(4)
  cluster.create('a', 1)
  const [home] = ids(cluster.partition('a').replicas) as [number]
  const [other, drained, down] = [1, 2, 3, 4].filter((id) => id !== home) as [number, number, number]
  cluster.run({ type: 'drain-broker', brokerId: drained, drained: true, force: false })
  cluster.down.add(down)
  const refused = (topic: string, partition: number, brokerIds: number[], code: string, text: RegExp) =>
    cluster.refused({ type: 'move-partition', topic, partition, brokerIds }, code, text)
  refused('b', 0, [other], 'UNKNOWN_TOPIC_OR_PARTITION', /"b"/)
  refused('a', 1, [other], 'UNKNOWN_TOPIC_OR_PARTITION', /no partition 1/)
  refused('a', 0, [], 'INVALID_REPLICA_ASSIGNMENT', /at least one/)
  refused('a', 0, [other, other], 'INVALID_REPLICA_ASSIGNMENT', /two replicas/)
  refused('a', 0, [99], 'INVALID_REPLICA_ASSIGNMENT', /no broker 99/)
  refused('a', 0, [drained], 'INVALID_REPLICA_ASSIGNMENT', /drained/)
  refused('a', 0, [down], 'BROKER_NOT_AVAILABLE', /is down/)
  cluster.down.clear()
  cluster.run({ type: 'decommission-broker', brokerId: other, decommissioning: true })
  refused('a', 0, [other], 'INVALID_REPLICA_ASSIGNMENT', /decommissioned/)
})

test('a lost copy is renewed once, unless there is no other', () => {
  const cluster = Cluster.of(3)
  cluster.create('a', 3)
  cluster.create('b', 1)
  const topicId = cluster.topicId('a')
  const renew = (brokerId: number, generation: number, id = topicId) =>
    ({ type: 'renew-replica', topicId: id, partition: 0, lost: { brokerId, generation } }) as const
  assert.deepEqual(cluster.result(renew(2, 0)), { generation: 1 })
  assert.deepEqual(cluster.result(renew(2, 0)), { generation: 1 })
  assert.deepEqual(copies(cluster.partition('a')).sort(), ['1 g0', '2 g1', '3 g0'])
  cluster.refused(renew(2, 5), 'INVALID_REQUEST', /is 1; 5 cannot be lost/)
  cluster.refused(renew(9, 0), 'REPLICA_NOT_AVAILABLE', /no replica of a-0/)
  cluster.refused(renew(2, 0, 'f'.repeat(32)), 'UNKNOWN_TOPIC_ID', /ffff/)
  const [only] = ids(cluster.partition('b').replicas) as [number]
  cluster.refused(renew(only, 0, cluster.topicId('b')), 'PARTITION_DAMAGED', /only one/)
  assert.deepEqual(cluster.result(renew(3, 0, METADATA_TOPIC_ID)), { generation: 1 })
  assert.equal(cluster.image.brokers.get(3)?.metadataGeneration, 1)
  assert.deepEqual(metadataMembers(cluster.image).voters.at(-1), { brokerId: 3, generation: 1 })
  Cluster.of(1).refused(renew(1, 0, METADATA_TOPIC_ID), 'PARTITION_DAMAGED', /only one/)
})

test('generations end: a broker that lost its storage too often must get another id', () => {
  const cluster = Cluster.of(2)
  const broker = { ...cluster.image.brokers.get(2)!, metadataGeneration: GENERATION_MAX }
  const seat = { brokerId: 2, generation: GENERATION_MAX }
  cluster.image = { ...cluster.image, brokers: new Map([[2, broker]]), controllers: [seat] }
  cluster.down.add(2)
  cluster.refused(registration({ brokerId: 2, directoryId: 'new' }), 'INVALID_REQUEST', /too often/)
})

test('a broker is emptied, gives up its seat, and is gone for good; with a new folder it comes back as new', () => {
  const cluster = Cluster.of(4)
  cluster.create('a', 3, 8)
  const holds = (brokerId: number) =>
    cluster.image.topicsByName.get('a')!.partitions.filter((p) => ids(p.target ?? p.replicas).includes(brokerId)).length
  cluster.refused({ type: 'maybe-remove-broker', brokerId: 1 }, 'INVALID_REQUEST', /not being decommissioned/)
  cluster.run({ type: 'decommission-broker', brokerId: 1, decommissioning: true })
  assert.equal(holds(1), 0)
  assert.deepEqual(ids(cluster.image.controllers), [2, 3, 4])
  assert.deepEqual(ids(metadataMembers(cluster.image).learners), [1])
  const remove = { type: 'maybe-remove-broker', brokerId: 1 } as const
  for (const { partition, target } of cluster.image.topicsByName.get('a')!.partitions) {
    if (target === null) continue
    const { removed } = cluster.result(remove) as { removed: boolean }
    assert.equal(removed, false)
    cluster.complete('a', partition)
  }
  assert.deepEqual(cluster.result(remove), { removed: true, remainingCount: 0 })
  assert.deepEqual(cluster.result(remove), { removed: true, remainingCount: 0 })
  assert.deepEqual([...cluster.image.brokers.keys()], [2, 3, 4])
  cluster.refused(registration({ brokerId: 1, runs: ['first', 'ninth'] }), 'BROKER_DECOMMISSIONED', /d1/)
  cluster.refused(registration({ brokerId: 7, directoryId: 'd1' }), 'BROKER_DECOMMISSIONED', /d1/)
  cluster.register({ brokerId: 1, directoryId: 'new' })
  assert.deepEqual(metadataMembers(cluster.image).learners, [{ brokerId: 1, generation: 1 }])
})

test('a decommission that cannot be is refused; one that began can be given up', () => {
  const lone = Cluster.of(1)
  const decommission = (brokerId: number, decommissioning = true) =>
    ({ type: 'decommission-broker', brokerId, decommissioning }) as const
  lone.refused(decommission(1), 'INVALID_REQUEST', /the only one/)
  const three = Cluster.of(3)
  three.create('a', 3)
  three.refused(decommission(9), 'BROKER_ID_NOT_REGISTERED', /no broker 9/)
  three.refused(decommission(1), 'INVALID_REPLICATION_FACTOR', /a-0 has 3 replicas/)
  const cluster = Cluster.of(4)
  cluster.create('a', 3, 4)
  cluster.down.add(1).add(2)
  cluster.refused(decommission(1), 'QUORUM_WOULD_BE_LOST', /no quorum is left/)
  cluster.down.clear()
  const before = cluster.image.topicsByName.get('a')!.partitions.map(copies)
  cluster.run(decommission(1))
  cluster.run(decommission(1, false))
  const after = cluster.image.topicsByName.get('a')!.partitions
  assert.deepEqual(after.map(copies), before)
  assert.ok(after.every(({ target }) => target === null))
  assert.equal(cluster.image.brokers.get(1)?.isDecommissioning, false)
})

test('a seat goes to a broker in a rack of its own; the last one stays', () => {
  const cluster = Cluster.of(5, ['a', 'b', 'c', 'b', 'a'])
  cluster.run({ type: 'decommission-broker', brokerId: 1, decommissioning: true })
  assert.deepEqual(ids(cluster.image.controllers), [2, 3, 5])
  const two = Cluster.of(2)
  two.run({ type: 'decommission-broker', brokerId: 2, decommissioning: true })
  assert.deepEqual(ids(two.image.controllers), [1])
  // Its seat was given up in a decision of its own; now it can go.
  assert.deepEqual(two.result({ type: 'maybe-remove-broker', brokerId: 2 }), { removed: true, remainingCount: 0 })
})

test('a broker with thousands of partitions is emptied in steps', () => {
  const cluster = Cluster.of(4)
  cluster.create('a', 3, 2500)
  const count = (records: readonly MetadataRecord[]) =>
    records.filter(({ type }) => type === 'partition-reassigned').length
  const first = count(cluster.run({ type: 'decommission-broker', brokerId: 1, decommissioning: true }))
  const second = count(cluster.run({ type: 'maybe-remove-broker', brokerId: 1 }))
  const third = count(cluster.run({ type: 'maybe-remove-broker', brokerId: 1 }))
  assert.deepEqual([first, second, third], [1000, 875, 0])
})
