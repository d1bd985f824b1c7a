/**
 * The demo's consumer group: two members, each with a client of its own, that share the partitions of the flights, read
 * what the group has not read yet, and stay to read what comes.
 *
 * Owner: the demo; dispose of it to let the members leave.
 */
import { type Client, createClient, delay, type GroupDescription, isStratalogError } from '@stratalog/client'
import { type Consumer, createConsumer, type GroupSubscription } from '@stratalog/consumer'
import { CommandError } from '../command-error.ts'
import { FLIGHTS_TOPIC } from './load-flights.ts'
import { ReadLedger } from './read-ledger.ts'

/** Group of the demo. */
export const FLIGHTS_GROUP = 'flight-readers'

const MEMBER_NAMES = ['reader-1', 'reader-2'] as const
/** A demo that was killed leaves members behind: the next one waits for their end. */
const SESSION_TIMEOUT_MS = 6_000
const COMMIT_INTERVAL_MS = 1_000
const POLL_INTERVAL_MS = 20
const SHARING_DEADLINE_MS = 60_000
/** For the members to leave, when the brokers may be on their way out too. */
const LEAVING_MS = 2_000

/** What one member has. */
export interface ReaderShare {
  readonly name: string
  readonly partitions: readonly number[]
  readonly recordCount: number
}

/** What the members have read. */
export interface ReadResult {
  readonly recordCount: number
  readonly bytes: number
  readonly durationMs: number
  /** Records that came more than once. */
  readonly repeatedCount: number
  /** Whether the group had committed anything before. */
  readonly resumed: boolean
  readonly shares: readonly ReaderShare[]
  /** The first record of some partitions, as lines for people. */
  readonly samples: readonly string[]
}

interface Member {
  readonly name: string
  readonly client: Client
  readonly consumer: Consumer
  readonly subscription: GroupSubscription
}

/** See the file's header. */
export class FlightReaders implements AsyncDisposable {
  readonly #members: readonly Member[]
  readonly #ledger = new ReadLedger()
  /** Rejects when a member cannot go on; never resolves. */
  readonly failed: Promise<never>
  #fail: (error: unknown) => void = () => {}
  #isLeaving = false

  private constructor(members: readonly Member[]) {
    this.#members = members
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    // Whoever waits hears of it; nobody has to.
    this.failed.catch(() => {})
  }

  /** Lets both members join. */
  static async join(bootstrap: string, signal: AbortSignal): Promise<FlightReaders> {
    const joined = await Promise.allSettled(MEMBER_NAMES.map((name) => joinAs(name, bootstrap, signal)))
    const readers = new FlightReaders(joined.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])))
    const failed = joined.find((each) => each.status === 'rejected')
    if (failed === undefined) return readers
    await readers[Symbol.asyncDispose]()
    throw failed.reason
  }

  /** Reads until both members are at the ends of their partitions as they are now, and commits that. */
  async readAll(admin: Client['admin'], signal: AbortSignal): Promise<ReadResult> {
    const committed = await admin.fetchOffsets(FLIGHTS_GROUP, [], { signal })
    await this.#untilShared(admin, signal)
    const startedAtMs = performance.now()
    const ends = await endsOf(admin, signal)
    for (const member of this.#members) void this.#read(member)
    await Promise.race([this.failed, this.#untilRead(ends, signal)])
    const durationMs = performance.now() - startedAtMs
    await Promise.all(this.#members.map(({ subscription }) => subscription.commit()))
    const { recordCount, bytes, repeatedCount, samples } = this.#ledger
    const resumed = committed.some(({ offset }) => offset !== null && offset > 0)
    return { recordCount, bytes, durationMs, repeatedCount, resumed, samples, shares: this.#shares() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isLeaving = true
    const left = Promise.all(
      this.#members.map(async ({ consumer, client }) => {
        await consumer.close()
        await client.close()
      }),
    )
    // The brokers may be on their way out too: then nobody takes leave of the members, and their session ends by itself.
    const patience = new AbortController()
    await Promise.race([left, delay(LEAVING_MS, patience.signal).catch(() => {})])
    patience.abort()
    await Promise.all(this.#members.map(({ client }) => client.close()))
    await left
  }

  async #read({ name, subscription }: Member): Promise<void> {
    try {
      for await (const record of subscription) this.#ledger.add(name, record)
    } catch (error) {
      if (!this.#isLeaving) this.#fail(error)
    }
  }

  /** Resolves when both members have partitions and nothing is on its way. */
  async #untilShared(admin: Client['admin'], signal: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + SHARING_DEADLINE_MS
    for (;;) {
      const seen = await admin.describeGroup(FLIGHTS_GROUP, { signal }).catch((error: unknown) => {
        // Right after a start the coordinator may be on its way.
        if (isStratalogError(error) && error.retriable) return error
        throw error
      })
      if (!isStratalogError(seen) && this.#isSharedIn(seen)) return
      if (performance.now() > deadlineMs) {
        const why = isStratalogError(seen) ? seen.message : seen.reasons.join(' ') || seen.state
        const text = `the members of group ${FLIGHTS_GROUP} do not get their partitions: ${why}`
        throw new CommandError('UNHEALTHY', text, `see: stratalog group describe ${FLIGHTS_GROUP}`)
      }
      await delay(POLL_INTERVAL_MS, signal)
    }
  }

  #isSharedIn({ state, members }: GroupDescription): boolean {
    const isShared = this.#members.every(({ subscription }) => {
      const own = members.find(({ memberId }) => memberId === subscription.memberId)
      return own !== undefined && own.assigned.length > 0 && own.assigned.length === subscription.assignment.length
    })
    return isShared && state === 'stable'
  }

  async #untilRead(ends: ReadonlyMap<number, number>, signal: AbortSignal): Promise<void> {
    const isRead = (): boolean =>
      this.#members.every(({ subscription }) =>
        subscription.assignment.every(({ partition, position }) => position >= (ends.get(partition) ?? 0)),
      )
    while (!isRead()) await delay(POLL_INTERVAL_MS, signal)
  }

  #shares(): ReaderShare[] {
    return this.#members.map(({ name, subscription }) => ({
      name,
      partitions: subscription.assignment.map(({ partition }) => partition),
      recordCount: this.#ledger.countOf(name),
    }))
  }
}

async function joinAs(name: string, bootstrap: string, signal: AbortSignal): Promise<Member> {
  const client = createClient({ bootstrap, clientId: name })
  try {
    const consumer = createConsumer(client)
    const subscription = await consumer.subscribe(
      {
        group: FLIGHTS_GROUP,
        topics: [FLIGHTS_TOPIC],
        from: 'earliest',
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        autoCommitIntervalMs: COMMIT_INTERVAL_MS,
        closeTimeoutMs: LEAVING_MS,
      },
      { signal },
    )
    return { name, client, consumer, subscription }
  } catch (error) {
    await client.close()
    throw error
  }
}

async function endsOf(admin: Client['admin'], signal: AbortSignal): Promise<Map<number, number>> {
  const [topic] = await admin.describeTopics([FLIGHTS_TOPIC], { signal })
  const queries = (topic?.partitions ?? []).map(({ partition }) => {
    return { topic: FLIGHTS_TOPIC, partition, position: 'latest' as const }
  })
  const answers = await admin.listOffsets(queries, { signal })
  const failed = answers.find(({ error }) => error !== null)
  if (failed?.error) throw failed.error
  return new Map(answers.map(({ partition, visibleEnd }) => [partition, visibleEnd]))
}
