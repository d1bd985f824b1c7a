/** What a producer has done, counted by batches so that it costs nothing per record. */
import type { ProducerBatch } from './producer-batch.ts'
import type { BatchAck } from './record-ack.ts'

/** Counters since the producer was made, and what it holds now. */
export interface ProducerStats {
  readonly recordsAcknowledged: number
  readonly recordsFailed: number
  readonly batchesAcknowledged: number
  readonly batchesFailed: number
  /** Batches whose retry found that an earlier attempt had been written. */
  readonly batchesDuplicate: number
  /** Attempts after the first. */
  readonly retryCount: number
  /** Bytes of records taken and not settled. */
  readonly bufferedBytes: number
  /** Batches not settled. */
  readonly outstandingBatchCount: number
  /** Sends that wait for room. */
  readonly waitingSendCount: number
}

/** What the producer holds now. */
export type ProducerGauges = Pick<
  ProducerStats,
  'retryCount' | 'bufferedBytes' | 'outstandingBatchCount' | 'waitingSendCount'
>

/** See the head of this file. */
export class ProducerCounters {
  #recordsAcknowledged = 0
  #recordsFailed = 0
  #batchesAcknowledged = 0
  #batchesFailed = 0
  #batchesDuplicate = 0

  acknowledged(batch: ProducerBatch, ack: BatchAck): void {
    this.#batchesAcknowledged++
    this.#recordsAcknowledged += batch.recordCount
    if (ack.duplicate) this.#batchesDuplicate++
  }

  failed(batch: ProducerBatch): void {
    this.#batchesFailed++
    this.#recordsFailed += batch.recordCount
  }

  read(gauges: ProducerGauges): ProducerStats {
    return {
      recordsAcknowledged: this.#recordsAcknowledged,
      recordsFailed: this.#recordsFailed,
      batchesAcknowledged: this.#batchesAcknowledged,
      batchesFailed: this.#batchesFailed,
      batchesDuplicate: this.#batchesDuplicate,
      ...gauges,
    }
  }
}
