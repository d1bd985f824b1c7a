/**
 * A broker that must survive bad input: it holds acknowledged records, and after each attack it must still have them
 * and still take more.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { AdminService, FetchService, MetadataService, ProduceService, type stratalog } from '@stratalog/proto'
import { decodeBatchSync, iterateBatches } from '@stratalog/proto/records'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from './test-broker.ts'
import { WireClient } from './wire-client.ts'

/** Values of the records in fetched data, in order. */
export function valuesOf(data: readonly stratalog.v1.FetchData.$Properties[]): string[] {
  const values: string[] = []
  for (const { recordBatches } of data) {
    if (!recordBatches) continue
    const bytes = Buffer.from(recordBatches)
    for (const { position } of iterateBatches(bytes)) {
      const reader = decodeBatchSync(bytes, position)
      for (let record = reader.next(); record !== null; record = reader.next()) values.push(String(record.value))
    }
  }
  return values
}

/** Reads a partition from its beginning to `endOffset`. */
export async function readUpTo(client: WireClient, topic: string, endOffset: number): Promise<string[]> {
  const stream = client.stream(FetchService.fetchStream)
  stream.send({ starts: [{ handle: 1, topic, partition: 0, offset: 0, creditBytes: 1 << 20, endOffset }] })
  await stream.next((message) => {
    const failed = message.data.find((data) => data.error)
    if (failed) throw new Error(`reading ${topic} failed: ${failed.error?.message}`)
    return message.data.some((data) => data.endReached)
  }, `the end of ${topic}`)
  stream.cancel()
  return valuesOf(stream.received.flatMap((message) => message.data))
}

/** A broker with acknowledged records in the topic `kept`. */
export class KeptRecords {
  readonly broker: TestBroker
  readonly client: WireClient
  readonly #acknowledged: string[] = []
  /** Exclusive; offsets of new leaders' control batches lie between the records after restarts. */
  #endOffset = 0

  private constructor(broker: TestBroker, client: WireClient) {
    this.broker = broker
    this.client = client
  }

  /** Starts the broker, and stops it with the test. */
  static async start(t: TestContext, options: TestBrokerOptions = {}): Promise<KeptRecords> {
    const broker = await startTestBroker(options)
    const client = new WireClient(broker.bootstrap)
    t.after(async () => {
      client[Symbol.dispose]()
      await broker[Symbol.asyncDispose]()
    })
    const kept = new KeptRecords(broker, client)
    await client.call(AdminService.createTopic, { name: 'kept' })
    for (let i = 0; i < 3; i++) await kept.add()
    return kept
  }

  /** Writes another record, which must be acknowledged. */
  async add(): Promise<void> {
    const value = `record ${this.#acknowledged.length}`
    const { acks } = await this.client.call(ProduceService.produceRecords, {
      topic: 'kept',
      records: [{ value: Buffer.from(value) }],
    })
    assert.equal(acks[0]?.error ?? null, null)
    const offset = acks[0]?.offset ?? -1
    assert.ok(offset >= this.#endOffset, `offset ${offset} was given out before`)
    this.#endOffset = offset + 1
    this.#acknowledged.push(value)
  }

  /** All acknowledged records can be read. */
  async assertReadable(): Promise<void> {
    assert.deepEqual(await readUpTo(this.client, 'kept', this.#endOffset), this.#acknowledged)
  }

  /** The broker serves: nothing acknowledged is lost, more is taken, and it calls itself healthy. */
  async assertUnharmed(): Promise<void> {
    await this.add()
    await this.assertReadable()
    const { problems } = await this.client.call(MetadataService.describeCluster, {})
    assert.deepEqual(problems, [])
  }
}
