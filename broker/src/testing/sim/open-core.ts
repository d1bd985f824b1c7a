/** Starts the real core of a broker on what the simulation gives it. */
import { BrokerCore } from '../../broker-core.ts'
import type { BrokerCoreLimits } from '../../broker-core-options.ts'
import { beginRun } from '../../cluster/runs.ts'
import { InlineCompactionEngine } from '../../log/compaction-rounds.ts'
import type { PeerIdentity } from '../../peer/peer-port.ts'
import { TEST_GROUPS } from '../group-settings.ts'
import type { SimBroker } from './sim-broker.ts'
import { METADATA_DIRECTORY, TOPICS_DIRECTORY } from './sim-folders.ts'
import { peerAddressOf } from './sim-network.ts'
import type { SimProcess } from './sim-process.ts'

const MEBIBYTE = 1024 * 1024
const LIMITS: BrokerCoreLimits = {
  partition: {
    uncommittedBytesMax: 4 * MEBIBYTE,
    producerCountMax: 1000,
    producerIdExpirationMs: 24 * 3600 * 1000,
  },
  flushConcurrencyMax: 8,
  tailCacheBytes: MEBIBYTE,
  openFilesMax: 100,
  indexCacheBytes: MEBIBYTE,
  catchUpBytesPerSecond: 100 * MEBIBYTE,
  retentionCheckMs: 60_000,
  scrubBytesPerSecond: MEBIBYTE,
  scrubIntervalMs: 5000,
  compactionBackoffMs: 1000,
  compactionBytesPerSecond: 0,
  compactionMapBytes: 1024 * 1024,
}
/** Clients of a simulation call brokers directly. */
const CLIENT_PORT = 9400

/** Resolves when the broker is part of its cluster. @param created called before anything of the core has begun. */
export async function openCore(
  broker: SimBroker,
  process: SimProcess,
  created: (core: BrokerCore) => void,
): Promise<BrokerCore> {
  const { id, disk, clock, cluster, startCount } = broker
  const { world, options } = cluster
  const { fileSystem, store } = disk
  const random = world.random(10_000 * id + startCount)
  const randomBytes = (count: number) => Buffer.from(Array.from({ length: count }, () => random.below(256)))
  const runs = await beginRun(store, randomBytes)
  let registeredAt: number | null = null
  const identity = (): PeerIdentity => ({
    clusterId: disk.clusterId,
    brokerId: id,
    directoryId: disk.directoryId,
    runs,
    registeredAt,
    version: 'simulated',
  })
  const controllerIds = Array.from({ length: options.controllerCount }, (_, i) => i + 1)
  return await BrokerCore.start({
    identity,
    rack: '',
    controllers: new Map(controllerIds.map((each) => [each, peerAddressOf(each)])),
    join: [],
    clientAddress: { host: 'sim', port: CLIENT_PORT + id },
    peerAddress: peerAddressOf(id),
    network: cluster.network.open(broker, process, identity),
    dataDirectory: null,
    topicsDirectory: TOPICS_DIRECTORY,
    metadataDirectory: METADATA_DIRECTORY,
    topicDefaults: new Map(),
    fileSystem,
    store,
    clock: clock.for(process),
    random: () => random.next(),
    randomBytes,
    newClusterId: () => `cluster-${random.below(2 ** 31).toString(16)}`,
    onRegistered: async (clusterId, metadataOffset) => {
      registeredAt = metadataOffset
      disk.clusterId = clusterId
    },
    onFatal: (error) => process.fail(error as Error),
    process: () => ({ pid: startCount, version: 'simulated', startedAtMs: 0, isStopping: false }),
    limits: LIMITS,
    compactionEngine: new InlineCompactionEngine(),
    groups: TEST_GROUPS,
    logger: {
      info: (fields, message) => broker.log('info', fields, message),
      warn: (fields, message) => broker.log('warn', fields, message),
      error: (fields, message) => broker.log('error', fields, message),
    },
    onCreated: created,
  })
}
