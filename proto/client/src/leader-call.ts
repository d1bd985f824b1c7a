/**
 * A call about several partitions, split by leader. What went to a broker that no longer leads, or has no leader at the
 * moment, is asked again for as long as an election takes.
 *
 * Each question has exactly one outcome, in the order asked.
 */
import { type ErrorName, isStratalogError, StratalogError } from '@stratalog/proto'
import { delay } from './abort.ts'
import { type BrokerAddress, formatAddress } from './address.ts'
import type { CallOptions } from './admin-types.ts'
import { backoffDelayMs, RETRY_BACKOFF } from './backoff.ts'
import type { Client } from './client.ts'

interface PartitionQuestion {
  readonly topic: string
  readonly partition: number
}

interface PartitionAnswer {
  readonly error: StratalogError | null
}

type Outcome<A> = A | StratalogError

/** Asks one broker the questions about partitions that it leads; answers in order. */
type AskBroker<Q, A> = (broker: BrokerAddress, questions: readonly Q[], options: CallOptions) => Promise<A[]>

/** How long it goes on; the deadline of the call, if that is sooner. */
const PATIENCE_MS = 5_000

/** Errors that another leader, or the same a moment later, does away with. */
const PASSING: ReadonlySet<ErrorName> = new Set([
  'BROKER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'LEADER_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'NOT_LEADER_OR_FOLLOWER',
  'OFFSET_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'SHUTTING_DOWN',
  'STORAGE_ERROR',
  'UNKNOWN_LEADER_EPOCH',
] as const)

/** See the head of this file. Rejects only when the signal ends it. */
export async function leaderCall<Q extends PartitionQuestion, A extends PartitionAnswer>(
  client: Client,
  questions: readonly Q[],
  options: CallOptions,
  ask: AskBroker<Q, A>,
): Promise<Outcome<A>[]> {
  const { signal, timeoutMs = client.options.requestTimeoutMs } = options
  const deadlineMs = Date.now() + timeoutMs
  const patientUntilMs = Math.min(deadlineMs, Date.now() + PATIENCE_MS)
  const outcomes = new Array<Outcome<A>>(questions.length)
  let due = questions.map((_, index) => index)
  for (let failureCount = 1; ; failureCount++) {
    const round: CallOptions = { signal, timeoutMs: Math.max(1, deadlineMs - Date.now()) }
    const asked = due.map((index) => questions[index]!)
    const answers = await askLeaders(client, asked, round, ask)
    due.forEach((index, position) => {
      outcomes[index] = answers[position]!.outcome
    })
    due = due.filter((_, position) => answers[position]!.mayPass)
    const pauseMs = backoffDelayMs(failureCount, RETRY_BACKOFF, Math.random)
    if (due.length === 0 || Date.now() + pauseMs >= patientUntilMs) return outcomes
    await delay(pauseMs, signal)
    const topics = new Set(due.map((index) => questions[index]!.topic))
    await client.metadata.refresh([...topics], { signal }).catch(settle)
  }
}

/** What came of one question in one round, and whether it is worth another. */
interface Reply<A> {
  readonly outcome: Outcome<A>
  readonly mayPass: boolean
}

async function askLeaders<Q extends PartitionQuestion, A extends PartitionAnswer>(
  client: Client,
  questions: readonly Q[],
  options: CallOptions,
  ask: AskBroker<Q, A>,
): Promise<Reply<A>[]> {
  const replies = new Array<Reply<A>>(questions.length)
  const groups = new Map<string, { readonly broker: BrokerAddress; readonly indexes: number[] }>()
  await Promise.all(
    questions.map(async ({ topic, partition }, index) => {
      try {
        const broker = await client.metadata.leader(topic, partition, options)
        const key = formatAddress(broker)
        const group = groups.get(key) ?? { broker, indexes: [] }
        group.indexes.push(index)
        groups.set(key, group)
      } catch (error) {
        const outcome = settle(error)
        // That no broker at all can be reached does not pass in a moment.
        replies[index] = { outcome, mayPass: PASSING.has(outcome.code) && outcome.code !== 'BROKER_NOT_AVAILABLE' }
      }
    }),
  )
  await Promise.all(
    [...groups.values()].map(async ({ broker, indexes }) => {
      const asked = indexes.map((index) => questions[index]!)
      const answers = await ask(broker, asked, options).catch(settle)
      indexes.forEach((index, position) => {
        const outcome =
          answers instanceof StratalogError
            ? answers
            : (answers[position] ?? new StratalogError('UNKNOWN_SERVER_ERROR', 'the broker answered too few questions'))
        const error = outcome instanceof StratalogError ? outcome : outcome.error
        if (error !== null) noteLeader(client, questions[index]!, error)
        replies[index] = { outcome, mayPass: error !== null && PASSING.has(error.code) }
      })
    }),
  )
  return replies
}

function noteLeader(client: Client, { topic, partition }: PartitionQuestion, { leader }: StratalogError): void {
  if (leader === null || leader.host === null || leader.port === null) return
  const broker = { brokerId: leader.leaderId, host: leader.host, port: leader.port }
  client.metadata.applyLeader(topic, partition, { leader: broker, leaderEpoch: leader.leaderEpoch })
}

/** What became of a call that failed; ends the whole when it was the caller's wish. */
function settle(error: unknown): StratalogError {
  if (isStratalogError(error) && error.code !== 'CANCELLED' && error.code !== 'CLIENT_CLOSED') return error
  throw error
}
