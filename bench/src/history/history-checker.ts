/**
 * Checks a history: Jepsen's Kafka checks that apply, and ours (anomaly.ts lists them with their meanings).
 *
 * Events come in order of time over all clients (merge-events.ts). What can be told at once is told at once; what
 * needs the whole log waits for `finish`. Pure: no I/O, no clock. Memory grows with values, about 25 bytes each.
 */
import { type AnomalyCount, AnomalyLedger } from './anomaly.ts'
import { ConsumerTrack } from './consumer-track.ts'
import type { BoundsEvent, FailEvent, HistoryEvent, InfoEvent, OkEvent, PollEvent } from './history-event.ts'
import { HistoryFormatError } from './history-event.ts'
import { PartitionLedger } from './partition-ledger.ts'
import { type WriterCounts, WriterLedger } from './writer-ledger.ts'

/** What the topics promise. */
export interface CheckerOptions {
  /** Durability that acknowledgements by all must have; null = any. */
  readonly durability: string | null
}

/** What was found. */
export interface Verdict {
  /** No illegal anomaly. */
  readonly valid: boolean
  readonly anomalies: readonly AnomalyCount[]
  readonly totals: HistoryTotals
}

/** What the history held. */
export interface HistoryTotals extends WriterCounts {
  readonly events: number
  /** Records handed to consumers, final reads included. */
  readonly read: number
  readonly partitions: number
}

/** See the file's header. */
export class HistoryChecker {
  readonly #options: CheckerOptions
  readonly #anomalies = new AnomalyLedger()
  readonly #partitions = new Map<number, PartitionLedger>()
  readonly #writers = new Map<string, WriterLedger>()
  readonly #consumers = new Map<string, ConsumerTrack>()
  /** By asker and partition: the highest offset known when it asked, and the term of the leader that told of it. */
  readonly #questions = new Map<string, { readonly offset: number; readonly leader: number }>()
  #lastAt = Number.NEGATIVE_INFINITY
  #eventCount = 0
  #readCount = 0

  constructor(options: CheckerOptions = { durability: null }) {
    this.#options = options
  }

  /** The next event by time. Errors: HistoryFormatError when it is out of order or makes no sense. */
  add(event: HistoryEvent): void {
    if (event.at < this.#lastAt)
      throw new HistoryFormatError(`event at ${event.at} ms follows one at ${this.#lastAt} ms`)
    this.#lastAt = event.at
    this.#eventCount++
    switch (event.kind) {
      case 'invoke':
        this.#writer(event.producer, event.partition).invoke(event.first, event.count, event.at)
        break
      case 'ok':
        this.#ok(event)
        break
      case 'fail':
      case 'info':
        this.#unacknowledged(event)
        break
      case 'poll':
        this.#poll(event)
        break
      case 'strange':
        this.#anomalies.add(
          'invented-read',
          () => `consumer ${event.consumer}, partition ${event.partition} offset ${event.offset}: ${event.reason}`,
        )
        break
      case 'refused':
        this.#anomalies.add(
          'read-refused',
          () => `consumer ${event.consumer}, partition ${event.partition} offset ${event.offset}: ${event.reason}`,
        )
        break
      case 'place':
        this.#track(event.consumer, event.partition).place(event.offset)
        break
      case 'ask': {
        const { highest, highestLeader } = this.#partition(event.partition)
        this.#questions.set(`${event.asker}/${event.partition}`, { offset: highest, leader: highestLeader })
        break
      }
      case 'bounds':
        this.#bounds(event)
        break
      case 'final':
        this.#partition(event.partition).finalEnd = event.visibleEnd
        break
      case 'fault':
      case 'crash':
        break
    }
  }

  /** Checks what needs the whole history. To be called once, after the last event. */
  finish(): Verdict {
    const totals = { invoked: 0, ok: 0, failed: 0, unknown: 0, unknownRead: 0 }
    for (const writer of this.#writers.values()) {
      const counts = writer.finish()
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += counts[name]
    }
    for (const partition of this.#partitions.values()) partition.finish()
    for (const track of this.#consumers.values()) track.finish()
    const anomalies = this.#anomalies.counts()
    return {
      valid: anomalies.every(({ illegal }) => !illegal),
      anomalies,
      totals: { ...totals, events: this.#eventCount, read: this.#readCount, partitions: this.#partitions.size },
    }
  }

  #ok(event: OkEvent): void {
    const { producer, partition, first, count, offset, acks, durability } = event
    const writer = this.#writer(producer, partition)
    if (acks !== 'all') {
      // The leader alone may lose it, and another value may then get its offset.
      for (let sequence = first; sequence < first + count; sequence++) writer.info(sequence)
      return
    }
    if (this.#options.durability !== null && durability !== this.#options.durability) {
      this.#anomalies.add(
        'weak-acknowledgement',
        () => `value ${producer}/${first} of partition ${partition}: ${durability}, not ${this.#options.durability}`,
      )
    }
    for (let index = 0; index < count; index++)
      writer.ok(first + index, offset < 0 ? -1 : offset + index, event.leader ?? Number.POSITIVE_INFINITY)
    writer.settled(first + count)
    const ledger = this.#partition(partition)
    if (offset + count > 1) ledger.firstLaterOkMs = Math.min(ledger.firstLaterOkMs, event.at)
  }

  #unacknowledged(event: FailEvent | InfoEvent): void {
    const writer = this.#writer(event.producer, event.partition)
    const end = event.first + event.count
    for (let sequence = event.first; sequence < end; sequence++) writer[event.kind](sequence)
    writer.settled(end)
  }

  #poll(event: PollEvent): void {
    const partition = this.#partition(event.partition)
    const track = this.#track(event.consumer, event.partition)
    const by = `consumer ${event.consumer}`
    let isInternal = false
    for (const [offset, producer, first, count] of event.runs) {
      const writer = this.#writer(producer, event.partition)
      for (let index = 0; index < count; index++) {
        track.read(offset + index, isInternal)
        isInternal = true
        writer.read(first + index, offset + index, event.leader ?? Number.POSITIVE_INFINITY, by)
        partition.noteRead(offset + index, event.epoch)
      }
      this.#readCount += count
    }
  }

  #bounds(event: BoundsEvent): void {
    const { partition, asker, epoch = Number.POSITIVE_INFINITY, visibleEnd, highWatermark, logStart } = event
    const known = this.#questions.get(`${asker}/${partition}`)
    if (known === undefined) throw new HistoryFormatError(`asker ${asker} got bounds of ${partition} without asking`)
    const told = `asker ${asker} was told that partition ${partition} is ${logStart}..${visibleEnd}, high watermark ${highWatermark}, by the leader of epoch ${epoch}`
    if (visibleEnd <= known.offset) {
      this.#anomalies.add(
        epoch < known.leader ? 'stale-end' : 'read-above-end',
        () => `${told}, and offset ${known.offset} was known from the leader of epoch ${known.leader} before it asked`,
      )
    }
    if (visibleEnd > highWatermark || logStart !== 0) this.#anomalies.add('end-order', () => told)
  }

  #partition(number: number): PartitionLedger {
    let ledger = this.#partitions.get(number)
    if (ledger === undefined) {
      ledger = new PartitionLedger(number, this.#anomalies)
      this.#partitions.set(number, ledger)
    }
    return ledger
  }

  #writer(producer: number, partition: number): WriterLedger {
    const key = `${producer}/${partition}`
    let writer = this.#writers.get(key)
    if (writer === undefined) {
      writer = new WriterLedger(producer, this.#partition(partition), this.#anomalies)
      this.#writers.set(key, writer)
    }
    return writer
  }

  #track(consumer: number, partition: number): ConsumerTrack {
    const key = `${consumer}/${partition}`
    let track = this.#consumers.get(key)
    if (track === undefined) {
      track = new ConsumerTrack(consumer, this.#partition(partition), this.#anomalies)
      this.#consumers.set(key, track)
    }
    return track
  }
}
