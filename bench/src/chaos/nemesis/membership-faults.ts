/** What operators do to a healthy cluster, and what must not be noticed: leaderships and replicas moved, brokers drained. */
import { isStratalogError } from '@stratalog/client'
import { type FaultContext, type FaultKind, pick, shuffled } from './fault.ts'

const CALM = { damages: false, holdMsMin: 500, holdMsMax: 4000 } as const
const CALL = { timeoutMs: 10_000 } as const
/** How long an operator goes on trying what will pass, ms. */
const PATIENCE_MS = 30_000
const REPLICA_COUNT = 3

/** By name. */
export const MEMBERSHIP_FAULTS = {
  transfer: {
    ...CALM,
    text: 'leaderships handed to other brokers, three in a row',
    brokersMin: 3,
    begin: async ({ cluster, partitions, random }) => {
      const moves: string[] = []
      for (const { topic, partition } of shuffled(random, partitions).slice(0, 3)) {
        const replicas = await replicasOf(topic, partition, cluster)
        const to = pick(random, replicas)
        const refusal = await operate(() => cluster.client.admin.transferLeader(topic, partition, to, CALL))
        moves.push(`${topic}-${partition} to ${to}${refusal}`)
      }
      return { detail: moves.join(', '), end: async () => {} }
    },
  },
  drain: {
    ...CALM,
    text: 'a broker put into maintenance, stopped, started and taken back',
    brokersMin: 3,
    begin: async ({ cluster, random }) => {
      const broker = cluster.broker(pick(random, cluster.ids))
      const { admin } = cluster.client
      const refusal = await operate(() => admin.drainBroker(broker.brokerId, {}, CALL))
      const isStopped = random() < 0.5
      if (isStopped) await broker.stop()
      const end = async (): Promise<void> => {
        await broker.start()
        const stuck = await operate(() => admin.drainBroker(broker.brokerId, { undo: true }, CALL))
        if (stuck !== '') throw new Error(`broker ${broker.brokerId} is not taken back${stuck}`)
      }
      return { detail: `broker ${broker.brokerId}${refusal}${isStopped ? ', stopped' : ''}`, end }
    },
  },
  move: {
    ...CALM,
    text: 'a partition moved to other brokers',
    brokersMin: REPLICA_COUNT + 1,
    begin: async ({ cluster, partitions, random }) => {
      const { topic, partition } = pick(random, partitions)
      const replicas = shuffled(random, cluster.ids).slice(0, REPLICA_COUNT)
      const move = { topic, partition, replicas }
      const refusal = await operate(() => cluster.client.admin.movePartition(move, CALL))
      return { detail: `${topic}-${partition} to ${replicas.join(' ')}${refusal}`, end: async () => {} }
    },
  },
  'move-cancelled': {
    ...CALM,
    text: 'a partition moved to other brokers, and the move cancelled',
    brokersMin: REPLICA_COUNT + 1,
    holdMsMin: 0,
    holdMsMax: 300,
    begin: async ({ cluster, partitions, random }) => {
      const { topic, partition } = pick(random, partitions)
      const replicas = shuffled(random, cluster.ids).slice(0, REPLICA_COUNT)
      const { admin } = cluster.client
      const refusal = await operate(() => admin.movePartition({ topic, partition, replicas }, CALL))
      const end = async (): Promise<void> => {
        // Refused when it was done before.
        await operate(() => admin.cancelMove(topic, partition, CALL))
      }
      return { detail: `${topic}-${partition} to ${replicas.join(' ')}${refusal}`, end }
    },
  },
} as const satisfies Record<string, FaultKind>

async function replicasOf(topic: string, partition: number, cluster: FaultContext['cluster']): Promise<number[]> {
  const [metadata] = await cluster.client.admin.describeTopics([topic], CALL)
  return [...(metadata?.partitions.find((each) => each.partition === partition)?.replicas ?? cluster.ids)]
}

/**
 * Goes on until it is done, or refused for a reason that does not pass: '' or a note of the refusal. A cluster that has
 * not recovered yet is right to refuse.
 */
async function operate(operation: () => Promise<unknown>): Promise<string> {
  const deadlineMs = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      await operation()
      return ''
    } catch (error) {
      if (!isStratalogError(error)) throw error
      if (!error.retriable || performance.now() > deadlineMs) return ` (refused: ${error.code})`
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}
