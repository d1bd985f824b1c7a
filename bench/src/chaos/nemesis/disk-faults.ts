/** Faults of one broker's disk: full, slow, failing, its files damaged, gone or old. */
import { cp, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { isStratalogError } from '@stratalog/client'
import { createConsumer } from '@stratalog/consumer'
import type { ChaosBroker } from '../broker/chaos-broker.ts'
import type { WatchedPartition } from '../broker/cluster-health.ts'
import { type ActiveFault, type FaultContext, type FaultKind, pick, someLeader } from './fault.ts'

const DISK = { brokersMin: 3, holdMsMin: 1000, holdMsMax: 6000 } as const

/** Longest time until a damaged copy has been found or been read, ms. */
const FIND_TIMEOUT_MS = 60_000

/** By name. */
export const DISK_FAULTS = {
  'disk-full': {
    ...DISK,
    text: "a broker's disk is full",
    damages: false,
    begin: async (context) => {
      const broker = context.cluster.broker(await someLeader(context))
      await broker.setDisk({ isFull: true })
      return { detail: `broker ${broker.brokerId}`, end: () => healed(broker) }
    },
  },
  'slow-disk': {
    ...DISK,
    text: 'each fsync of a broker takes 100 to 600 ms longer',
    damages: false,
    begin: async (context) => {
      const broker = context.cluster.broker(await someLeader(context))
      const syncDelayMs = 100 + Math.floor(context.random() * 500)
      await broker.setDisk({ syncDelayMs })
      return { detail: `broker ${broker.brokerId}, ${syncDelayMs} ms`, end: () => healed(broker) }
    },
  },
  'sync-fails': {
    ...DISK,
    text: 'every fsync of a broker fails with EIO; it is killed and started afterwards',
    damages: true,
    holdMsMax: 3000,
    begin: async (context) => {
      const broker = context.cluster.broker(await someLeader(context))
      broker.mayEnd(true)
      await broker.setDisk({ syncFails: true })
      const end = async (): Promise<void> => {
        await healed(broker)
        // Whoever may have lost what it wrote is started anew.
        await broker.kill()
        await broker.start()
      }
      return { detail: `broker ${broker.brokerId}`, end }
    },
  },
  'flip-down': {
    ...DISK,
    text: 'a bit flips in a segment of a broker that is down; later it is to lead, and all is read',
    damages: true,
    holdMsMin: 100,
    holdMsMax: 1000,
    begin: async (context) => {
      const broker = context.cluster.broker(pick(context.random, context.cluster.ids))
      const where = pick(context.random, context.partitions)
      const generation = await generationOn(broker, where, context)
      await broker.kill()
      const what = await flipBit(broker, where, context)
      const end = async (): Promise<void> => {
        await broker.start()
        await readFrom(broker, where, generation, context)
      }
      return { detail: `broker ${broker.brokerId}: ${what}`, end }
    },
  },
  'flip-up': {
    ...DISK,
    text: 'a bit flips in a segment of a broker that runs; later it is killed, is to lead, and all is read',
    damages: true,
    begin: async (context) => {
      const broker = context.cluster.broker(pick(context.random, context.cluster.ids))
      const where = pick(context.random, context.partitions)
      const generation = await generationOn(broker, where, context)
      const what = await flipBit(broker, where, context)
      const end = async (): Promise<void> => {
        // What the broker still has in memory is right; the disk is read once it has lost that.
        await broker.kill()
        await broker.start()
        await readFrom(broker, where, generation, context)
      }
      return { detail: `broker ${broker.brokerId}: ${what}`, end }
    },
  },
  truncate: {
    ...DISK,
    text: 'a segment of a broker that is down is cut',
    damages: true,
    holdMsMin: 100,
    holdMsMax: 1000,
    begin: async (context) => whileDown(context, (broker) => cutSegment(broker, context)),
  },
  wipe: {
    ...DISK,
    text: "a broker's data folder is deleted",
    damages: true,
    begin: async (context) =>
      whileDown(context, async (broker) => {
        await rm(broker.options.dataDir, { recursive: true, force: true })
        return 'data folder deleted'
      }),
  },
  'lost-partition': {
    ...DISK,
    text: 'the folder of one partition of a broker is deleted',
    damages: true,
    begin: async (context) =>
      whileDown(context, async (broker) => {
        const folder = folderOf(broker, pick(context.random, context.partitions))
        await rm(folder, { recursive: true, force: true })
        return `${folder} deleted`
      }),
  },
  'stale-disk': {
    ...DISK,
    text: "a broker's data folder is replaced by a copy from some seconds before",
    damages: true,
    holdMsMin: 2000,
    begin: async (context) => {
      const broker = context.cluster.broker(pick(context.random, context.cluster.ids))
      const { dataDir } = broker.options
      const copy = join(context.scratch, 'copy')
      await broker.kill()
      await cp(dataDir, copy, { recursive: true })
      await broker.start()
      const end = async (): Promise<void> => {
        await broker.kill()
        await rm(dataDir, { recursive: true, force: true })
        await cp(copy, dataDir, { recursive: true })
        await broker.start()
      }
      return { detail: `broker ${broker.brokerId}`, end }
    },
  },
} as const satisfies Record<string, FaultKind>

/** A broker that ended by itself is started again. */
async function healed(broker: ChaosBroker): Promise<void> {
  await broker.setDisk({})
  await broker.start()
  broker.mayEnd(false)
}

async function whileDown(
  context: FaultContext,
  damage: (broker: ChaosBroker) => Promise<string>,
): Promise<ActiveFault> {
  const broker = context.cluster.broker(pick(context.random, context.cluster.ids))
  await broker.kill()
  const what = await damage(broker)
  return { detail: `broker ${broker.brokerId}: ${what}`, end: () => broker.start() }
}

function folderOf(broker: ChaosBroker, { topic, partition }: WatchedPartition): string {
  return join(broker.options.dataDir, 'topics', `${topic}-${partition}`)
}

/** A segment file with something in it. */
async function someSegment(
  broker: ChaosBroker,
  where: WatchedPartition,
  context: FaultContext,
): Promise<{ path: string; bytes: number } | null> {
  const folder = folderOf(broker, where)
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.log')).sort()
  const files = await Promise.all(
    names.map(async (name) => ({ path: join(folder, name), bytes: (await stat(join(folder, name))).size })),
  )
  const filled = files.filter(({ bytes }) => bytes > 0)
  return filled.length === 0 ? null : pick(context.random, filled)
}

async function flipBit(broker: ChaosBroker, where: WatchedPartition, context: FaultContext): Promise<string> {
  const segment = await someSegment(broker, where, context)
  if (segment === null) return 'nothing to flip'
  const position = Math.floor(context.random() * segment.bytes)
  const bit = Math.floor(context.random() * 8)
  const file = await open(segment.path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, position)
    byte[0]! ^= 1 << bit
    await file.write(byte, 0, 1, position)
  } finally {
    await file.close()
  }
  return `bit ${bit} of byte ${position} of ${segment.path}`
}

async function described({ topic, partition }: WatchedPartition, { cluster }: FaultContext) {
  const partitions = await cluster.client.admin.describePartitions({ topics: [topic] }, { timeoutMs: 5000 })
  return partitions.find((each) => each.partition === partition)
}

async function generationOn(broker: ChaosBroker, where: WatchedPartition, context: FaultContext): Promise<number> {
  const partition = await described(where, context)
  return partition?.replicas.find(({ brokerId }) => brokerId === broker.brokerId)?.generation ?? 0
}

/**
 * Makes the broker lead and reads the whole partition, so that damage is met: nobody looks for it otherwise, and damage
 * of another copy meanwhile would be one too many. A copy of a later generation has been rebuilt: the damage was found.
 */
async function readFrom(
  broker: ChaosBroker,
  where: WatchedPartition,
  generation: number,
  context: FaultContext,
): Promise<void> {
  const { cluster } = context
  const deadlineMs = performance.now() + FIND_TIMEOUT_MS
  for (;;) {
    try {
      if ((await generationOn(broker, where, context)) > generation) return
      if ((await described(where, context))?.leaderId === broker.brokerId) break
      await cluster.client.admin.transferLeader(where.topic, where.partition, broker.brokerId, { timeoutMs: 5000 })
    } catch (error) {
      if (!isStratalogError(error)) throw error
    }
    if (performance.now() > deadlineMs) {
      throw new Error(`broker ${broker.brokerId} does not come to lead ${where.topic}-${where.partition}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  await using consumer = createConsumer(cluster.client, { stallTimeoutMs: 5000 })
  const what = { partitions: [where], from: 'earliest', until: 'end' } as const
  const subscription = await consumer.assign(what, { signal: AbortSignal.timeout(FIND_TIMEOUT_MS) })
  for await (const _ of subscription.batches());
}

async function cutSegment(broker: ChaosBroker, context: FaultContext): Promise<string> {
  const segment = await someSegment(broker, pick(context.random, context.partitions), context)
  if (segment === null) return 'nothing to cut'
  const bytes = Math.floor(context.random() * segment.bytes)
  await truncate(segment.path, bytes)
  return `${segment.path} cut from ${segment.bytes} to ${bytes} bytes`
}
