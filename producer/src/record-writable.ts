/**
 * A Node stream into a producer.
 *
 * A write is done when the producer had room for it, which is the backpressure; `finish` comes when all records are
 * acknowledged. The first record that fails destroys the stream with its error; records after it may have been written.
 */
import { Writable } from 'node:stream'
import type { ProducerRecord } from './record.ts'
import type { RecordAck } from './record-ack.ts'

/** What the stream needs of a producer. */
export interface RecordSink<K, V> {
  send(record: ProducerRecord<K, V>): Promise<RecordAck>
  ready(): Promise<void>
  flush(): Promise<void>
}

const RECORDS_WAITING_MAX = 1024

/** See the head of this file. */
export class RecordWritable<K, V> extends Writable {
  readonly #sink: RecordSink<K, V>
  readonly #topic: string | undefined

  /** @param topic for chunks that are values; left out when chunks are whole records. */
  constructor(sink: RecordSink<K, V>, topic: string | undefined) {
    super({ objectMode: true, highWaterMark: RECORDS_WAITING_MAX, decodeStrings: false })
    this.#sink = sink
    this.#topic = topic
  }

  override _write(chunk: ProducerRecord<K, V> | V, _encoding: string, done: (error?: Error | null) => void): void {
    const record =
      this.#topic === undefined ? (chunk as ProducerRecord<K, V>) : { topic: this.#topic, value: chunk as V }
    this.#sink.send(record).catch((error: Error) => this.destroy(error))
    this.#sink.ready().then(() => done(), done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#sink.flush().then(() => setImmediate(done), done)
  }
}
