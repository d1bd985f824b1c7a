/** Faults of one broker's disk: full, slow, failing, its files damaged, gone or old. */
import { cp, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChaosBroker } from '../broker/chaos-broker.ts'
import type { WatchedPartition } from '../broker/cluster-health.ts'
import { type ActiveFault, type FaultContext, type FaultKind, pick, someLeader } from './fault.ts'

const DISK = { brokersMin: 3, holdMsMin: 1000, holdMsMax: 6000 } as const

/** Longest time until a flipped bit has been found, ms: a check of all segments takes seconds. */
const FIND_TIMEOUT_MS = 180_000

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
    text: 'a bit flips in a segment of a broker that is down; nobody reads it, the broker has to find it by itself',
    damages: true,
    holdMsMin: 100,
    holdMsMax: 1000,
    begin: async (context) => {
      const broker = context.cluster.broker(pick(context.random, context.cluster.ids))
      const where = pick(context.random, context.partitions)
      await broker.kill()
      const flipped = await flipBit(broker, where, context)
      const end = async (): Promise<void> => {
        await broker.start()
        await replaced(flipped)
      }
      return { detail: `broker ${broker.brokerId}: ${describeFlip(flipped)}`, end }
    },
  },
  'flip-up': {
    ...DISK,
    text: 'a bit flips in a segment of a broker that runs; nobody reads it, the broker has to find it by itself',
    damages: true,
    begin: async (context) => {
      const broker = context.cluster.broker(pick(context.random, context.cluster.ids))
      const flipped = await flipBit(broker, pick(context.random, context.partitions), context)
      return { detail: `broker ${broker.brokerId}: ${describeFlip(flipped)}`, end: () => replaced(flipped) }
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

/** A byte of a segment, as it was left with one bit flipped. */
interface FlippedBit {
  readonly path: string
  readonly position: number
  readonly bit: number
  readonly byte: number
}

/** Null when there is nothing to flip. */
async function flipBit(
  broker: ChaosBroker,
  where: WatchedPartition,
  context: FaultContext,
): Promise<FlippedBit | null> {
  const segment = await someSegment(broker, where, context)
  if (segment === null) return null
  const { path } = segment
  const position = Math.floor(context.random() * segment.bytes)
  const bit = Math.floor(context.random() * 8)
  const file = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, position)
    byte[0]! ^= 1 << bit
    await file.write(byte, 0, 1, position)
    return { path, position, bit, byte: byte[0]! }
  } finally {
    await file.close()
  }
}

function describeFlip(flipped: FlippedBit | null): string {
  return flipped === null ? 'nothing to flip' : `bit ${flipped.bit} of byte ${flipped.position} of ${flipped.path}`
}

/** Waits until the flipped byte is no more: found, and its copy given up, or cut off with the log. */
async function replaced(flipped: FlippedBit | null): Promise<void> {
  if (flipped === null) return
  const deadlineMs = performance.now() + FIND_TIMEOUT_MS
  while ((await byteAt(flipped)) === flipped.byte) {
    if (performance.now() > deadlineMs) throw new Error(`${describeFlip(flipped)} has not been found`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** Null when the file is gone or shorter. */
async function byteAt({ path, position }: FlippedBit): Promise<number | null> {
  const bytes = await readFile(path).catch(() => null)
  return bytes?.[position] ?? null
}

async function cutSegment(broker: ChaosBroker, context: FaultContext): Promise<string> {
  const segment = await someSegment(broker, pick(context.random, context.partitions), context)
  if (segment === null) return 'nothing to cut'
  const bytes = Math.floor(context.random() * segment.bytes)
  await truncate(segment.path, bytes)
  return `${segment.path} cut from ${segment.bytes} to ${bytes} bytes`
}
