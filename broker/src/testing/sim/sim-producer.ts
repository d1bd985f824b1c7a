/**
 * An idempotent producer: for each partition it sends batches in order to whoever leads, up to five at a time, and sends
 * what was not acknowledged again, with the same sequences, for as long as it takes.
 *
 * As the real one it sends the first batch after its start, or a failure, alone: a broker takes any sequence from a producer
 * that it does not know, so a second one could overtake the first.
 */
import { StratalogError } from '@stratalog/proto'
import { RecordBatchBuilder } from '@stratalog/proto/records'
import type { ProduceOutcome } from '../../partition/produce-outcome.ts'
import { type Connection, connect } from './client-link.ts'
import type { ClientPartition, Clients } from './clients.ts'
import { encodeValueName } from './history.ts'
import { START_MS } from './sim-clock.ts'

interface Pending {
  readonly baseSequence: number
  readonly recordCount: number
  readonly bytes: Buffer
  /** Attempt of the lane in which it was sent last. */
  attempt: number
}

/** Batches under way at a time, as Kafka's producers have it. */
const IN_FLIGHT_MAX = 5
/** Batches that wait, at most: beyond it the application waits, too. */
const PENDING_MAX = 20
const TIMEOUT_MS = 3000

/** What one producer sends to one partition. */
export class ProducerLane {
  readonly partition: ClientPartition
  readonly #clients: Clients
  readonly #producerId: number
  #pending: Pending[] = []
  #sequence = 0
  /** Grows whenever everything under way is given up, to be sent again. */
  #attempt = 0
  #leader: number
  #connection: Connection = connect()
  #waiting = false
  /** Whether anything was acknowledged since the last failure. */
  #established = false
  #closed = false

  constructor(clients: Clients, partition: ClientPartition, producerId: number) {
    this.#clients = clients
    this.partition = partition
    this.#producerId = producerId
    this.#leader = clients.anyBroker()
  }

  /** Batches that are not acknowledged. */
  get pendingCount(): number {
    return this.#pending.length
  }

  /** Sends a batch, unless too much is under way. */
  produce(recordCount: number, valueBytes: number): void {
    if (this.#closed || this.#pending.length >= PENDING_MAX) return
    const baseSequence = this.#sequence
    this.#sequence += recordCount
    const bytes = this.#build(baseSequence, recordCount, valueBytes)
    this.#pending.push({ baseSequence, recordCount, bytes, attempt: -1 })
    this.#clients.tell(this.partition, { kind: 'invoke', ...this.#values(baseSequence, recordCount) })
    this.#pump()
  }

  /** The topic is gone: nothing more is known of what was under way. */
  close(reason: string): void {
    this.#closed = true
    for (const { baseSequence, recordCount } of this.#pending) {
      this.#clients.tell(this.partition, { kind: 'info', ...this.#values(baseSequence, recordCount), error: reason })
    }
    this.#pending = []
  }

  #build(baseSequence: number, recordCount: number, valueBytes: number): Buffer {
    const builder = new RecordBatchBuilder({ codec: 'none' })
    const { number: partition } = this.partition
    const timestamp = START_MS + this.#clients.world.now
    for (let i = 0; i < recordCount; i++) {
      const name = { producer: this.#producerId, partition, sequence: baseSequence + i }
      builder.append({ key: null, value: encodeValueName(name, valueBytes), timestamp })
    }
    return builder.buildSync({ producerId: this.#producerId, producerEpoch: 0, baseSequence })
  }

  #values(first: number, count: number) {
    return { at: this.#clients.world.now, producer: this.#producerId, partition: this.partition.number, first, count }
  }

  #pump(): void {
    if (this.#waiting) return
    for (const pending of this.#pending.slice(0, this.#established ? IN_FLIGHT_MAX : 1)) {
      if (pending.attempt !== this.#attempt) this.#send(pending)
    }
  }

  #send(pending: Pending): void {
    const attempt = this.#attempt
    pending.attempt = attempt
    const { topic, topicId, partition } = this.partition
    const { observer, link } = this.#clients
    link.call<ProduceOutcome>({
      brokerId: this.#leader,
      connection: this.#connection,
      timeoutMs: TIMEOUT_MS,
      ask: (core, respond) => {
        const { current } = this.#clients.world
        const place = core.registry.get(topic, partition, topicId)
        if (place instanceof StratalogError) {
          respond({ kind: 'error', error: place })
          return
        }
        place.produce(Buffer.from(pending.bytes), { acks: 'all', timeoutMs: TIMEOUT_MS }, (outcome) => {
          if (outcome.kind === 'ok') observer.acknowledged(current!.brokerId, place, outcome, pending.bytes)
          respond(outcome)
        })
      },
      answered: (outcome) => {
        if (attempt === this.#attempt) this.#answered(pending, outcome)
      },
    })
  }

  #answered(pending: Pending, outcome: ProduceOutcome | null): void {
    if (this.#closed) return
    const done = outcome?.kind === 'ok' ? outcome.baseOffset : isWrittenLongAgo(outcome) ? -1 : null
    if (done === null) {
      this.#again(outcome?.kind === 'error' ? outcome.error : null)
      return
    }
    this.#pending = this.#pending.filter((each) => each !== pending)
    this.#established = true
    const { baseSequence, recordCount } = pending
    const durability = outcome?.kind === 'ok' ? outcome.durability : 'fsynced'
    const values = this.#values(baseSequence, recordCount)
    this.#clients.tell(this.partition, { kind: 'ok', ...values, offset: done, acks: 'all', durability })
    this.#clients.acknowledgedCount += recordCount
    this.#pump()
  }

  /** Everything that is not acknowledged goes out again, after a while, perhaps to another broker. */
  #again(error: StratalogError | null): void {
    this.#clients.count(error?.code ?? 'NO_ANSWER')
    if (this.#clients.isGone(this.partition)) {
      this.close(error?.code ?? 'NO_ANSWER')
      return
    }
    this.#attempt++
    this.#established = false
    this.#connection = connect()
    this.#leader = error?.leader?.leaderId ?? this.#clients.leaderOf(this.partition) ?? this.#clients.anyBroker()
    this.#waiting = true
    this.#clients.world.after(this.#clients.backoffMs(), () => {
      this.#waiting = false
      this.#pump()
    })
  }
}

function isWrittenLongAgo(outcome: ProduceOutcome | null): boolean {
  return outcome?.kind === 'error' && outcome.error.code === 'DUPLICATE_SEQUENCE_NUMBER'
}
