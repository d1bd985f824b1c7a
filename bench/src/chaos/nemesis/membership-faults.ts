/** What operators do to a healthy cluster, and what must not be noticed: leaderships and replicas moved, brokers drained. */
import { type FaultKind, pick, shuffled } from './fault.ts'

const CALM = { damages: false, holdMsMin: 500, holdMsMax: 4000 } as const
const CALL = { timeoutMs: 20_000 } as const
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
        const to = pick(random, cluster.ids)
        await cluster.client.admin.transferLeader(topic, partition, to, CALL)
        moves.push(`${topic}-${partition} to ${to}`)
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
      await admin.drainBroker(broker.brokerId, {}, CALL)
      const isStopped = random() < 0.5
      if (isStopped) await broker.stop()
      const end = async (): Promise<void> => {
        await broker.start()
        await admin.drainBroker(broker.brokerId, { undo: true }, CALL)
      }
      return { detail: `broker ${broker.brokerId}${isStopped ? ', stopped' : ''}`, end }
    },
  },
  move: {
    ...CALM,
    text: 'a partition moved to other brokers',
    brokersMin: REPLICA_COUNT + 1,
    begin: async ({ cluster, partitions, random }) => {
      const { topic, partition } = pick(random, partitions)
      const replicas = shuffled(random, cluster.ids).slice(0, REPLICA_COUNT)
      await cluster.client.admin.movePartition({ topic, partition, replicas }, CALL)
      return { detail: `${topic}-${partition} to ${replicas.join(' ')}`, end: async () => {} }
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
      await admin.movePartition({ topic, partition, replicas }, CALL)
      const end = async (): Promise<void> => {
        await admin.cancelMove(topic, partition, CALL).catch((error: unknown) => {
          // It was done before.
          if ((error as { code?: unknown }).code !== 'NO_REASSIGNMENT_IN_PROGRESS') throw error
        })
      }
      return { detail: `${topic}-${partition} to ${replicas.join(' ')}`, end }
    },
  },
} as const satisfies Record<string, FaultKind>
