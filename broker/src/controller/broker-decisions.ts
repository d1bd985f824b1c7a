/** Decisions on brokers: who belongs to the cluster, who is kept free, who is emptied and leaves. Pure. */
import { StratalogError } from '@stratalog/proto'
import { BROKER_ID_MAX, GENERATION_MAX, type Replica } from '../replication/raft-ids.ts'
import {
  accepted,
  type BrokerRegistration,
  type Command,
  type Decision,
  type DecisionContext,
  findBroker,
  MOVE_COUNT_MAX,
  quorumOf,
} from './commands.ts'
import {
  type BrokerImage,
  FEATURE_LEVEL,
  type MetadataImage,
  type PartitionImage,
  replicaOn,
  type TopicImage,
} from './metadata-image.ts'
import type { MetadataRecord } from './metadata-records.ts'
import { targetOf } from './move-decisions.ts'
import { Placer, takesReplicas } from './placement.ts'

type CommandOf<Type extends Command['type']> = Extract<Command, { type: Type }>

/** Partitions that the text of a refusal names at most. */
const NAMED_COUNT_MAX = 3

/** Decides on the beginning; no records when this very cluster was founded before. */
export function decideFoundCluster(image: MetadataImage, command: CommandOf<'found-cluster'>): Decision {
  const { clusterId, controllers, featureLevel, inherited } = command
  if (image.clusterId === clusterId) return accepted([])
  if (image.clusterId !== null) return otherCluster(image.clusterId, clusterId)
  const ids = new Set(controllers.map(({ brokerId }) => brokerId))
  if (clusterId === '' || controllers.length === 0 || ids.size < controllers.length) {
    return invalid('a cluster is founded with an id and at least one controller, each once')
  }
  if (featureLevel > FEATURE_LEVEL)
    return invalid(`feature level is ${featureLevel}; this release knows up to ${FEATURE_LEVEL}`)
  return accepted([{ type: 'cluster-founded', clusterId, controllers, featureLevel }, ...inherited])
}

/** Former runs that are remembered of a broker: a registration does not stay on its way for so many starts. */
const FORMER_RUN_COUNT_MAX = 100

/**
 * Decides whether a broker that starts belongs here, and whether it has what it once had. Answer: storageLost.
 *
 * ```
 *  data folder   run known last   it is               answer
 *  as known      among its past   the same broker     yes
 *  as known      its present one  a repetition        as before
 *  any           a former one     gone; it asked late DUPLICATE_BROKER_REGISTRATION
 *  as known      unknown to it    an old copy         yes, storage lost   (DUPLICATE_BROKER_REGISTRATION while the one known is up)
 *  another                        a wiped disk        yes, storage lost   (likewise)
 *  of a removed broker            not wanted          BROKER_DECOMMISSIONED
 * ```
 */
export function decideRegisterBroker(
  image: MetadataImage,
  { registration }: CommandOf<'register-broker'>,
  { isBrokerUp }: DecisionContext,
): Decision {
  const { brokerId, clusterId, directoryId, runs } = registration
  const error = checkRegistration(registration)
  if (error !== null) return error
  if (image.clusterId === null) return new StratalogError('LEADER_NOT_AVAILABLE', 'the cluster is not founded yet')
  if (clusterId !== null && clusterId !== image.clusterId) return otherCluster(image.clusterId, clusterId)
  if (isRemovedFolder(image, directoryId)) {
    const text = `broker ${brokerId} presents data folder ${directoryId}, whose broker was decommissioned`
    return new StratalogError('BROKER_DECOMMISSIONED', text)
  }
  const known = image.brokers.get(brokerId)
  if (known === undefined) return registered(null, registration, false)
  if (known.directoryId === '') return registered(known, registration, false)
  if (known.formerRuns.includes(runs.at(-1)!)) {
    const text = `broker ${brokerId} has been started again since this registration was sent`
    return new StratalogError('DUPLICATE_BROKER_REGISTRATION', text)
  }
  if (known.directoryId === directoryId) {
    if (known.run === runs.at(-1)) return repeated(known, registration)
    if (runs.includes(known.run)) return registered(known, registration, false)
  }
  if (isBrokerUp(known)) {
    const text = `broker ${brokerId} is running with data folder ${known.directoryId}; this one is ${directoryId}`
    return new StratalogError('DUPLICATE_BROKER_REGISTRATION', text)
  }
  const isUsedUp = copiesOn(image, brokerId).some(({ generation }) => generation >= GENERATION_MAX)
  if (isUsedUp) return invalid(`broker ${brokerId} has lost its storage too often; give it another broker id`)
  return registered(known, registration, true)
}

/** Decides on maintenance of a broker. Refused when what stops with it leaves a partition, or the controllers, without a quorum. */
export function decideDrainBroker(
  image: MetadataImage,
  { brokerId, drained, force }: CommandOf<'drain-broker'>,
  { isBrokerUp }: DecisionContext,
): Decision {
  const broker = findBroker(image, brokerId)
  if (broker instanceof StratalogError) return broker
  if (broker.isDrained === drained) return accepted([])
  if (drained && !force) {
    const staysUp = ({ brokerId: other }: Replica): boolean => {
      const candidate = image.brokers.get(other)
      return other !== brokerId && candidate !== undefined && !candidate.isDrained && isBrokerUp(candidate)
    }
    const refusal = checkQuorums(image, brokerId, staysUp, `broker ${brokerId} stops`)
    if (refusal !== null) return refusal
  }
  return accepted([{ type: 'broker-drained', brokerId, drained }])
}

/**
 * Decides on emptying a broker for good, or on keeping it after all.
 *
 * Its first partitions begin to move at once; {@link decideMaybeRemoveBroker} moves the rest. Answer: remainingCount.
 */
export function decideDecommissionBroker(
  image: MetadataImage,
  { brokerId, decommissioning }: CommandOf<'decommission-broker'>,
  context: DecisionContext,
): Decision {
  const broker = findBroker(image, brokerId)
  if (broker instanceof StratalogError) return broker
  const remainingCount = copyCount(image, brokerId)
  if (broker.isDecommissioning === decommissioning) return accepted([], { remainingCount })
  const record: MetadataRecord = { type: 'broker-decommissioned', brokerId, decommissioning }
  if (!decommissioning) return accepted([record, ...returns(image, brokerId)], { remainingCount })
  const refusal = checkDecommission(image, brokerId, context)
  if (refusal !== null) return refusal
  const seat = seatChange(image, brokerId, context)
  return accepted([record, ...seat, ...departures(image, brokerId, context)], { remainingCount })
}

/** Moves on with emptying a broker, and removes it once nothing is left on it. Answer: removed, remainingCount. */
export function decideMaybeRemoveBroker(
  image: MetadataImage,
  { brokerId }: CommandOf<'maybe-remove-broker'>,
  context: DecisionContext,
): Decision {
  const isGone = !image.brokers.has(brokerId) && image.removedBrokers.has(brokerId)
  if (isGone) return accepted([], { removed: true, remainingCount: 0 })
  const broker = findBroker(image, brokerId)
  if (broker instanceof StratalogError) return broker
  if (!broker.isDecommissioning) return invalid(`broker ${brokerId} is not being decommissioned`)
  const remainingCount = copyCount(image, brokerId)
  const seat = seatChange(image, brokerId, context)
  if (remainingCount > 0) {
    return accepted([...seat, ...departures(image, brokerId, context)], { removed: false, remainingCount })
  }
  // The metadata group may need the old controller to let it go: it leaves in a later step.
  if (replicaOn(image.controllers, brokerId) !== undefined) {
    return accepted(seat, { removed: false, remainingCount })
  }
  return accepted([{ type: 'broker-removed', brokerId }], { removed: true, remainingCount })
}

function checkRegistration(registration: BrokerRegistration): StratalogError | null {
  const { brokerId, host, port, peerHost, peerPort, directoryId, runs } = registration
  if (!Number.isInteger(brokerId) || brokerId < 0 || brokerId > BROKER_ID_MAX) {
    return invalid(`broker id is ${brokerId}; it must be 0 to ${BROKER_ID_MAX}`)
  }
  for (const [field, value] of Object.entries({ port, peerPort })) {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff) {
      return invalid(`${field} of broker ${brokerId} is ${value}; it must be 0 to 65535`)
    }
  }
  for (const [field, value] of Object.entries({ host, peerHost, directoryId, run: runs.at(-1) ?? '' })) {
    if (value === '') return invalid(`${field} of broker ${brokerId} is empty`)
  }
  return null
}

function isRemovedFolder(image: MetadataImage, directoryId: string): boolean {
  for (const { directoryIds } of image.removedBrokers.values()) {
    if (directoryIds.includes(directoryId)) return true
  }
  return false
}

function registered(
  known: BrokerImage | null,
  { clusterId: _, runs, ...broker }: BrokerRegistration,
  storageLost: boolean,
): Decision {
  const run = runs.at(-1)!
  const former = new Set([...(known === null ? [] : [...known.formerRuns, known.run]), ...runs.slice(0, -1)])
  former.delete(run)
  const formerRuns = [...former].slice(-FORMER_RUN_COUNT_MAX)
  return accepted([{ type: 'broker-registered', ...broker, run, formerRuns, storageLost }], { storageLost })
}

/** The same run registers again: at most its addresses are news. */
function repeated(known: BrokerImage, registration: BrokerRegistration): Decision {
  const { host, port, rack, peerHost, peerPort } = registration
  const isKnown =
    known.host === host &&
    known.port === port &&
    known.rack === rack &&
    known.peerHost === peerHost &&
    known.peerPort === peerPort
  const { storageLost } = known
  if (isKnown) return accepted([], { storageLost })
  const { clusterId: _, runs: __, ...broker } = registration
  const { run, formerRuns } = known
  return accepted([{ type: 'broker-registered', ...broker, run, formerRuns, storageLost: false }], { storageLost })
}

/** All copies on a broker, its seat among the controllers included. */
function copiesOn(image: MetadataImage, brokerId: number): Replica[] {
  const seat = replicaOn(image.controllers, brokerId)
  const copies = seat === undefined ? [] : [seat]
  for (const [, { replicas, target }] of partitionsOf(image)) {
    copies.push(...[...replicas, ...(target ?? [])].filter((copy) => copy.brokerId === brokerId))
  }
  return copies
}

/** Partitions that have a copy on the broker, or will have. */
function copyCount(image: MetadataImage, brokerId: number): number {
  let count = 0
  for (const [, partition] of partitionsOf(image)) {
    if (isOn(partition, brokerId)) count++
  }
  return count
}

function isOn({ replicas, target }: PartitionImage, brokerId: number): boolean {
  return replicaOn(replicas, brokerId) !== undefined || (target !== null && replicaOn(target, brokerId) !== undefined)
}

/** Every partition, topics by name. */
function* partitionsOf(image: MetadataImage): Generator<readonly [topic: TopicImage, partition: PartitionImage]> {
  const topics = [...image.topicsByName.values()].sort((left, right) => (left.name < right.name ? -1 : 1))
  for (const topic of topics) {
    for (const partition of topic.partitions) yield [topic, partition]
  }
}

/** Why a broker cannot be done without: groups of which too few copies are left. */
function checkQuorums(
  image: MetadataImage,
  brokerId: number,
  isLeft: (replica: Replica) => boolean,
  event: string,
): StratalogError | null {
  const lost: string[] = []
  const check = (name: string, replicas: readonly Replica[]): void => {
    if (replicaOn(replicas, brokerId) === undefined) return
    if (replicas.filter(isLeft).length < quorumOf(replicas.length)) lost.push(name)
  }
  check('the controllers', image.controllers)
  for (const [{ name }, { partition, replicas }] of partitionsOf(image)) check(`${name}-${partition}`, replicas)
  if (lost.length === 0) return null
  const more = lost.length > NAMED_COUNT_MAX ? ` and ${lost.length - NAMED_COUNT_MAX} more` : ''
  const text = `when ${event}, no quorum is left of ${lost.slice(0, NAMED_COUNT_MAX).join(', ')}${more}`
  return new StratalogError('QUORUM_WOULD_BE_LOST', text)
}

/** Whether the broker can be emptied: copies are taken from a quorum, to brokers that have room in their racks. */
function checkDecommission(image: MetadataImage, brokerId: number, context: DecisionContext): StratalogError | null {
  if (image.brokers.size === 1) return invalid(`broker ${brokerId} is the only one`)
  const isUp = ({ brokerId: other }: Replica): boolean => {
    const broker = image.brokers.get(other)
    return broker !== undefined && context.isBrokerUp(broker)
  }
  const refusal = checkQuorums(image, brokerId, isUp, `broker ${brokerId} is to be emptied`)
  if (refusal !== null) return refusal
  const placer = placerWithout(image, brokerId, context)
  for (const [topic, { partition, replicas, target }] of partitionsOf(image)) {
    const brokerIds = (target ?? replicas).map((replica) => replica.brokerId)
    if (!brokerIds.includes(brokerId) || placer.canReplace(brokerIds, brokerId)) continue
    const text = `partition ${topic.name}-${partition} has ${brokerIds.length} replicas; without broker ${brokerId} there are not enough brokers for them`
    return new StratalogError('INVALID_REPLICATION_FACTOR', text, { topic: topic.name, partition })
  }
  return null
}

function placerWithout(image: MetadataImage, brokerId: number, { isBrokerUp }: DecisionContext): Placer {
  return new Placer(image, (broker) => broker.brokerId !== brokerId && takesReplicas(broker) && isBrokerUp(broker))
}

/** The next partitions to leave the broker, as many as fit; those for which there is no other broker now stay for later. */
function departures(image: MetadataImage, brokerId: number, context: DecisionContext): MetadataRecord[] {
  const placer = placerWithout(image, brokerId, context)
  const records: MetadataRecord[] = []
  let entered: TopicImage | null = null
  for (const [topic, partition] of partitionsOf(image)) {
    if (records.length >= MOVE_COUNT_MAX) break
    const brokerIds = (partition.target ?? partition.replicas).map((replica) => replica.brokerId)
    if (!brokerIds.includes(brokerId) || !placer.canReplace(brokerIds, brokerId)) continue
    if (entered !== topic) placer.enter(topic)
    entered = topic
    const target = targetOf(partition, placer.replace(brokerIds, brokerId))
    if (target instanceof StratalogError) continue
    const { topicId } = topic
    records.push({ type: 'partition-reassigned', topicId, partition: partition.partition, target })
  }
  return records
}

/** Moves away from the broker that are given up. */
function returns(image: MetadataImage, brokerId: number): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const [{ topicId }, { partition, replicas, target }] of partitionsOf(image)) {
    const leaves =
      target !== null && replicaOn(replicas, brokerId) !== undefined && replicaOn(target, brokerId) === undefined
    if (leaves) records.push({ type: 'reassignment-cancelled', topicId, partition })
  }
  return records
}

/**
 * The broker's seat among the controllers goes to another broker, in a rack without one if there is such; without another
 * broker the seat is given up, but the last one stays.
 */
function seatChange(image: MetadataImage, brokerId: number, { isBrokerUp }: DecisionContext): MetadataRecord[] {
  const { controllers, brokers } = image
  if (replicaOn(controllers, brokerId) === undefined) return []
  const others = controllers.filter((replica) => replica.brokerId !== brokerId)
  const racks = new Set(others.map((replica) => brokers.get(replica.brokerId)?.rack ?? ''))
  const isCrowded = ({ rack }: BrokerImage): number => (rack !== '' && racks.has(rack) ? 1 : 0)
  const [successor] = [...brokers.values()]
    .filter((broker) => replicaOn(controllers, broker.brokerId) === undefined)
    .filter((broker) => takesReplicas(broker) && isBrokerUp(broker))
    .sort((left, right) => isCrowded(left) - isCrowded(right) || left.brokerId - right.brokerId)
  if (successor === undefined) return others.length === 0 ? [] : [{ type: 'controllers-changed', controllers: others }]
  const seat = { brokerId: successor.brokerId, generation: successor.metadataGeneration }
  return [{ type: 'controllers-changed', controllers: [...others, seat] }]
}

function otherCluster(own: string, asked: string): StratalogError {
  return new StratalogError('INCONSISTENT_CLUSTER_ID', `this is cluster ${own}, not ${asked}`)
}

function invalid(message: string): StratalogError {
  return new StratalogError('INVALID_REQUEST', message)
}
