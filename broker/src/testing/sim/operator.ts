/**
 * The people and scripts around a cluster: they create and delete topics, move partitions, drain brokers, and wait until
 * what they asked for is done.
 *
 * Every command goes to some broker, which passes it on; a command that fails is forgotten, as the next look shows what is
 * the case.
 */
import type { Random } from 'raft-ts/testing'
import type { TopicImage } from '../../controller/metadata-image.ts'
import { METADATA_TOPIC } from '../../controller/metadata-topic.ts'
import type { Partition } from '../../partition/partition.ts'
import { nodeOfReplica, type Replica } from '../../replication/raft-ids.ts'
import type { ClientPartition, Clients } from './clients.ts'
import type { BrokerCore, SimBroker } from './sim-broker.ts'
import type { SimCluster } from './sim-cluster.ts'

const RETRY_MS = 500

/** See the file's header. */
export class Operator {
  readonly #cluster: SimCluster
  readonly #clients: Clients
  readonly #random: Random
  /** Names of topics that come and go. */
  readonly #passing = new Set<string>()
  #passingCount = 0
  #founded = 0
  #drained: number | null = null

  constructor(cluster: SimCluster, clients: Clients) {
    this.#cluster = cluster
    this.#clients = clients
    this.#random = cluster.world.random(108)
  }

  /** Whether the topics of the run are there. */
  get isFounded(): boolean {
    return this.#founded === this.#cluster.options.topicCount
  }

  /** Creates the topics of the run, as soon as there is a cluster. */
  createTopics(): void {
    for (let i = 0; i < this.#cluster.options.topicCount; i++) this.#create(`topic-${i}`, true)
  }

  /** Creates a topic that is not to last, or deletes one. */
  changeTopics(): boolean {
    const [oldest] = this.#passing
    if (oldest !== undefined && this.#random.chance(0.6)) return this.#delete(oldest)
    if (this.#passing.size >= 3) return false
    const name = `passing-${this.#passingCount++}`
    this.#passing.add(name)
    this.#create(name, false)
    return true
  }

  /** Moves a partition to other brokers, or puts its brokers into another order. */
  move(): boolean {
    const topic = this.#anyTopic()
    if (topic === null) return false
    const { brokerCount, replicationFactor } = this.#cluster.options
    const ids = Array.from({ length: brokerCount }, (_, i) => i + 1)
    const chosen = this.#random.shuffled(ids).slice(0, replicationFactor)
    const partition = this.#random.below(topic.partitions.length)
    return this.#command((core) => core.controller.movePartition(topic.name, partition, chosen))
  }

  /** Drains a broker, or ends that. */
  drain(): boolean {
    const drained = this.#drained ?? this.#random.between(1, this.#cluster.options.brokerCount)
    const begins = this.#drained === null
    this.#drained = begins ? drained : null
    return this.#command((core) => core.controller.drainBroker(drained, begins))
  }

  /** Hands the leadership of a partition to another broker. */
  transfer(): boolean {
    const topic = this.#anyTopic()
    if (topic === null) return false
    const partition = this.#random.below(topic.partitions.length)
    const to = this.#random.between(1, this.#cluster.options.brokerCount)
    return this.#command((core) => core.status.transferLeadership(topic.name, partition, to))
  }

  /** Ends what is not to last: a drain goes on for ever otherwise. */
  settleDown(): void {
    const end = (): void => {
      const drained = [...this.#image()].flatMap((core) =>
        [...core.controller.image.brokers.values()].filter((broker) => broker.isDrained),
      )
      for (const { brokerId } of drained) this.#command((core) => core.controller.drainBroker(brokerId, false))
      this.#cluster.world.after(RETRY_MS, end)
    }
    end()
  }

  /** What keeps the cluster from being as it should be; null when nothing does. */
  problem(): string | null {
    const { brokers } = this.#cluster
    const cores: BrokerCore[] = []
    for (const broker of brokers.values()) {
      if (broker.core === null || !broker.isRegistered) return `broker ${broker.id} is not registered`
      cores.push(broker.core)
    }
    const offsets = new Set(cores.map((core) => core.image.metadataOffset))
    if (offsets.size > 1) return `the brokers show metadata of ${[...offsets].join(', ')}`
    const { topicsById, brokers: known } = cores[0]!.controller.image
    for (const { brokerId, isDrained } of known.values()) if (isDrained) return `broker ${brokerId} is drained`
    for (const topic of topicsById.values()) {
      for (const [partition, wanted] of topic.partitions.entries()) {
        const name = `${topic.name}-${partition}`
        if (wanted.target !== null) return `${name} is being moved`
        const found = this.#partitionProblem(topic, partition, wanted.replicas)
        if (found !== null) return `${name}: ${found}`
      }
    }
    return this.#metadataProblem(cores)
  }

  /** Where a partition ends for consumers, as its leader has it; null when nobody leads. */
  visibleEndOf({ topic, topicId, partition }: ClientPartition): number | null {
    const leader = this.#leaderOf(topic, topicId.toString('hex'), partition)
    return leader === null ? null : leader.partition.bounds().visibleEnd
  }

  /** Whether a group's topic is gone. */
  isGone(group: string): boolean {
    return this.#cluster.deletedTopicIds.has(group.slice('raft/'.length).split('-')[0]!)
  }

  #metadataProblem(cores: readonly BrokerCore[]): string | null {
    const copies = cores.flatMap((core) => metadataPartitionOf(core) ?? [])
    const leader = copies.find((copy) => copy.state().kind === 'serving')
    if (leader === undefined) return 'nobody leads the metadata'
    const lagging = leader.replicaStates().find(({ isLive, isCaughtUp }) => !isLive || !isCaughtUp)
    if (lagging !== undefined) return `the metadata copy ${lagging.nodeId} is not level`
    if (leader.members().votersOutgoing.length > 0) return 'the metadata is between two memberships'
    return null
  }

  #partitionProblem(topic: TopicImage, partition: number, replicas: readonly Replica[]): string | null {
    const leader = this.#leaderOf(topic.name, topic.topicId, partition)
    if (leader === null) return 'nobody leads'
    const states = leader.partition.replicaStates()
    const lagging = states.find(({ isLive, isCaughtUp }) => !isLive || !isCaughtUp)
    if (lagging !== undefined) return `copy ${lagging.nodeId} is not level`
    const wanted = replicas.map(nodeOfReplica).sort((a, b) => a - b)
    const { voters, votersOutgoing, learners } = leader.partition.members()
    const has = [...voters].sort((a, b) => a - b)
    if (votersOutgoing.length > 0 || learners.length > 0 || String(has) !== String(wanted)) {
      return `voters ${has} | ${votersOutgoing}, learners ${learners}, wanted ${wanted}`
    }
    const end = leader.partition.bounds().highWatermark
    for (const { brokerId } of replicas) {
      const copy = this.#copyOn(this.#cluster.brokers.get(brokerId)!, topic.name, topic.topicId, partition)
      if (copy === null) return `broker ${brokerId} has no copy`
      const { highWatermark, logEndOffset } = copy.bounds()
      if (highWatermark !== end || logEndOffset !== end) return `broker ${brokerId} is at ${highWatermark} of ${end}`
    }
    return null
  }

  #leaderOf(
    topic: string,
    topicId: string,
    partition: number,
  ): { readonly broker: SimBroker; readonly partition: Partition } | null {
    for (const broker of this.#cluster.brokers.values()) {
      const copy = this.#copyOn(broker, topic, topicId, partition)
      if (copy?.state().kind === 'serving') return { broker, partition: copy }
    }
    return null
  }

  #copyOn(broker: SimBroker, topic: string, topicId: string, partition: number): Partition | null {
    const found = broker.core?.registry.get(topic, partition, Buffer.from(topicId, 'hex')) ?? null
    return found instanceof Error ? null : found
  }

  /** Creates a topic, and again until it is there. */
  #create(name: string, recorded: boolean): void {
    const { partitionsPerTopic, replicationFactor, segmentMs } = this.#cluster.options
    const configs = new Map([
      ['segment.ms', String(segmentMs)],
      ['retention.ms', '-1'],
    ])
    const command = { name, partitionCount: recorded ? partitionsPerTopic : 1, replicationFactor, configs }
    const { world } = this.#cluster
    const look = (): void => {
      const known = [...this.#image()].map((core) => core.controller.image.topicsByName.get(name))
      const topic = known.find((each) => each !== undefined)
      if (topic === undefined) {
        if (!recorded && this.#cluster.healed) return
        this.#command((core) => core.controller.createTopic(command))
        world.after(RETRY_MS, look)
        return
      }
      if (recorded) this.#founded++
      this.#clients.addTopic(name, Buffer.from(topic.topicId, 'hex'), topic.partitions.length, recorded)
    }
    world.after(RETRY_MS, look)
  }

  #delete(name: string): boolean {
    const topic = [...this.#image()]
      .map((core) => core.controller.image.topicsByName.get(name))
      .find((each) => each !== undefined)
    if (topic === undefined) return false
    const { topicId } = topic
    this.#passing.delete(name)
    // From here on nobody may complain of what it held; whether it is deleted is another matter.
    this.#cluster.deletedTopicIds.add(topicId)
    const again = (): void => {
      const isThere = [...this.#image()].some((core) => core.controller.image.topicsById.has(topicId))
      if (!isThere) return
      this.#command((core) => core.controller.deleteTopic(name))
      this.#cluster.world.after(4 * RETRY_MS, again)
    }
    again()
    return true
  }

  *#image(): Generator<BrokerCore> {
    for (const { core } of this.#cluster.brokers.values()) if (core !== null) yield core
  }

  #anyTopic(): TopicImage | null {
    const core = this.#cluster.anyRunning(this.#random)?.core ?? null
    const topics = [...(core?.controller.image.topicsById.values() ?? [])].filter(
      ({ partitions }) => partitions.length > 0,
    )
    return topics.length === 0 ? null : this.#random.pick(topics)
  }

  /** Gives a command to some broker. @returns whether there was one. */
  #command(run: (core: BrokerCore) => Promise<unknown>): boolean {
    const broker = this.#cluster.anyRunning(this.#random)
    if (broker?.process == null || broker.core === null) return false
    const { core, process } = broker
    const { world } = this.#cluster
    process.enter(() => {
      run(core).then(
        () => undefined,
        (error: Error) => world.note(broker.id, () => `refuses a command: ${error.message}`),
      )
    })
    return true
  }
}

/** The copy of the metadata log. */
function metadataPartitionOf(core: BrokerCore): Partition | null {
  for (const partition of core.partitions()) if (partition.topic === METADATA_TOPIC) return partition
  return null
}
