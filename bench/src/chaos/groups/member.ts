/**
 * A member of a group run: the real library, offsets committed after processing, everything that happens in the history.
 *
 * Like an application under a supervisor: when its subscription ends with an error that waiting mends, it subscribes anew.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ConsumerRecord,
  createConsumer,
  type GroupSubscription,
  type HandlerContext,
  isStratalogError,
  type TopicPartition,
} from '@stratalog/consumer'
import type { GroupMemberJob, RunningClient } from '../workload/job.ts'
import { GroupHistory } from './group-history.ts'

const RETRY_MS = 200
/** Some records take longer than a turn of the event loop. */
const SLOW_CHANCE = 0.05
const SLOW_MS_MAX = 5
/** Silence after which a connection is given up: a paused broker says nothing and closes nothing. */
const STALL_TIMEOUT_MS = 3000
const FENCING: ReadonlySet<string> = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH'])

/** Starts it. */
export function groupMember(job: GroupMemberJob): RunningClient {
  const member = new Member(job)
  const running = member.run()
  // A member ends when it is told to: an end by itself is an error.
  return {
    ended: running,
    stop: async () => {
      await member.stop()
      await running
      return member.counts
    },
  }
}

class Member {
  readonly counts = { processed: 0, subscriptions: 0, commitFailures: 0 }
  readonly #job: GroupMemberJob
  readonly #history: GroupHistory
  readonly #stopping = new AbortController()
  #subscription: GroupSubscription | null = null

  constructor(job: GroupMemberJob) {
    this.#job = job
    this.#history = new GroupHistory(job.historyPath)
  }

  async run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#subscribe()
      } catch (error) {
        if (!isStratalogError(error)) throw error
        if (this.#stopping.signal.aborted) break
        console.error(new Date().toISOString(), error.code, error.message)
        if (!error.retriable && error.code !== 'UNRELEASED_INSTANCE_ID') throw error
        await sleep(RETRY_MS)
      }
    }
    this.#history.close()
  }

  /** Gives everything up in order. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#subscription?.close()
  }

  async #subscribe(): Promise<void> {
    const { bootstrap, name, group, topic, instanceId, sessionTimeoutMs, autoCommitIntervalMs } = this.#job
    await using consumer = createConsumer(
      { bootstrap, clientId: name, requestTimeoutMs: 15_000 },
      { stallTimeoutMs: STALL_TIMEOUT_MS },
    )
    const signal = this.#stopping.signal
    const subscribed: Promise<GroupSubscription> = consumer.subscribe({
      group,
      topics: [topic],
      from: 'earliest',
      instanceId: instanceId ?? undefined,
      sessionTimeoutMs,
      rebalanceTimeoutMs: 2 * sessionTimeoutMs,
      autoCommitIntervalMs,
      onAssigned: async (partitions) => {
        const { memberEpoch } = await subscribed
        this.#history.append({ kind: 'assigned', partitions: numbersOf(partitions), memberEpoch })
      },
      onRevoked: (partitions) => {
        this.#history.append({ kind: 'revoked', partitions: numbersOf(partitions) })
      },
      onLost: (partitions, { code }) => {
        this.#history.append({ kind: 'lost', partitions: numbersOf(partitions), code })
      },
    })
    const subscription = await subscribed
    this.#subscription = subscription
    this.counts.subscriptions++
    this.#history.append({ kind: 'joined', memberId: subscription.memberId })
    subscription.on('committed', (offsets) => {
      this.#history.append({ kind: 'committed', offsets: offsets.map((each) => [each.partition, each.offset]) })
    })
    subscription.on('commitFailed', ({ error }) => {
      this.counts.commitFailures++
      if (FENCING.has(error.code)) this.#history.append({ kind: 'fenced', code: error.code })
    })
    if (signal.aborted) await subscription.close()
    await subscription.run({
      handler: (record, context) => this.#process(record, context),
      concurrency: 8,
      order: 'partition',
    })
    await subscription.close()
  }

  async #process({ partition, offset }: ConsumerRecord, context: HandlerContext): Promise<void> {
    if (Math.random() < SLOW_CHANCE) await sleep(Math.random() * SLOW_MS_MAX)
    const isLate = context.signal.aborted ? { isLate: true as const } : {}
    this.#history.append({ kind: 'processed', partition, offset, ...isLate })
    this.counts.processed++
  }
}

function numbersOf(partitions: readonly TopicPartition[]): number[] {
  return partitions.map(({ partition }) => partition)
}
