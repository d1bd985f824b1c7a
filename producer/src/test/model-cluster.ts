/**
 * A model of what producers are promised by a cluster: logs, leaders, and the rules of sequences, with a network and
 * brokers that fail at random. It decodes real batches. Rules: Kafka ProducerStateManager.
 */
import { StratalogError, stratalog, toErrorDetail } from '@stratalog/proto'
import { decodeBatchSync, readBatchHeader, validateBatch } from '@stratalog/proto/records'
import type { ProducerIdentity } from '../idempotence.ts'
import type { LeaderLookup, ProduceHandlers, ProduceStream, SenderPort } from '../sender-port.ts'
import { addSequence } from '../sequence.ts'
import type { VirtualTime } from './virtual-time.ts'

/** How often, in 0..1, each fault happens to a batch or message. */
export interface FaultRates {
  /** The broker refuses before writing. */
  readonly refuse: number
  /** The broker writes and answers with an error that leaves it open. */
  readonly doubt: number
  /** The connection breaks before the message is read. */
  readonly dropBefore: number
  /** The connection breaks after the message was written, before the answer. */
  readonly dropAfter: number
  /** The leader moves. */
  readonly move: number
  /** A broker crashes: its streams break, it cannot be reached for a while, and its partitions are led by the other one. */
  readonly crash: number
  /** A broker stands still for a while: it takes everything, does nothing, and later goes on with what it took. */
  readonly freeze: number
  /** The broker refuses for good. */
  readonly fatal: number
}

interface WrittenBatch {
  readonly firstSequence: number
  readonly endSequence: number
  readonly baseOffset: number
}

interface ProducerEntry {
  readonly epoch: number
  readonly batches: WrittenBatch[]
}

/** Whether a broker works. */
class ModelBroker {
  downUntilMs = 0
  frozenUntilMs = 0
  readonly streams = new Set<ModelStream>()
}

/** A stream as its network sees it. */
interface ModelStream {
  /** Nothing more arrives. */
  readonly breakDown: () => void
  /** The client waits no more; what it wrote may arrive. */
  readonly giveUp: () => void
}

class ModelPartition {
  leader = 0
  leaderEpoch = 1

  moveTo(brokerId: number): void {
    this.leader = brokerId
    this.leaderEpoch++
  }

  /** The values written, by offset. */
  readonly log: number[] = []
  readonly producers: Map<number, ProducerEntry> = new Map()
}

const TOPIC_ID = Buffer.alloc(16, 7)
const BATCHES_REMEMBERED = 5
const BROKER_COUNT = 2
/** Time from a leader's crash or freeze to the next leader. */
export const ELECTION_MS = 1_500
/** How long a crashed or frozen broker stays away. */
const OUTAGE_MS = 4_000
/** After so long without an answer to a ping a connection is given up. */
const KEEPALIVE_MS = 3_000

/** See the head of this file. */
export class ModelCluster {
  readonly partitions: readonly ModelPartition[]
  readonly #time: VirtualTime
  readonly #random: () => number
  readonly #rates: FaultRates
  readonly #recordsPerBatchMax: number
  /** The leader of each partition as last looked up, or as an error named it. */
  readonly #known: { leader: number; leaderEpoch: number }[]
  readonly #brokers = Array.from({ length: BROKER_COUNT }, () => new ModelBroker())
  /** Faults happen until then, ms. */
  readonly #faultsEndMs: number
  #nextProducerId = 1

  constructor(options: {
    readonly time: VirtualTime
    readonly random: () => number
    readonly partitionCount: number
    readonly rates: FaultRates
    readonly faultsForMs: number
    /** A larger batch is MESSAGE_TOO_LARGE. */
    readonly recordsPerBatchMax: number
  }) {
    this.#time = options.time
    this.#random = options.random
    this.#rates = options.rates
    this.#recordsPerBatchMax = options.recordsPerBatchMax
    this.#faultsEndMs = options.time.nowMs + options.faultsForMs
    this.partitions = Array.from({ length: options.partitionCount }, () => new ModelPartition())
    this.#known = this.partitions.map(() => ({ leader: -1, leaderEpoch: 0 }))
  }

  /** The sender's port to this cluster. */
  port(): SenderPort {
    const time = this.#time
    return {
      now: () => time.nowMs,
      soon: (callback) => void time.after(0, callback),
      after: (ms, callback) => time.after(ms, callback),
      random: this.#random,
      leaderOf: (_topic, partition): LeaderLookup => {
        const { leader, leaderEpoch } = this.#known[partition]!
        if (leader < 0) return { kind: 'unknown' }
        return { kind: 'leader', broker: address(leader), leaderEpoch, topicId: TOPIC_ID }
      },
      refresh: () => this.#refresh(),
      applyLeader: ({ partition, leader }) => {
        const known = this.#known[partition ?? 0]!
        if (leader === null || leader.leaderId === null || leader.leaderEpoch <= known.leaderEpoch) return false
        this.#known[partition ?? 0] = { leader: leader.leaderId, leaderEpoch: leader.leaderEpoch }
        return true
      },
      prepare: () => {},
      openStream: (broker, handlers) => this.#openStream(broker.brokerId ?? -1, handlers),
    }
  }

  /** Hands out producer ids, the next epoch of one, or fails. */
  async initProducerId(previous: ProducerIdentity | null): Promise<ProducerIdentity> {
    await this.#pause()
    if (this.#faulty(this.#rates.dropBefore)) throw new StratalogError('NETWORK_EXCEPTION')
    if (previous === null) return { producerId: this.#nextProducerId++, producerEpoch: 0 }
    return { producerId: previous.producerId, producerEpoch: previous.producerEpoch + 1 }
  }

  async #refresh(): Promise<StratalogError | null> {
    await this.#pause()
    if (this.#faulty(this.#rates.dropBefore)) return new StratalogError('NETWORK_EXCEPTION')
    this.partitions.forEach(({ leader, leaderEpoch }, index) => {
      if (leaderEpoch >= this.#known[index]!.leaderEpoch) this.#known[index] = { leader, leaderEpoch }
    })
    return null
  }

  /** Kills a broker: see FaultRates. */
  crash(brokerId: number): void {
    const broker = this.#brokers[brokerId]!
    broker.downUntilMs = this.#time.nowMs + OUTAGE_MS
    for (const stream of [...broker.streams]) stream.breakDown()
    this.#elect(brokerId)
  }

  /** Stops a broker: see FaultRates. */
  freeze(brokerId: number): void {
    const broker = this.#brokers[brokerId]!
    broker.frozenUntilMs = this.#time.nowMs + OUTAGE_MS
    this.#time.after(KEEPALIVE_MS, () => {
      if (this.#isFrozen(brokerId)) for (const stream of [...broker.streams]) stream.giveUp()
    })
    this.#elect(brokerId)
  }

  #isDown(brokerId: number): boolean {
    return this.#time.nowMs < this.#brokers[brokerId]!.downUntilMs
  }

  #isFrozen(brokerId: number): boolean {
    return this.#time.nowMs < this.#brokers[brokerId]!.frozenUntilMs
  }

  /** The other broker leads what this one led, after an election, if it works by then. */
  #elect(brokerId: number): void {
    const other = 1 - brokerId
    this.#time.after(ELECTION_MS, () => {
      if (this.#isDown(other) || this.#isFrozen(other)) return
      for (const partition of this.partitions) if (partition.leader === brokerId) partition.moveTo(other)
    })
  }

  #openStream(brokerId: number, handlers: ProduceHandlers): ProduceStream {
    let open = true
    let unwritten = 0
    let arrivesAtMs = 0
    let answersAtMs = 0
    let readable = true
    const backlog: stratalog.v1.ProduceRequest.$Properties[] = []
    const broker = this.#brokers[brokerId]!
    const end = (error: StratalogError): void => {
      broker.streams.delete(stream)
      if (!open) return
      open = false
      handlers.onEnd(error)
    }
    const breakDown = (): void => {
      readable = false
      end(new StratalogError('NETWORK_EXCEPTION'))
    }
    const stream: ModelStream = { breakDown, giveUp: () => end(new StratalogError('NETWORK_EXCEPTION')) }
    broker.streams.add(stream)
    if (this.#isDown(brokerId)) {
      readable = false
      this.#time.after(this.#latencyMs(), () => end(new StratalogError('BROKER_NOT_AVAILABLE')))
    }
    /** What a frozen broker's kernel has taken is read when it goes on, whether or not the client still waits. */
    const thaw = (): void => {
      for (;;) {
        const message = backlog[0]
        if (message === undefined) return
        if (this.#isFrozen(brokerId)) break
        backlog.shift()
        process(message)
      }
      this.#time.after(broker.frozenUntilMs - this.#time.nowMs, thaw)
    }
    const receive = (message: stratalog.v1.ProduceRequest.$Properties): void => {
      if (!this.#isFrozen(brokerId) && this.#faulty(this.#rates.freeze)) this.freeze(brokerId)
      if (!this.#isFrozen(brokerId) && backlog.length === 0) process(message)
      else if (backlog.push(message) === 1) this.#time.after(broker.frozenUntilMs - this.#time.nowMs, thaw)
    }
    const process = (message: stratalog.v1.ProduceRequest.$Properties): void => {
      if (this.#faulty(this.#rates.crash)) this.crash(brokerId)
      if (!readable) return
      unwritten--
      if (open) handlers.onDrain()
      if (this.#faulty(this.#rates.dropBefore)) {
        breakDown()
        return
      }
      const acks = (message.batches ?? []).map((batch) => this.#produce(brokerId, batch))
      if (this.#faulty(this.#rates.dropAfter)) {
        breakDown()
        return
      }
      answersAtMs = Math.max(answersAtMs, this.#time.nowMs + this.#latencyMs())
      this.#time.after(answersAtMs - this.#time.nowMs, () => {
        if (open) handlers.onMessage({ acks })
      })
    }
    return {
      write: (message) => {
        unwritten++
        arrivesAtMs = Math.max(arrivesAtMs, this.#time.nowMs + this.#latencyMs())
        this.#time.after(arrivesAtMs - this.#time.nowMs, () => receive(message))
        return unwritten < 3
      },
      end: () => {},
      close: () => {
        open = false
        broker.streams.delete(stream)
      },
    }
  }

  #produce(brokerId: number, request: stratalog.v1.ProduceBatch.$Properties): stratalog.v1.ProduceAck.$Properties {
    const correlationId = request.correlationId ?? 0
    const partition = this.partitions[request.partition ?? 0]!
    const bytes = request.recordBatch as Buffer
    const { recordCount } = validateBatch(bytes, { maxBatchBytes: 1 << 30, deep: true })
    const tooLarge = recordCount > this.#recordsPerBatchMax
    const error = tooLarge ? new StratalogError('MESSAGE_TOO_LARGE') : this.#refusal(partition, brokerId)
    if (error !== null) return { correlationId, error: toErrorDetail(error) }
    const ack = append(partition, bytes)
    if (ack instanceof StratalogError) return { correlationId, error: toErrorDetail(ack) }
    if (this.#faulty(this.#rates.doubt)) {
      const code = this.#random() < 0.5 ? 'REQUEST_TIMED_OUT' : 'NOT_LEADER_OR_FOLLOWER'
      return { correlationId, error: toErrorDetail(new StratalogError(code)) }
    }
    return { correlationId, ...ack }
  }

  #refusal(partition: ModelPartition, brokerId: number): StratalogError | null {
    if (this.#faulty(this.#rates.move) && !this.#isDown(1 - partition.leader)) partition.moveTo(1 - partition.leader)
    if (partition.leader !== brokerId) return this.#notLeader(partition)
    if (this.#faulty(this.#rates.refuse)) return new StratalogError('OVERLOADED')
    if (this.#faulty(this.#rates.fatal)) return new StratalogError('INVALID_RECORD')
    return null
  }

  /** Names the leader, or does not know it. */
  #notLeader({ leader, leaderEpoch }: ModelPartition): StratalogError {
    if (this.#random() < 0.5) return new StratalogError('NOT_LEADER_OR_FOLLOWER')
    const { brokerId, host, port } = address(leader)
    return new StratalogError('NOT_LEADER_OR_FOLLOWER', undefined, {
      leader: { leaderId: brokerId, leaderEpoch, host, port },
    })
  }

  #faulty(rate: number): boolean {
    return this.#time.nowMs < this.#faultsEndMs && this.#random() < rate
  }

  #latencyMs(): number {
    return Math.floor(this.#random() * 8)
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#time.after(this.#latencyMs(), resolve))
  }
}

/** Appends a batch by the rules of sequences. */
function append(partition: ModelPartition, bytes: Buffer): stratalog.v1.ProduceAck.$Properties | StratalogError {
  const { producerId, producerEpoch, baseSequence, recordCount } = readBatchHeader(bytes, 0)
  const baseOffset = partition.log.length
  const { leaderEpoch } = partition
  if (producerId !== null && producerEpoch !== null && baseSequence !== null) {
    const entry = partition.producers.get(producerId)
    const verdict = check(entry, producerEpoch, baseSequence, addSequence(baseSequence, recordCount))
    if (verdict instanceof StratalogError) return verdict
    if (verdict !== null) return { ...durable(verdict.baseOffset, leaderEpoch), duplicate: true }
    const written = { firstSequence: baseSequence, endSequence: addSequence(baseSequence, recordCount), baseOffset }
    const earlier = entry === undefined || entry.epoch !== producerEpoch ? [] : entry.batches
    const batches = [...earlier, written].slice(-BATCHES_REMEMBERED)
    partition.producers.set(producerId, { epoch: producerEpoch, batches })
  }
  const reader = decodeBatchSync(bytes, 0)
  for (let record = reader.next(); record !== null; record = reader.next()) partition.log.push(Number(record.value))
  return durable(baseOffset, leaderEpoch)
}

function durable(baseOffset: number, leaderEpoch: number): stratalog.v1.ProduceAck.$Properties {
  return { baseOffset, leaderEpoch, logAppendTimeMs: -1, durability: stratalog.v1.Durability.DURABILITY_FSYNCED }
}

/** `null` = new; a batch = it was written before; or the refusal. A producer that is not known may begin anywhere. */
function check(
  entry: ProducerEntry | undefined,
  epoch: number,
  firstSequence: number,
  endSequence: number,
): WrittenBatch | StratalogError | null {
  if (entry === undefined) return null
  if (epoch < entry.epoch) return new StratalogError('INVALID_PRODUCER_EPOCH')
  if (epoch > entry.epoch) return firstSequence === 0 ? null : new StratalogError('OUT_OF_ORDER_SEQUENCE_NUMBER')
  const written = entry.batches.find(
    (batch) => batch.firstSequence === firstSequence && batch.endSequence === endSequence,
  )
  if (written !== undefined) return written
  if (firstSequence === entry.batches.at(-1)!.endSequence) return null
  if (endSequence <= entry.batches[0]!.firstSequence) return new StratalogError('DUPLICATE_SEQUENCE_NUMBER')
  return new StratalogError('OUT_OF_ORDER_SEQUENCE_NUMBER')
}

function address(brokerId: number): { brokerId: number; host: string; port: number } {
  return { brokerId, host: 'model', port: 9400 + brokerId }
}
