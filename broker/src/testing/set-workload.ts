/**
 * Idempotent producers that write to a {@link ReplicaSet} through failures, and the proof that nothing acknowledged was
 * lost, changed, doubled or reordered.
 *
 * Each producer keeps up to five batches in flight; after an error it sends again from its first unanswered batch on, as
 * the producer library does.
 */
import assert from 'node:assert/strict'
import { decodeBatchSync, iterateBatches } from '@stratalog/proto/records'
import type { Partition } from '../partition/partition.ts'
import { clientBatch } from './client-batches.ts'
import type { ReplicaSet } from './replica-set.ts'

const IN_FLIGHT_MAX = 5

/** One producer. */
class Writer {
  readonly producerId: number
  /** Offset of each batch by its sequence; batches have one record. */
  readonly acknowledged = new Map<number, number>()
  /** What must not have happened. */
  readonly failures: string[] = []
  #next = 0
  #inFlight = 0
  /** Answers to what was sent before an error mean nothing any more: everything is sent again. */
  #attempt = 0
  #resend = false

  constructor(producerId: number) {
    this.producerId = producerId
  }

  /** Sends what fits to a copy that serves. */
  send(partition: Partition, batchCount: number, valueBytes: number): void {
    if (this.#resend) {
      this.#resend = false
      this.#attempt++
      this.#inFlight = 0
      this.#next = this.acknowledged.size
    }
    while (this.#inFlight < IN_FLIGHT_MAX && this.#next < batchCount && !this.#resend)
      this.#sendNext(partition, valueBytes)
  }

  /** What was in flight may never be answered. */
  lostTouch(): void {
    this.#resend = true
  }

  #sendNext(partition: Partition, valueBytes: number): void {
    const sequence = this.#next++
    const attempt = this.#attempt
    this.#inFlight++
    const { producerId } = this
    const batch = clientBatch(`p${producerId}.${sequence}`, { producerId, baseSequence: sequence, valueBytes })
    partition.produce(batch, { acks: 'all', timeoutMs: 1e9 }, (outcome) => {
      if (attempt !== this.#attempt) return
      this.#inFlight--
      if (outcome.kind === 'error') {
        // Answers come in order: what follows one that was refused for now is out of order only for that.
        const isFollower = this.#resend
        this.#resend = true
        if (outcome.error.retriable || isFollower) return
        this.failures.push(`p${producerId}.${sequence}: ${outcome.error.code} ${outcome.error.message}`)
      } else if (!this.#resend) {
        if (sequence !== this.acknowledged.size) this.failures.push(`p${producerId}.${sequence}: answered out of order`)
        this.acknowledged.set(sequence, outcome.baseOffset)
      }
    })
  }
}

/** See the file's header. */
export class SetWorkload {
  readonly #set: ReplicaSet
  readonly #writers: readonly Writer[]
  readonly #batchCount: number
  readonly #valueBytes: number
  #servedBy: Partition | null = null

  constructor(set: ReplicaSet, options: { batchCount: number; writerCount?: number; valueBytes?: number }) {
    this.#set = set
    this.#batchCount = options.batchCount
    this.#valueBytes = options.valueBytes ?? 0
    this.#writers = Array.from({ length: options.writerCount ?? 2 }, (_, i) => new Writer(i + 1))
  }

  get isDone(): boolean {
    return this.#writers.every(({ acknowledged }) => acknowledged.size === this.#batchCount)
  }

  get acknowledgedCount(): number {
    return this.#writers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0)
  }

  /** Sends to whoever serves. */
  step(): void {
    const { leaderId } = this.#set
    if (leaderId === null) return
    const leader = this.#set.at(leaderId)
    if (leader !== this.#servedBy) for (const writer of this.#writers) writer.lostTouch()
    this.#servedBy = leader
    for (const writer of this.#writers) {
      assert.deepEqual(writer.failures, [])
      writer.send(leader, this.#batchCount, this.#valueBytes)
    }
  }

  /** Every acknowledged batch is where its acknowledgement said; every batch at most once, and in its producer's order. */
  async verify(partition: Partition): Promise<void> {
    const found = await labelsIn(partition)
    const byLabel = new Map<string, number>()
    const last = new Map<string, number>()
    for (const [offset, label] of found) {
      assert.equal(byLabel.has(label), false, `${label} is there twice`)
      byLabel.set(label, offset)
      const [producer, sequence] = label.split('.') as [string, string]
      assert.equal(Number(sequence), (last.get(producer) ?? -1) + 1, `${label} after ${producer}.${last.get(producer)}`)
      last.set(producer, Number(sequence))
    }
    for (const { producerId, acknowledged } of this.#writers) {
      for (const [sequence, offset] of acknowledged) {
        assert.equal(byLabel.get(`p${producerId}.${sequence}`), offset, `p${producerId}.${sequence} was acknowledged`)
      }
    }
  }
}

/** Labels of all records committed in a copy, by offset. */
export async function labelsIn(partition: Partition): Promise<Map<number, string>> {
  const labels = new Map<number, string>()
  for (let next: number = partition.bounds().logStartOffset; ; ) {
    const { bytes, nextOffset } = await partition.readCommitted(next, 1 << 20)
    if (bytes === null) return labels
    for (const { position } of iterateBatches(bytes)) {
      for (const record of decodeBatchSync(bytes, position)) {
        labels.set(record.offset, record.value!.toString().trimEnd().replace(/-0$/, ''))
      }
    }
    next = nextOffset
  }
}
