/**
 * Carries batches from the queues to the leaders of their partitions and outcomes back: decides when to send, to
 * whom, and what to look up again. All waiting is through its port, so a simulation runs it on virtual time.
 *
 * Invariant: batches are taken only in `#drain`, which runs once a turn however often it is asked for; what one turn
 * takes for one broker leaves in as few messages as possible.
 * Invariant: while any batch is outstanding a tick runs at least every TICK_MS, which looks up the leaders of what waits
 * for a silent broker, and ends streams that stay silent and batches whose time is over.
 */
import { type BrokerAddress, formatAddress, type Logger } from '@stratalog/client'
import { StratalogError } from '@stratalog/proto'
import { type AwaitedBatch, BrokerLink, type LinkOptions } from './broker-link.ts'
import type { BuilderPool } from './builder-pool.ts'
import type { Idempotence } from './idempotence.ts'
import { LeaderSearch } from './leader-search.ts'
import { leaderIsSuspect } from './outcome.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { ProducerBatch } from './producer-batch.ts'
import type { RecordAccumulator } from './record-accumulator.ts'
import type { BatchAck } from './record-ack.ts'
import type { SenderPort } from './sender-port.ts'

/** What the sender works with. */
export interface SenderParts {
  readonly port: SenderPort
  readonly accumulator: RecordAccumulator
  /** `null` for a producer that is not idempotent. */
  readonly idempotence: Idempotence | null
  readonly pool: BuilderPool
  readonly link: LinkOptions
  /** Whether batches are sent although they could linger: someone waits for room or for a flush. */
  readonly urgent: () => boolean
  readonly logger: Logger
}

const TICK_MS = 250

/** See the head of this file. */
export class Sender {
  readonly #parts: SenderParts
  readonly #links = new Map<string, BrokerLink>()
  readonly #search: LeaderSearch
  #scheduled = false
  #cancelTimer: () => void = () => {}
  #timerAtMs = Infinity
  #closed = false
  /** Batches sent again. */
  retryCount = 0

  constructor(parts: SenderParts) {
    this.#parts = parts
    this.#search = new LeaderSearch(parts.port, (topic, error) => this.#onLookedUp(topic, error))
  }

  /** Has what is due sent in the next turn. */
  wake(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#parts.port.soon(() => {
      this.#scheduled = false
      if (!this.#closed) this.#drain()
    })
  }

  /** An uncompressed batch is complete: compresses it, then sends it. */
  compress(batch: ProducerBatch): void {
    batch.compress(this.#parts.pool).then(
      () => this.wake(),
      (thrown: unknown) => {
        if (batch.done) return
        const queue = this.#parts.accumulator.queue(batch.topic, batch.partition)
        const why = thrown instanceof Error ? thrown.message : String(thrown)
        queue.failBatch(batch, new StratalogError('SERIALIZATION_FAILED', `cannot compress: ${why}`, { cause: thrown }))
        this.wake()
      },
    )
  }

  /** Fails all that is outstanding. */
  failAll(error: StratalogError): void {
    for (const queue of this.#parts.accumulator.queues()) queue.failAll(error)
    this.#parts.accumulator.active.clear()
  }

  /** Resolves when brokers have taken what they do not acknowledge. Nothing may be outstanding or be added. */
  async finish(): Promise<void> {
    await Promise.all(Array.from(this.#links.values(), (link) => link.finish()))
  }

  /** Ends all streams; nothing is sent any more. */
  close(): void {
    this.#closed = true
    this.#cancelTimer()
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
  }

  #drain(): void {
    const { port, accumulator } = this.#parts
    const nowMs = port.now()
    const urgent = this.#parts.urgent()
    let taken = true
    while (taken) {
      taken = false
      for (const queue of accumulator.active) {
        if (!queue.hasUnsent) accumulator.active.delete(queue)
        else if (this.#sendOne(queue, nowMs, urgent)) taken = true
      }
    }
    for (const link of this.#links.values()) link.flush()
    this.#armTimer(nowMs)
  }

  /** Puts the queue's next batch on its leader's link; false when it must wait. */
  #sendOne(queue: PartitionQueue, nowMs: number, urgent: boolean): boolean {
    if (queue.leaderSuspect) {
      this.#search.request(queue)
      return false
    }
    const lookup = this.#parts.port.leaderOf(queue.topic, queue.partition)
    if (lookup.kind === 'leader' && queue.noteLeader(lookup.leaderEpoch)) this.#linkTo(lookup.broker).expectBack()
    if (!queue.prepare(nowMs, urgent)) return false
    if (lookup.kind === 'missing') {
      queue.failAll(lookup.error)
      return false
    }
    if (lookup.kind === 'unknown') {
      this.#search.request(queue)
      return false
    }
    const link = this.#linkTo(lookup.broker)
    if (!link.hasRoom(nowMs)) {
      if (link.isDown(nowMs)) this.#search.request(queue)
      return false
    }
    const { idempotence } = this.#parts
    const batch = queue.take(nowMs, idempotence?.current ?? null)
    if (batch === null) {
      idempotence?.renew(queue.identityToRenew)
      return false
    }
    if (batch.attemptCount > 1) this.retryCount++
    link.add(queue, batch, batch.finish(this.#parts.pool), lookup.topicId)
    return true
  }

  #linkTo(broker: BrokerAddress): BrokerLink {
    const name = formatAddress(broker)
    let link = this.#links.get(name)
    if (link === undefined) {
      link = new BrokerLink(broker, this.#parts.port, this.#parts.link, {
        onAck: (awaited, ack) => this.#onAck(awaited, ack),
        onError: (awaited, error) => this.#onError(broker, awaited, error),
        onRefused: (error) => this.#onRefused(broker, error),
        onLost: (awaited, error) => this.#onStreamLost(broker, awaited, error),
        onRoom: () => this.wake(),
      })
      this.#links.set(name, link)
    }
    return link
  }

  #onAck({ queue, batch }: AwaitedBatch, ack: BatchAck): void {
    this.#search.succeeded(queue)
    queue.onAck(batch, ack, this.#parts.port.now())
    this.#continue(queue)
  }

  #onError(broker: BrokerAddress, { queue, batch }: AwaitedBatch, error: StratalogError): void {
    const { port, logger } = this.#parts
    logger.debug(
      { topic: queue.topic, partition: queue.partition, attempt: batch.attemptCount, err: error },
      'batch refused',
    )
    queue.onError(batch, error, port.now())
    this.#noteLeader(queue, broker, error)
    // The topic's limit is not what it was; batches to come are filled by the new one.
    if (error.code === 'MESSAGE_TOO_LARGE') this.#search.request(queue)
    this.#continue(queue)
  }

  /** The batch is lost, as nobody waits for it; those that come after need not be. */
  #onRefused(broker: BrokerAddress, error: StratalogError): void {
    const { topic, partition } = error
    this.#parts.logger.warn({ topic, partition, err: error }, 'a batch without acknowledgement was refused and is lost')
    if (topic === null || partition === null) return
    const queue = this.#parts.accumulator.queue(topic, partition)
    this.#noteLeader(queue, broker, error)
  }

  #noteLeader(queue: PartitionQueue, broker: BrokerAddress, error: StratalogError): void {
    const known = error.leader !== null && this.#parts.port.applyLeader(error)
    if (leaderIsSuspect(error) && !known) this.#suspect(queue, broker)
  }

  /** The broker has failed the partition, which is no news if another one leads it by now. */
  #suspect(queue: PartitionQueue, broker: BrokerAddress): void {
    const lookup = this.#parts.port.leaderOf(queue.topic, queue.partition)
    if (lookup.kind === 'leader' && formatAddress(lookup.broker) !== formatAddress(broker)) return
    if (!queue.leaderSuspect && !this.#search.has(queue)) this.#parts.port.prepare(queue.topic, queue.partition)
    queue.leaderSuspect = true
  }

  #onStreamLost(broker: BrokerAddress, lost: readonly AwaitedBatch[], error: StratalogError): void {
    if (error.code === 'CLIENT_CLOSED') {
      this.failAll(error)
      return
    }
    const particulars = { broker: formatAddress(broker), batchCount: lost.length, err: error }
    this.#parts.logger.warn(particulars, 'the produce stream ended; its batches will be sent again')
    for (const { queue } of lost) this.#suspect(queue, broker)
    this.#onLost(lost, error)
  }

  #onLost(lost: readonly AwaitedBatch[], error: StratalogError): void {
    const byQueue = new Map<PartitionQueue, ProducerBatch[]>()
    for (const { queue, batch } of lost) {
      const batches = byQueue.get(queue)
      if (batches === undefined) byQueue.set(queue, [batch])
      else batches.push(batch)
    }
    for (const [queue, batches] of byQueue) {
      queue.onConnectionLost(batches, error, this.#parts.port.now())
      this.#continue(queue)
    }
    this.wake()
  }

  #onLookedUp(topic: string, error: StratalogError | null): void {
    if (this.#closed) return
    for (const queue of this.#parts.accumulator.queuesOf(topic)) {
      if (error !== null && !error.retriable) queue.failAll(error)
      else if (error === null) queue.leaderSuspect = false
    }
    if (error === null) this.#leaveSilentLinks(topic)
    this.wake()
  }

  /** What waits for a silent broker, and is led by another one by now, is sent to that one. */
  #leaveSilentLinks(topic: string): void {
    const { port, logger } = this.#parts
    for (const link of this.#links.values()) {
      for (const queue of link.silentQueues(port.now())) {
        if (queue.topic !== topic) continue
        const lookup = port.leaderOf(topic, queue.partition)
        if (lookup.kind !== 'leader' || formatAddress(lookup.broker) === formatAddress(link.broker)) continue
        const broker = formatAddress(link.broker)
        const error = new StratalogError('NETWORK_EXCEPTION', `broker ${broker} is silent and leads no more`)
        logger.warn({ broker, topic, partition: queue.partition }, 'a silent broker lost its leadership')
        this.#onLost(link.abandon(queue), error)
      }
    }
  }

  #continue(queue: PartitionQueue): void {
    if (!queue.hasUnsent) return
    this.#parts.accumulator.active.add(queue)
    this.wake()
  }

  /** Arms the one timer for whatever time alone will change: linger, backoff, and the tick. */
  #armTimer(nowMs: number): void {
    const { accumulator } = this.#parts
    let atMs = accumulator.outstandingCount > 0 ? nowMs + TICK_MS : Infinity
    for (const queue of accumulator.active) atMs = Math.min(atMs, queue.nextWakeMs(nowMs))
    for (const link of this.#links.values()) if (link.retryAtMs > nowMs) atMs = Math.min(atMs, link.retryAtMs)
    if (atMs === Infinity || (atMs >= this.#timerAtMs && this.#timerAtMs > nowMs)) return
    this.#cancelTimer()
    this.#timerAtMs = atMs
    this.#cancelTimer = this.#parts.port.after(Math.max(1, atMs - nowMs), () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timerAtMs = Infinity
    if (this.#closed) return
    const nowMs = this.#parts.port.now()
    for (const link of this.#links.values()) {
      for (const queue of link.silentQueues(nowMs)) this.#search.request(queue)
      link.checkStall(nowMs)
    }
    for (const queue of this.#parts.accumulator.queues()) queue.expire(nowMs)
    this.#drain()
  }
}
