/**
 * Watches every broker from outside: what it serves, what it promises to others, what its disk really holds.
 *
 * Partitions tell when something has changed; those are looked at once the event has settled, so that a quiet partition
 * costs nothing. A copy whose disk was damaged on purpose is left out until it has been given up and begun anew.
 */

import { RECORD_BATCH_OVERHEAD_BYTES, sizeOf } from '@stratalog/proto/records'
import type { ConfState, Message } from 'raft-ts'
import type { Partition } from '../../partition/partition.ts'
import type { ProduceSuccess } from '../../partition/produce-outcome.ts'
import { brokerOfNode, replicaOfNode } from '../../replication/raft-ids.ts'
import { GroupLedger } from './group-ledger.ts'
import { LogImage, seeBatch } from './log-image.ts'
import type { SimBroker } from './sim-broker.ts'
import { hold } from './violation.ts'
import type { World } from './world.ts'

/** One copy, as it is watched during one life of its process. */
interface Watched {
  readonly broker: SimBroker
  readonly partition: Partition
  readonly group: string
  readonly ledger: GroupLedger
  highWatermark: number
  /** The members when it was looked at last: what was committed since may have put others into force. */
  members: ConfState
  /** Index of the next batch of the content image to compare. */
  compared: number
  readonly stop: () => void
}

interface CopyImages {
  readonly content: LogImage
  readonly durable: LogImage
}

/** What a partition says that is closed, or given up: its folder may be gone. */
const ENDED: ReadonlySet<string> = new Set(['SHUTTING_DOWN', 'PARTITION_DAMAGED', 'UNKNOWN_TOPIC_OR_PARTITION'])

/** See the file's header. */
export class Observer {
  readonly ledgers: Map<string, GroupLedger> = new Map()
  readonly #world: World
  readonly #brokers = new Map<number, SimBroker>()
  readonly #watched = new Map<Partition, Watched>()
  /** How many of them each broker has. */
  readonly #counts = new Map<SimBroker, number>()
  readonly #dirty = new Set<Watched>()
  /** By group and term, who served. */
  readonly #leaders = new Map<string, string>()
  /** By broker and folder. */
  readonly #copies = new Map<string, CopyImages>()
  /** The metadata that each broker showed last. */
  readonly #images = new Map<SimBroker, unknown>()
  /** Metadata as text, by offset. */
  readonly #metadata = new Map<number, string>()
  electionCount = 0
  /** Topics whose deletion was asked for: they promise nothing any more. */
  readonly deletedTopicIds: Set<string> = new Set()

  constructor(world: World) {
    this.#world = world
    world.settled = () => this.#settle()
  }

  /** A broker exists. */
  add(broker: SimBroker): void {
    this.#brokers.set(broker.id, broker)
  }

  /** The broker's process is gone. */
  died(broker: SimBroker): void {
    this.#forget(broker, new Set())
  }

  /** The leader answers a producer that its batch is durable. */
  acknowledged(brokerId: number, partition: Partition, outcome: ProduceSuccess, bytes: Buffer): void {
    const group = groupOf(partition)
    const ledger = this.#ledger(group)
    const { crc } = seeBatch(bytes, 0)
    const { baseOffset, leaderEpoch } = outcome
    ledger.acknowledgedCount++
    ledger.claim(baseOffset, crc, leaderEpoch, `an acknowledgement of broker ${brokerId}`)
    this.#world.hash.add(baseOffset)
    this.#holdDurable(partition, baseOffset, crc, 'acknowledged-durable')
  }

  /** A broker hands these batches to a consumer. */
  read(brokerId: number, partition: Partition, bytes: Buffer): void {
    const ledger = this.#ledger(groupOf(partition))
    for (let at = 0; at + RECORD_BATCH_OVERHEAD_BYTES <= bytes.length; at += sizeOf(bytes, at)) {
      const batch = seeBatch(bytes, at)
      ledger.claim(batch.base, batch.crc, batch.epoch, `a read from broker ${brokerId}`)
      if (batch.base >= ledger.end) this.#holdDurable(partition, batch.base, batch.crc, 'read-committed')
    }
    this.#world.hash.add(bytes.length)
  }

  /** A broker sends a message: what it promises must be on its disk. */
  sent(broker: SimBroker, message: Message<Buffer>): void {
    const group = String(message.group)
    if (broker.isDamaged(group)) return
    if (message.type === 'append-accepted') {
      const images = this.#imagesOf(broker, group)
      if (images === null) return
      images.durable.refresh()
      hold(
        images.durable.end >= message.end || message.end === 0 || broker.startsAt(group) >= message.end,
        'promise-durable',
        () => `broker ${broker.id} accepts ${group} up to ${message.end}, and has ${images.durable.end} on disk`,
      )
    } else if (message.type === 'vote-response' && message.granted && brokerOfNode(message.to) !== broker.id) {
      const stored = broker.durableVote(group)
      hold(
        // Once a later term is on disk, nobody gets another vote in this one.
        stored !== null && (stored.term > message.term || (stored.term === message.term && stored.vote === message.to)),
        'vote-durable',
        () =>
          `broker ${broker.id} votes for ${message.to} in term ${message.term} of ${group}; on disk: ${show(stored)}`,
      )
    }
  }

  /** A broker shows this metadata as of that offset. */
  #metadataAt(broker: SimBroker, offset: number, shown: string): void {
    const known = this.#metadata.get(offset)
    if (known === undefined) this.#metadata.set(offset, shown)
    hold(
      known === undefined || known === shown,
      'metadata-agrees',
      () => `broker ${broker.id} shows at offset ${offset} ${shown}\nanother ${known}`,
    )
  }

  /** A copy of a partition on a broker, as its disk has it; null when there is none. */
  contentOf(broker: SimBroker, group: string): LogImage | null {
    const images = this.#imagesOf(broker, group)
    images?.content.refresh()
    return images?.content ?? null
  }

  /** At the end: everything that was claimed is there, but in topics that are gone. */
  finish(isGone: (group: string) => boolean): void {
    for (const watched of this.#watched.values()) this.#compare(watched)
    for (const [group, ledger] of this.ledgers) if (!isGone(group)) ledger.finish()
  }

  /** Watches copies of the broker no more, but for those that are open. */
  #forget(broker: SimBroker, open: ReadonlySet<Partition>): void {
    for (const [partition, watched] of this.#watched) {
      if (watched.broker !== broker || open.has(partition)) continue
      watched.stop()
      this.#watched.delete(partition)
      this.#dirty.delete(watched)
      this.#counts.set(broker, this.#countOf(broker) - 1)
    }
  }

  #countOf(broker: SimBroker): number {
    return this.#counts.get(broker) ?? 0
  }

  #watch(broker: SimBroker, partition: Partition): void {
    this.#counts.set(broker, this.#countOf(broker) + 1)
    const group = groupOf(partition)
    const watched: Watched = {
      broker,
      partition,
      group,
      ledger: this.#ledger(group),
      highWatermark: 0,
      members: partition.members(),
      compared: 0,
      stop: partition.onAdvance(() => this.#dirty.add(watched)),
    }
    this.#watched.set(partition, watched)
    this.#dirty.add(watched)
  }

  #settle(): void {
    const { current } = this.#world
    if (current !== null) this.#follow(this.#brokers.get(current.brokerId)!)
    if (this.#dirty.size === 0) return
    for (const watched of this.#dirty) this.#look(watched)
    this.#dirty.clear()
  }

  /** Partitions that were opened are watched; those that were closed are not dirty any more. */
  #follow(broker: SimBroker): void {
    let count = 0
    for (const partition of broker.partitions()) {
      count++
      if (this.#watched.has(partition)) continue
      broker.opened(partition)
      this.#watch(broker, partition)
    }
    if (count !== this.#countOf(broker)) this.#forget(broker, new Set(broker.partitions()))
    const image = broker.image()
    if (image === null || this.#images.get(broker) === image) return
    this.#images.set(broker, image)
    const { metadataOffset, ...content } = image
    this.#world.note(broker.id, () => `shows metadata of ${metadataOffset}: ${describeBrokers(image)}`)
    this.#metadataAt(broker, metadataOffset, JSON.stringify(content, sortedMaps))
  }

  #look(watched: Watched): void {
    const { broker, partition, group } = watched
    const { highWatermark, visibleEnd, logEndOffset, leaderEpoch } = partition.bounds()
    hold(
      highWatermark >= watched.highWatermark,
      'high-watermark-monotonic',
      () => `${group} on broker ${broker.id}: ${highWatermark} after ${watched.highWatermark}`,
    )
    hold(
      visibleEnd <= highWatermark && highWatermark <= logEndOffset,
      'offsets-in-order',
      () => `${group} on broker ${broker.id}: visible ${visibleEnd}, committed ${highWatermark}, end ${logEndOffset}`,
    )
    const advanced = highWatermark > watched.highWatermark
    watched.highWatermark = highWatermark
    this.#world.hash.add(highWatermark)
    const state = partition.state()
    if (state.kind === 'serving') this.#serves(watched, leaderEpoch, advanced)
    else if (ENDED.has(state.error.code)) return
    watched.members = partition.members()
    if (broker.isDamaged(group)) return
    this.#withinFlushed(watched)
    this.#compare(watched)
  }

  #serves({ broker, partition, group, highWatermark }: Watched, term: number, advanced: boolean): void {
    const key = `${group}@${term}`
    const who = `broker ${broker.id}, start ${broker.startCount}`
    const known = this.#leaders.get(key)
    hold(known === undefined || known === who, 'one-serving-leader-per-term', () => `${key}: ${who}, and ${known}`)
    if (known === undefined) {
      this.#leaders.set(key, who)
      this.electionCount++
      this.#world.note(broker.id, () => `serves ${partition.topic}-${partition.partition} in term ${term}`)
    }
    if (!advanced) return
    const held = this.#holders(partition, (image) => image.end >= highWatermark)
    hold(held.enough, 'committed-durable', () => `${group} is committed up to ${highWatermark}; on disk: ${held.text}`)
  }

  #withinFlushed({ broker, partition, group }: Watched): void {
    const end = partition.committedEnd
    const images = this.#imagesOf(broker, group)
    if (images === null || end === 0) return
    images.durable.refresh()
    hold(
      end <= Math.max(images.durable.end, broker.startsAt(group)),
      'served-within-flushed',
      () =>
        `${group} on broker ${broker.id} shows what is committed up to ${end}, and has ${images.durable.end} on disk`,
    )
  }

  /** What the copy holds below its high watermark is what is committed. */
  #compare(watched: Watched): void {
    const { broker, group, ledger, highWatermark } = watched
    if (broker.isDamaged(group)) return
    const image = this.#imagesOf(broker, group)?.content
    if (image === undefined) return
    if (!image.refresh()) watched.compared = 0
    const by = `broker ${broker.id}`
    for (; watched.compared < image.batches.length; watched.compared++) {
      const batch = image.batches[watched.compared]!
      if (batch.end > highWatermark) return
      ledger.note(batch, by)
    }
  }

  #holdDurable(
    partition: Partition,
    base: number,
    crc: number,
    invariant: 'acknowledged-durable' | 'read-committed',
  ): void {
    const held = this.#holders(partition, (image) => image.batchAt(base)?.crc === crc)
    hold(held.enough, invariant, () => `${groupOf(partition)} at ${base}: on disk: ${held.text}`)
  }

  /** Whether a majority of the voters, as the leader has them, hold something on their disks. */
  #holders(
    partition: Partition,
    holds: (image: LogImage) => boolean,
  ): { readonly enough: boolean; readonly text: string } {
    const group = groupOf(partition)
    // Others may have removed the folder before this one hears that the topic is deleted.
    if (this.deletedTopicIds.has(partition.topicId.toString('hex'))) return { enough: true, text: '' }
    const now = partition.members()
    const before = this.#watched.get(partition)?.members ?? now
    const holding = (node: number): boolean => {
      const { brokerId, generation } = replicaOfNode(node)
      const broker = this.#brokers.get(brokerId)
      if (broker === undefined) return false
      // It had it before its disk was damaged or it was given up for that, or it would not have been counted.
      if (broker.wasDamaged(group, generation)) return true
      const images = this.#imagesOf(broker, group)
      if (images === null) return false
      images.durable.refresh()
      return holds(images.durable)
    }
    const decides = ({ voters, votersOutgoing }: ConfState): boolean =>
      [voters, votersOutgoing].every((nodes) => nodes.length === 0 || nodes.filter(holding).length > nodes.length >> 1)
    const enough = decides(now) || decides(before)
    const nodes = [...new Set([...now.voters, ...now.votersOutgoing])]
    return { enough, text: enough ? '' : `${nodes.filter(holding)} of ${now.voters} | ${now.votersOutgoing}` }
  }

  #imagesOf(broker: SimBroker, group: string): CopyImages | null {
    const directory = broker.directoryOf(group)
    if (directory === null) return null
    const key = `${broker.id} ${directory}`
    const known = this.#copies.get(key)
    const { fileSystem } = broker.disk
    if (known?.content.isOf(fileSystem)) return known
    const images = {
      content: new LogImage(fileSystem, directory, 'content'),
      durable: new LogImage(fileSystem, directory, 'durable'),
    }
    this.#copies.set(key, images)
    return images
  }

  #ledger(group: string): GroupLedger {
    const known = this.ledgers.get(group) ?? new GroupLedger(group)
    this.ledgers.set(group, known)
    return known
  }
}

/** Names the Raft group of a partition. */
export function groupOf({ topicId, partition }: Pick<Partition, 'topicId' | 'partition'>): string {
  return `raft/${topicId.toString('hex')}-${partition}`
}

function show(value: unknown): string {
  return JSON.stringify(value)
}

/** Maps as lists in the order of their keys: those that were replayed and those that were loaded may differ in it. */
function sortedMaps(_key: string, value: unknown): unknown {
  return value instanceof Map ? [...value].sort(([a], [b]) => (a < b ? -1 : 1)) : value
}

function describeBrokers({ brokers }: NonNullable<ReturnType<SimBroker['image']>>): string {
  return [...brokers.values()]
    .map(({ brokerId, run, metadataGeneration }) => `broker ${brokerId} run ${run} copy ${metadataGeneration}`)
    .join(', ')
}
