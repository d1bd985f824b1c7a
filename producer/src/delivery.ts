/**
 * Who waits for the records of a batch: runs of records that were sent the same way, so that a record costs its
 * promise and nothing else.
 *
 * Invariant: each run is settled exactly once, by its batch.
 */
import { invariant, StratalogError } from '@stratalog/proto'
import { type BatchAck, type RecordAck, SendBatchError } from './record-ack.ts'

/** Consecutive records of one batch, from `firstDelta` on, whose senders are told the same way. */
export interface DeliveryRun {
  readonly recordCount: number
  /** The run's records `[start, end)`, of which the first has `firstDelta` in another batch; this run is given up. */
  slice(start: number, end: number, firstDelta: number): DeliveryRun
  acknowledged(topic: string, partition: number, ack: BatchAck): void
  failed(error: StratalogError): void
}

/** Resolves the promise of one record. */
export type ResolveAck = (ack: RecordAck) => void
/** Rejects it. */
export type RejectAck = (error: StratalogError) => void

/** Records with a promise each. */
export class SendRun implements DeliveryRun {
  readonly #firstDelta: number
  readonly #resolves: ResolveAck[] = []
  readonly #rejects: RejectAck[] = []
  readonly #timestamps: number[] = []

  constructor(firstDelta: number) {
    this.#firstDelta = firstDelta
  }

  get recordCount(): number {
    return this.#resolves.length
  }

  /** Adds the record after the last. */
  add(timestamp: number, resolve: ResolveAck, reject: RejectAck): void {
    this.#timestamps.push(timestamp)
    this.#resolves.push(resolve)
    this.#rejects.push(reject)
  }

  slice(start: number, end: number, firstDelta: number): SendRun {
    const run = new SendRun(firstDelta)
    for (let index = start; index < end; index++) {
      run.add(this.#timestamps[index]!, this.#resolves[index]!, this.#rejects[index]!)
    }
    return run
  }

  acknowledged(topic: string, partition: number, ack: BatchAck): void {
    for (let index = 0; index < this.#resolves.length; index++) {
      this.#resolves[index]!(recordAck(topic, partition, ack, this.#firstDelta + index, this.#timestamps[index]!))
    }
  }

  failed(error: StratalogError): void {
    for (const reject of this.#rejects) reject(error)
  }
}

/** Records of one `sendBatch` call that landed in one batch. */
export class BulkRun implements DeliveryRun {
  readonly bulk: BulkSend
  readonly #firstDelta: number
  readonly #indexes: number[] = []
  readonly #timestamps: number[] = []

  constructor(firstDelta: number, bulk: BulkSend) {
    this.#firstDelta = firstDelta
    this.bulk = bulk
  }

  get recordCount(): number {
    return this.#indexes.length
  }

  /** Adds the record after the last. @param index its place in the call's array. */
  add(timestamp: number, index: number): void {
    this.#timestamps.push(timestamp)
    this.#indexes.push(index)
  }

  slice(start: number, end: number, firstDelta: number): BulkRun {
    const run = new BulkRun(firstDelta, this.bulk)
    for (let at = start; at < end; at++) run.add(this.#timestamps[at]!, this.#indexes[at]!)
    return run
  }

  acknowledged(topic: string, partition: number, ack: BatchAck): void {
    for (let at = 0; at < this.#indexes.length; at++) {
      const timestamp = this.#timestamps[at]!
      this.bulk.settle(this.#indexes[at]!, recordAck(topic, partition, ack, this.#firstDelta + at, timestamp))
    }
  }

  failed(error: StratalogError): void {
    for (const index of this.#indexes) this.bulk.settle(index, error)
  }
}

/** Records that nobody waits for. */
export class UnawaitedRun implements DeliveryRun {
  recordCount = 0

  slice(start: number, end: number): UnawaitedRun {
    const run = new UnawaitedRun()
    run.recordCount = end - start
    return run
  }

  acknowledged(): void {}

  failed(): void {}
}

/** One `sendBatch` call: collects what became of its records. */
export class BulkSend {
  readonly promise: Promise<RecordAck[]>
  readonly #results: (RecordAck | StratalogError)[]
  #unsettledCount: number
  #failed = false
  #resolve: (acks: RecordAck[]) => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor(recordCount: number) {
    this.#results = new Array(recordCount)
    this.#unsettledCount = recordCount
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (recordCount === 0) this.#resolve([])
  }

  /** Tells what became of the record at `index`; once for each. */
  settle(index: number, result: RecordAck | StratalogError): void {
    invariant(this.#results[index] === undefined, 'a record is settled once')
    this.#results[index] = result
    if (result instanceof StratalogError) this.#failed = true
    this.#unsettledCount--
    if (this.#unsettledCount > 0) return
    if (!this.#failed) {
      this.#resolve(this.#results as RecordAck[])
      return
    }
    const failures = this.#results.filter((one) => one instanceof StratalogError)
    this.#reject(new SendBatchError(this.#results, failures))
  }
}

function recordAck(topic: string, partition: number, ack: BatchAck, delta: number, timestamp: number): RecordAck {
  return {
    topic,
    partition,
    offset: ack.baseOffset < 0 ? -1 : ack.baseOffset + delta,
    timestamp: ack.logAppendTimeMs < 0 ? timestamp : ack.logAppendTimeMs,
    durability: ack.durability,
    leaderEpoch: ack.leaderEpoch,
    duplicate: ack.duplicate,
  }
}
