/** A real broker with topics, and consumers of it: for tests of groups from end to end. */
import assert from 'node:assert/strict'
import { startTestBroker, type TestBroker } from '@stratalog/broker/testing'
import { type Client, createClient } from '@stratalog/client'
import {
  type Consumer,
  type ConsumerRecord,
  createConsumer,
  type GroupSubscription,
  type SubscribeOptions,
} from '../../index.ts'

const DEADLINE_MS = 20_000

/** Waits until a condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, `did not come to pass: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Numbers from `from` up to `to` (exclusive). */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

/** A member, and how it came by its records. */
export class TestMember {
  readonly client: Client
  readonly consumer: Consumer
  subscription!: GroupSubscription
  /** `topic-partition`, sorted. */
  readonly log: string[] = []
  readonly seen: ConsumerRecord[] = []

  constructor(bootstrap: string) {
    this.client = createClient({ bootstrap })
    this.consumer = createConsumer(this.client)
  }

  get owned(): string[] {
    return this.subscription.assignment.map(({ topic, partition }) => `${topic}-${partition}`).sort()
  }

  /** Ends without a word to the coordinator, as a process that is killed. */
  async kill(): Promise<void> {
    await this.client.close()
  }
}

/** See the file's header. */
export class GroupWorld implements AsyncDisposable {
  readonly broker: TestBroker
  readonly client: Client
  readonly #members: TestMember[] = []

  constructor(broker: TestBroker) {
    this.broker = broker
    this.client = createClient({ bootstrap: broker.bootstrap })
  }

  /** @param partitionCount of topic `t`; 0 = no topic. */
  static async start(partitionCount: number, heartbeatIntervalMs = 500): Promise<GroupWorld> {
    const settings = {
      'group.heartbeat.interval.ms': heartbeatIntervalMs,
      'group.session.timeout.ms': 6_000,
      'group.min.session.timeout.ms': 500,
      'offsets.topic.partitions': 2,
    }
    const world = new GroupWorld(await startTestBroker({ settings }))
    if (partitionCount > 0) await world.client.admin.createTopic({ name: 't', partitionCount })
    return world
  }

  /** A member of group `g`, subscribed to topic `t`. */
  async join(options: Partial<SubscribeOptions> = {}): Promise<TestMember> {
    const member = new TestMember(this.broker.bootstrap)
    this.#members.push(member)
    const topics = options.topicPattern === undefined ? ['t'] : undefined
    member.subscription = await member.consumer.subscribe({
      group: 'g',
      topics,
      from: 'earliest',
      sessionTimeoutMs: 2_000,
      closeTimeoutMs: 2_000,
      ...options,
    })
    return member
  }

  /** Writes values, with keys if they are given, to a partition. */
  async write(partition: number, values: readonly (number | string)[], topic = 't'): Promise<void> {
    const records = values.map((value) => ({ key: String(value).split(':')[0]!, value: String(value) }))
    const acks = await this.client.admin.produceRecords({ topic, partition, records })
    for (const { error } of acks) assert.equal(error, null)
  }

  /** Committed offsets of topic `t` by partition; -1 = none. */
  async committed(partitionCount: number): Promise<number[]> {
    const selection = [{ topic: 't', partitions: range(0, partitionCount) }]
    const offsets = await this.client.admin.fetchOffsets('g', selection)
    return range(0, partitionCount).map(
      (partition) => offsets.find((offset) => offset.partition === partition)?.offset ?? -1,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { consumer, client } of this.#members) {
      await consumer.close()
      await client.close()
    }
    await this.client.close()
    await this.broker[Symbol.asyncDispose]()
  }
}
