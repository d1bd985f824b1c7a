/**
 * Random valid histories for the checker's tests: a tiny log of several partitions with concurrent producers, control
 * batches that take offsets, values of unknown outcome that were written or not, refused ones, seeks and final reads.
 * Deterministic by its random numbers.
 */
import type { HistoryEvent } from './history-event.ts'

/** Draws from [0, 1). */
export type Random = () => number

interface Slot {
  readonly producer: number
  readonly sequence: number
  readonly epoch: number
}

interface Reader {
  readonly consumer: number
  position: number
}

interface RandomPartition {
  readonly partition: number
  /** null = a control batch. */
  readonly log: (Slot | null)[]
  readonly nextSequences: number[]
  readonly readers: Reader[]
  epoch: number
}

/** What to generate. */
export interface RandomHistoryOptions {
  readonly steps: number
  readonly producers: number
  readonly partitions: number
  readonly consumers: number
}

/** A history without anomalies (but for send-skip), in order of time. */
export function randomHistory(random: Random, options: RandomHistoryOptions): HistoryEvent[] {
  return new RandomHistory(random, options).run()
}

class RandomHistory {
  readonly #random: Random
  readonly #options: RandomHistoryOptions
  readonly #events: HistoryEvent[] = []
  readonly #partitions: RandomPartition[]
  #at = 0

  constructor(random: Random, options: RandomHistoryOptions) {
    this.#random = random
    this.#options = options
    this.#partitions = Array.from({ length: options.partitions }, (_, partition) => ({
      partition,
      log: [],
      nextSequences: Array.from({ length: options.producers }, () => 0),
      readers: Array.from({ length: options.consumers }, (_, consumer) => ({ consumer, position: 0 })),
      epoch: 1,
    }))
  }

  run(): HistoryEvent[] {
    for (const partition of this.#partitions) {
      for (const { consumer } of partition.readers) this.#push({ kind: 'place', consumer, ...at(partition), offset: 0 })
    }
    for (let step = 0; step < this.#options.steps; step++) {
      const partition = this.#partitions[this.#below(this.#partitions.length)]!
      const choice = this.#random()
      if (choice < 0.5) this.#send(partition)
      else if (choice < 0.9) this.#poll(partition, partition.readers[this.#below(partition.readers.length)]!)
      else if (choice < 0.94) this.#elect(partition)
      else if (choice < 0.97) this.#seek(partition, partition.readers[this.#below(partition.readers.length)]!)
      else this.#ask(partition)
    }
    for (const partition of this.#partitions) this.#finish(partition)
    return this.#events
  }

  #send(partition: RandomPartition): void {
    const producer = this.#below(this.#options.producers)
    const first = partition.nextSequences[producer]!
    const count = 1 + this.#below(3)
    partition.nextSequences[producer] = first + count
    const values = { producer, ...at(partition), first, count }
    this.#push({ kind: 'invoke', ...values })
    const outcome = this.#random()
    if (outcome < 0.05) {
      this.#push({ kind: 'fail', ...values, error: 'RECORD_TOO_LARGE' })
      return
    }
    const isWritten = outcome < 0.8 || outcome >= 0.9
    const offset = partition.log.length
    if (isWritten) {
      for (let index = 0; index < count; index++) {
        partition.log.push({ producer, sequence: first + index, epoch: partition.epoch })
      }
    }
    if (outcome < 0.8)
      this.#push({ kind: 'ok', ...values, offset, acks: 'all', durability: 'fsynced', leader: partition.epoch })
    else this.#push({ kind: 'info', ...values, error: 'DELIVERY_TIMED_OUT' })
  }

  #poll(partition: RandomPartition, reader: Reader): void {
    while (partition.log[reader.position] === null) reader.position++
    const runs: [number, number, number, number][] = []
    const epoch = partition.log[reader.position]?.epoch
    for (let room = 1 + this.#below(8); room > 0; room--) {
      const slot = partition.log[reader.position]
      if (slot === undefined || slot === null || slot.epoch !== epoch) break
      const last = runs.at(-1)
      if (last !== undefined && last[1] === slot.producer && last[2] + last[3] === slot.sequence) last[3]++
      else runs.push([reader.position, slot.producer, slot.sequence, 1])
      reader.position++
    }
    if (epoch === undefined) return
    this.#push({ kind: 'poll', consumer: reader.consumer, ...at(partition), epoch, runs })
  }

  #elect(partition: RandomPartition): void {
    partition.epoch++
    if (partition.log.length > 0) partition.log.push(null)
  }

  #seek(partition: RandomPartition, reader: Reader): void {
    reader.position = this.#below(partition.log.length + 1)
    this.#push({ kind: 'place', consumer: reader.consumer, ...at(partition), offset: reader.position })
  }

  #ask(partition: RandomPartition): void {
    const asker = this.#below(2)
    this.#push({ kind: 'ask', asker, ...at(partition) })
    this.#push({ kind: 'bounds', asker, ...at(partition), epoch: partition.epoch, logStart: 0, ...ends(partition) })
  }

  #finish(partition: RandomPartition): void {
    const reader = { consumer: this.#options.consumers, position: 0 }
    this.#push({ kind: 'place', consumer: reader.consumer, ...at(partition), offset: 0 })
    while (partition.log.slice(reader.position).some((slot) => slot !== null)) this.#poll(partition, reader)
    this.#push({ kind: 'final', ...at(partition), ...ends(partition) })
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #push(event: HistoryEvent): void {
    this.#at += this.#random()
    this.#events.push({ ...event, at: this.#at })
  }
}

function at({ partition }: RandomPartition): { at: number; partition: number } {
  return { at: 0, partition }
}

function ends({ log }: RandomPartition): { visibleEnd: number; highWatermark: number } {
  return { visibleEnd: log.findLastIndex((slot) => slot !== null) + 1, highWatermark: log.length }
}
