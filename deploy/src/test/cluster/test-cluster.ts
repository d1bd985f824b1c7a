/**
 * Three real broker processes for a test, with a client, a steady producer, and what must hold at the end.
 *
 * Every record that was acknowledged is remembered with its offset; `checkAll` reads each partition to its end and finds
 * every one of them there, once and unchanged.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type Client, createClient } from '@stratalog/client'
import { createConsumer } from '@stratalog/consumer'
import { createProducer, type Producer } from '@stratalog/producer'
import { DevCluster } from '../../cluster/dev-cluster.ts'
import { TemporaryFolder } from '../temporary-folder.ts'

const DEADLINE_MS = 60_000
/** Partitions that records go to, in turn; topics have as many or more. */
const PARTITION_COUNT = 3

interface Acknowledged {
  readonly partition: number
  readonly offset: number
}

/** See the file's header. Dispose of it to stop the brokers and remove their data. */
export class TestCluster implements AsyncDisposable {
  readonly brokers: DevCluster
  readonly client: Client
  readonly #folder: TemporaryFolder
  readonly #acknowledged = new Map<string, Acknowledged>()
  #sent = 0

  private constructor(brokers: DevCluster, folder: TemporaryFolder) {
    this.brokers = brokers
    this.#folder = folder
    this.client = createClient({ bootstrap: brokers.bootstrap })
  }

  static async start(brokerCount = 3, settings: Readonly<Record<string, string>> = {}): Promise<TestCluster> {
    const folder = new TemporaryFolder()
    const brokers = await DevCluster.start({
      brokerCount,
      dataDir: folder.path,
      basePort: 0,
      settings: { 'log.level': 'info', 'shutdown.grace.ms': '2000', ...settings },
    })
    return new TestCluster(brokers, folder)
  }

  /** Data folder of a broker. */
  dataDir(brokerId: number): string {
    return join(this.#folder.path, `broker-${brokerId}`)
  }

  /** Folder for brokers that a test adds itself. */
  get path(): string {
    return this.#folder.path
  }

  /** A topic with three copies of each partition. */
  async createTopic(name: string, partitionCount = PARTITION_COUNT): Promise<void> {
    await this.client.admin.createTopic({ name, partitionCount, replicationFactor: 3 })
  }

  /** Sends records and waits for their acknowledgements. */
  async send(topic: string, count: number): Promise<void> {
    await using producer = createProducer(this.client)
    await Promise.all(Array.from({ length: count }, () => this.#sendOne(producer, topic)))
  }

  /** Sends one record after another, a few at a time, while `during` runs. @returns the longest time without an acknowledgement, ms. */
  async whileSending(topic: string, during: () => Promise<void>): Promise<number> {
    await using producer = createProducer(this.client)
    let longestMs = 0
    let done = false
    const one = async (): Promise<void> => {
      while (!done) {
        const startedMs = performance.now()
        await this.#sendOne(producer, topic)
        longestMs = Math.max(longestMs, performance.now() - startedMs)
      }
    }
    const senders = Promise.all([one(), one(), one()])
    try {
      await Promise.race([during(), senders])
    } finally {
      done = true
    }
    await senders
    return longestMs
  }

  /** Reads the topic to its end: every acknowledged record is there, once, where it was said to be. */
  async checkAll(topic: string): Promise<void> {
    const found = new Map<string, string>()
    await using consumer = createConsumer(this.client)
    const subscription = await consumer.assign({ topics: [topic], from: 'earliest', until: 'end' })
    for await (const { partition, offset, value } of subscription) {
      const text = String(value)
      assert.equal(found.has(text), false, `${text} came twice: at ${found.get(text)} and ${partition}@${offset}`)
      found.set(text, `${partition}@${offset}`)
    }
    for (const [value, { partition, offset }] of this.#acknowledged) {
      assert.equal(found.get(value), `${partition}@${offset}`, `${value} was acknowledged`)
    }
    assert.ok(this.#acknowledged.size > 0)
  }

  /** Resolves when all partitions have a leader and all of their replicas are live and caught up, and nothing moves. */
  async healthy(client: Client = this.client): Promise<void> {
    let last = ''
    await this.until(
      async () => {
        const { problems, partitions } = await client.admin.describeCluster({ timeoutMs: 5000 })
        last = problems.join('; ')
        return problems.length === 0 && partitions.moving === 0
      },
      () => `the cluster is not healthy: ${last}`,
    )
  }

  /** Resolves when `condition` holds; a condition that throws is asked again. */
  async until(condition: () => Promise<boolean>, failure: () => string): Promise<void> {
    const deadlineMs = performance.now() + DEADLINE_MS
    let cause: unknown
    while (performance.now() < deadlineMs) {
      try {
        if (await condition()) return
      } catch (error) {
        cause = error
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(failure(), { cause })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close()
    await this.brokers.stop()
    this.#folder[Symbol.dispose]()
  }

  async #sendOne(producer: Producer, topic: string): Promise<void> {
    const number = ++this.#sent
    const value = `record ${number}`
    const { partition, offset } = await producer.send({ topic, partition: number % PARTITION_COUNT, value })
    this.#acknowledged.set(value, { partition, offset })
  }
}
