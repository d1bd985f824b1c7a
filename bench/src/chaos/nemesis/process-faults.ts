/** Faults of processes: killed, paused, stopped, all at once, their power cut. */
import type { ChaosBroker } from '../broker/chaos-broker.ts'
import { untilHealthy } from '../broker/cluster-health.ts'
import { type ActiveFault, type FaultContext, type FaultKind, pick, shuffled, someLeader } from './fault.ts'

const PLAIN = { brokersMin: 1, damages: false, holdMsMin: 500, holdMsMax: 6000 } as const

/** By name. */
export const PROCESS_FAULTS = {
  kill: {
    ...PLAIN,
    text: 'kill -9 of a broker, started again later',
    begin: async ({ cluster, random }) => down(cluster.broker(pick(random, cluster.ids))),
  },
  'kill-leader': {
    ...PLAIN,
    text: 'kill -9 of the leader of a partition',
    begin: async (context) => down(context.cluster.broker(await someLeader(context))),
  },
  'kill-twice': {
    ...PLAIN,
    text: 'kill -9 of a broker, and again while it comes back',
    holdMsMax: 1500,
    begin: async ({ cluster, random }) => {
      const broker = cluster.broker(pick(random, cluster.ids))
      await broker.kill()
      const starting = broker.start().catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, 100 + random() * 900))
      await broker.kill()
      await starting
      return { detail: `broker ${broker.brokerId}`, end: () => broker.start() }
    },
  },
  'kill-all': {
    ...PLAIN,
    text: 'kill -9 of all brokers at once',
    holdMsMax: 2000,
    begin: async ({ cluster }) => {
      await Promise.all(cluster.brokers.map((broker) => broker.kill()))
      return { detail: 'all brokers', end: () => startAll(cluster.brokers) }
    },
  },
  'power-loss': {
    ...PLAIN,
    text: 'the power of all brokers fails: unsynced bytes dropped, the last write torn',
    holdMsMax: 1000,
    begin: powerLoss,
  },
  pause: {
    ...PLAIN,
    text: 'SIGSTOP of the leader of a partition, past the election timeout',
    holdMsMin: 2000,
    begin: async (context) => {
      const broker = context.cluster.broker(await someLeader(context))
      broker.pause()
      return { detail: `broker ${broker.brokerId}`, end: async () => broker.resume() }
    },
  },
  hiccup: {
    ...PLAIN,
    text: 'SIGSTOP of a broker about as long as an election takes',
    holdMsMin: 300,
    holdMsMax: 1500,
    begin: async ({ cluster, random }) => {
      const broker = cluster.broker(pick(random, cluster.ids))
      broker.pause()
      return { detail: `broker ${broker.brokerId}`, end: async () => broker.resume() }
    },
  },
  'pause-two': {
    ...PLAIN,
    text: 'SIGSTOP of two brokers, resumed one after another',
    brokersMin: 3,
    holdMsMin: 1500,
    holdMsMax: 4000,
    begin: async ({ cluster, random }) => {
      const [first, second] = shuffled(random, cluster.brokers) as [ChaosBroker, ChaosBroker]
      first.pause()
      second.pause()
      return {
        detail: `brokers ${first.brokerId} and ${second.brokerId}`,
        end: async () => {
          first.resume()
          await new Promise((resolve) => setTimeout(resolve, 500))
          second.resume()
        },
      }
    },
  },
  stop: {
    ...PLAIN,
    text: 'SIGTERM of a broker, started again later',
    begin: async (context) => {
      const broker = context.cluster.broker(await someLeader(context))
      await broker.stop()
      return { detail: `broker ${broker.brokerId}`, end: () => broker.start() }
    },
  },
  'rolling-restart': {
    ...PLAIN,
    text: 'every broker stopped and started in turn',
    holdMsMin: 0,
    holdMsMax: 500,
    begin: async (context) => {
      const order = shuffled(context.random, context.cluster.brokers)
      for (const broker of order) {
        await broker.stop()
        await broker.start()
        await untilServed(context)
      }
      return { detail: order.map(({ brokerId }) => brokerId).join(', '), end: async () => {} }
    },
  },
} as const satisfies Record<string, FaultKind>

async function powerLoss({ cluster, random }: FaultContext): Promise<ActiveFault> {
  const seeds = cluster.brokers.map(() => Math.floor(random() * 2 ** 32))
  const reports = await Promise.all(cluster.brokers.map((broker, index) => broker.losePower(seeds[index]!)))
  const lost = reports.map((report, index) => {
    if (report === null) return `broker ${index + 1} had ended`
    const { lostBytes, tornPaths, undoneNameCount } = report
    return `broker ${index + 1}: ${lostBytes} bytes lost, ${tornPaths.length} torn, ${undoneNameCount} names`
  })
  return { detail: lost.join('; '), end: () => startAll(cluster.brokers) }
}

async function down(broker: ChaosBroker): Promise<{ detail: string; end: () => Promise<void> }> {
  await broker.kill()
  return { detail: `broker ${broker.brokerId}`, end: () => broker.start() }
}

async function startAll(brokers: readonly ChaosBroker[]): Promise<void> {
  await Promise.all(brokers.map((broker) => broker.start()))
}

/** As an operator does between two restarts. */
async function untilServed({ cluster, partitions }: FaultContext): Promise<void> {
  await untilHealthy(cluster, partitions, 30_000)
}

/** Faults that no promise survives: they show that the suite sees what it looks for, and are never drawn. */
export const FATAL_FAULTS = {
  'lying-power-loss': {
    ...PLAIN,
    text: 'as power-loss, after a while in which no sync did anything',
    holdMsMin: 0,
    holdMsMax: 0,
    begin: async (context) => {
      const { brokers } = context.cluster
      for (const broker of brokers) await broker.setDisk({ syncLies: true })
      await new Promise((resolve) => setTimeout(resolve, 4000))
      const active = await powerLoss({ ...context, random: () => 0 })
      return {
        ...active,
        end: async () => {
          for (const broker of brokers) await broker.setDisk({})
          await active.end()
        },
      }
    },
  },
} as const satisfies Record<string, FaultKind>
