/**
 * A call about several partitions, split by leader, with one retry of what went to a broker that no longer leads.
 *
 * Each question has exactly one outcome, in the order asked.
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { type BrokerAddress, formatAddress } from './address.ts'
import type { CallOptions } from './admin-types.ts'
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

/** See the head of this file. Rejects only when the signal ends it. */
export async function leaderCall<Q extends PartitionQuestion, A extends PartitionAnswer>(
  client: Client,
  questions: readonly Q[],
  options: CallOptions,
  ask: AskBroker<Q, A>,
): Promise<Outcome<A>[]> {
  const outcomes = await round(client, questions, options, ask)
  const stale = outcomes.flatMap((outcome, index) => (leaderMoved(outcome) ? [index] : []))
  if (stale.length === 0) return outcomes
  const topics = new Set(stale.map((index) => questions[index]!.topic))
  await client.metadata.refresh([...topics], options).catch(() => {})
  const again = await round(
    client,
    stale.map((index) => questions[index]!),
    options,
    ask,
  )
  stale.forEach((index, position) => {
    outcomes[index] = again[position]!
  })
  return outcomes
}

function leaderMoved<A extends PartitionAnswer>(outcome: Outcome<A>): boolean {
  const error = outcome instanceof StratalogError ? outcome : outcome.error
  return (
    isStratalogError(error, 'NOT_LEADER_OR_FOLLOWER') ||
    isStratalogError(error, 'BROKER_NOT_AVAILABLE') ||
    isStratalogError(error, 'NETWORK_EXCEPTION')
  )
}

async function round<Q extends PartitionQuestion, A extends PartitionAnswer>(
  client: Client,
  questions: readonly Q[],
  options: CallOptions,
  ask: AskBroker<Q, A>,
): Promise<Outcome<A>[]> {
  const outcomes = new Array<Outcome<A>>(questions.length)
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
        outcomes[index] = settle(error)
      }
    }),
  )
  await Promise.all(
    [...groups.values()].map(async ({ broker, indexes }) => {
      let answers: readonly A[] | StratalogError
      try {
        answers = await ask(
          broker,
          indexes.map((index) => questions[index]!),
          options,
        )
      } catch (error) {
        answers = settle(error)
      }
      indexes.forEach((index, position) => {
        outcomes[index] =
          answers instanceof StratalogError
            ? answers
            : (answers[position] ?? new StratalogError('UNKNOWN_SERVER_ERROR', 'the broker answered too few questions'))
      })
    }),
  )
  return outcomes
}

function settle(error: unknown): StratalogError {
  if (isStratalogError(error) && error.code !== 'CANCELLED' && error.code !== 'CLIENT_CLOSED') return error
  throw error
}
