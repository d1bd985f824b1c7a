/**
 * Every setting of a broker, in one table: name, type, range, default and documentation.
 *
 * docs/config.md is rendered from it and a test holds the two together. Names are dotted; the environment variable
 * of a setting is `STRATALOG_` and the name in capitals with `__` for each dot. Defaults of topics
 * (`topic.defaults.*`) come from the controller's own table of topic configs, see topic-defaults.ts.
 */
import { HOST_PORT_PATTERN } from './host-port.ts'
import { boolean, choice, integer, type Setting, text } from './setting.ts'

const KIB = 1024
const MIB = 1024 * KIB
const HOUR_MS = 3_600_000

/** The values of all settings. Sizes are bytes, times are milliseconds. */
export interface Settings {
  readonly 'broker.id': number
  readonly 'broker.rack': string
  readonly 'data.dir': string
  readonly listen: string
  readonly advertised: string
  readonly 'peer.listen': string
  readonly 'peer.advertised': string
  readonly 'cluster.id': string
  readonly controllers: string
  readonly join: string
  readonly 'log.level': 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  readonly 'reflection.enabled': boolean
  readonly 'shutdown.grace.ms': number
  readonly 'produce.timeout.default.ms': number
  readonly 'produce.timeout.max.ms': number
  readonly 'producer.id.expiration.ms': number
  readonly 'retention.check.ms': number
  readonly 'log.scrub.bytes.per.second': number
  readonly 'log.scrub.interval.ms': number
  readonly 'log.cleaner.backoff.ms': number
  readonly 'log.cleaner.io.max.bytes.per.second': number
  readonly 'log.cleaner.dedupe.buffer.size': number
  readonly 'open.files.max': number
  readonly 'flush.concurrency.max': number
  readonly 'index.cache.bytes': number
  readonly 'tail.cache.bytes': number
  readonly 'replication.catch.up.bytes.per.second': number
  readonly 'replay.bytes.per.second': number
  readonly 'limits.partition.uncommitted.bytes': number
  readonly 'limits.partition.producers.max': number
  readonly 'limits.connections.max': number
  readonly 'limits.connection.streams.max': number
  readonly 'limits.message.bytes.max': number
  readonly 'limits.produce.unanswered.bytes': number
  readonly 'limits.produce.connection.unanswered.bytes': number
  readonly 'limits.fetch.credit.bytes.max': number
  readonly 'limits.fetch.outstanding.bytes': number
  readonly 'limits.fetch.connection.outstanding.bytes': number
  readonly 'limits.fetch.handles.max': number
  readonly 'limits.write.stall.ms': number
  readonly 'fetch.heartbeat.ms': number
  readonly 'offsets.topic.partitions': number
  readonly 'offsets.topic.checkpoint.bytes': number
  readonly 'offsets.retention.ms': number
  readonly 'group.assignor': 'uniform' | 'range'
  readonly 'group.heartbeat.interval.ms': number
  readonly 'group.session.timeout.ms': number
  readonly 'group.min.session.timeout.ms': number
  readonly 'group.max.session.timeout.ms': number
  readonly 'group.rebalance.timeout.ms': number
  readonly 'group.max.size': number
}

const OPTIONAL_HOST_PORT = new RegExp(`^$|${HOST_PORT_PATTERN.source}`)

/** The pattern above without its anchors. */
const HOST_PORT = HOST_PORT_PATTERN.source.slice(1, -1)
const HOST_PORT_LIST = new RegExp(`^$|^${HOST_PORT}(,${HOST_PORT})*$`)
/** `ID@HOST:PORT,ID@HOST:PORT,...`. */
const CONTROLLER_LIST = new RegExp(`^$|^\\d{1,5}@${HOST_PORT}(,\\d{1,5}@${HOST_PORT})*$`)

/** The table. */
export const SETTINGS: { readonly [Name in keyof Settings]: Setting<Settings[Name]> } = {
  'broker.id': integer({
    default: 1,
    min: 0,
    max: 65_535,
    doc: 'Number of this broker, unique in its cluster. It is written into the data folder at the first start and cannot change afterwards.',
  }),
  'broker.rack': text({ default: '', doc: 'Failure domain of this broker, such as a host or a zone; empty for none.' }),
  'data.dir': text({
    default: './data',
    pattern: /\S/,
    allowed: 'a path',
    doc: 'Folder of all that the broker keeps. It is created when missing; a folder with other things in it is refused.',
  }),
  listen: text({
    default: '127.0.0.1:9400',
    pattern: HOST_PORT_PATTERN,
    allowed: 'HOST:PORT, port 0 to 65535 (0: any free one)',
    doc: 'Address that the broker accepts connections on.',
  }),
  advertised: text({
    default: '',
    pattern: OPTIONAL_HOST_PORT,
    allowed: 'HOST:PORT, or empty',
    doc: 'Address that clients are told to connect to. When empty, each client is told the address at which it reached the broker, which is right unless something translates addresses in between.',
  }),
  'peer.listen': text({
    default: '127.0.0.1:9500',
    pattern: HOST_PORT_PATTERN,
    allowed: 'HOST:PORT, port 0 to 65535 (0: any free one)',
    doc: 'Address that other brokers of the cluster connect to. A broker that is its only controller and is asked to join nobody listens here too, so that others can join it.',
  }),
  'peer.advertised': text({
    default: '',
    pattern: OPTIONAL_HOST_PORT,
    allowed: 'HOST:PORT, or empty',
    doc: 'Address that other brokers are told to connect to; the one of peer.listen when empty, which other hosts can only reach if it is neither a loopback address nor 0.0.0.0.',
  }),
  'cluster.id': text({
    default: '',
    pattern: /^[\w-]{0,64}$/,
    allowed: 'up to 64 letters, digits, _ and -, or empty',
    doc: 'Name of the cluster that this broker belongs to. When empty, the first controllers make one up, and a broker takes that of the cluster it joins. A data folder of another cluster is refused.',
  }),
  controllers: text({
    default: '',
    pattern: CONTROLLER_LIST,
    allowed: 'ID@HOST:PORT of each controller, separated by commas, or empty',
    doc: 'The brokers that found the cluster and hold its metadata, 1, 3 or 5 of them, by their peer addresses; the same on each of them. Empty: this broker alone founds a cluster, unless it is to join one.',
  }),
  join: text({
    default: '',
    pattern: HOST_PORT_LIST,
    allowed: 'HOST:PORT of one or more brokers, separated by commas, or empty',
    doc: 'Peer addresses of brokers of a running cluster that this broker is to join. Needed at its first start only.',
  }),
  'log.level': choice({
    default: 'info',
    of: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    doc: "Least severity that is logged. Logs are JSON lines on standard error (pino's format).",
  }),
  'reflection.enabled': boolean({
    default: true,
    doc: 'Serve gRPC reflection, so that grpcurl and others need no .proto files. Loaded once the broker is ready.',
  }),
  'shutdown.grace.ms': integer({
    default: 10_000,
    min: 0,
    max: HOUR_MS,
    doc: 'How long a stop waits for what is under way before it closes connections by force.',
  }),
  'produce.timeout.default.ms': integer({
    default: 30_000,
    min: 1,
    max: HOUR_MS,
    doc: 'How long an acknowledgement may take when the producer names no time.',
  }),
  'produce.timeout.max.ms': integer({
    default: 300_000,
    min: 1,
    max: HOUR_MS,
    doc: 'Longest time that a producer may name; more is cut to it.',
  }),
  'producer.id.expiration.ms': integer({
    default: 24 * HOUR_MS,
    min: 1000,
    doc: 'How long the last sequence of an idle producer is remembered, and with it the recognition of its duplicates.',
  }),
  'retention.check.ms': integer({
    default: 60_000,
    min: 100,
    max: 24 * HOUR_MS,
    doc: 'How often partitions are looked at for segments that may be deleted.',
  }),
  'log.scrub.bytes.per.second': integer({
    default: 10 * MIB,
    min: 0,
    doc: 'Bytes a second that the broker reads to check its segments for damage that nobody has met, over all partitions; 0 turns the check off. What is damaged is rebuilt from the other copies.',
  }),
  'log.scrub.interval.ms': integer({
    default: 24 * HOUR_MS,
    min: 100,
    doc: 'How long after the end of a check of a partition the next one is due. Those checked longest ago come first; after a start all are due. Where log.scrub.bytes.per.second does not suffice for that, it takes longer.',
  }),
  'log.cleaner.backoff.ms': integer({
    default: 15_000,
    min: 100,
    max: HOUR_MS,
    doc: 'How often it is looked for partitions of compacted topics that are due to be compacted (cleanup.policy). A partition whose compaction failed waits that long, and longer each time.',
  }),
  'log.cleaner.io.max.bytes.per.second': integer({
    default: 50 * MIB,
    min: 0,
    doc: 'Bytes a second that compaction reads and writes, over all partitions; 0 for no limit.',
  }),
  'log.cleaner.dedupe.buffer.size': integer({
    default: 128 * MIB,
    min: MIB,
    max: 4096 * MIB,
    doc: 'Most memory, in bytes, for the keys of a round of compaction, 32 bytes each; taken as needed, while one is under way. A partition with more new keys takes several rounds.',
  }),
  'open.files.max': integer({
    default: 512,
    min: 16,
    max: 1_000_000,
    doc: 'Segment files kept open, beside the one being written of each partition.',
  }),
  'flush.concurrency.max': integer({
    default: 8,
    min: 1,
    max: 128,
    doc: 'Flushes to disk under way at one time over all partitions. Each takes a thread of the pool (UV_THREADPOOL_SIZE).',
  }),
  'index.cache.bytes': integer({
    default: 32 * MIB,
    min: MIB,
    doc: 'Index files of old segments kept in memory, over all partitions.',
  }),
  'tail.cache.bytes': integer({
    default: 32 * MIB,
    min: MIB,
    doc: 'Newest batches kept in memory for readers at the end of their partitions, over all partitions.',
  }),
  'replication.catch.up.bytes.per.second': integer({
    default: 100 * MIB,
    min: 0,
    doc: 'Bytes a second that a broker reads back from its disk for replicas that lag behind, over all partitions; 0 for no limit. What is still in memory is not counted.',
  }),
  'replay.bytes.per.second': integer({
    default: 0,
    min: 0,
    doc: 'Bytes a second that a broker sends to readers of history that say that they are (a replay), over all partitions; 0 for no limit. They come after live readers in any case.',
  }),
  'limits.partition.uncommitted.bytes': integer({
    default: 32 * MIB,
    min: MIB,
    doc: 'Batches of one partition accepted and not yet committed; beyond it produce is refused with OVERLOADED.',
  }),
  'limits.partition.producers.max': integer({
    default: 10_000,
    min: 10,
    max: 10_000_000,
    doc: 'Idempotent producers that a partition remembers; beyond it the one silent for longest is forgotten.',
  }),
  'limits.connections.max': integer({
    default: 4096,
    min: 1,
    max: 1_000_000,
    doc: 'Client connections; one more is closed at once.',
  }),
  'limits.connection.streams.max': integer({
    default: 256,
    min: 1,
    max: 100_000,
    doc: 'Calls under way on one connection; more wait at the client (HTTP/2 SETTINGS_MAX_CONCURRENT_STREAMS).',
  }),
  'limits.message.bytes.max': integer({
    default: 64 * MIB,
    min: 64 * KIB,
    max: 1024 * MIB,
    doc: 'Largest gRPC message accepted; a larger one ends its call with RESOURCE_EXHAUSTED. Every call may hold one that is still arriving, so this times the calls of all connections bounds what hostile clients can make the broker hold.',
  }),
  'limits.produce.unanswered.bytes': integer({
    default: 64 * MIB,
    min: 64 * KIB,
    doc: 'Batches received and not yet answered, over all connections. Beyond it the broker stops reading produce streams; each may bring one message more.',
  }),
  'limits.produce.connection.unanswered.bytes': integer({
    default: 16 * MIB,
    min: 64 * KIB,
    doc: 'The same for one connection.',
  }),
  'limits.fetch.credit.bytes.max': integer({
    default: 16 * MIB,
    min: 64 * KIB,
    doc: 'Credit that a consumer may have open for one partition; more is refused with INVALID_REQUEST.',
  }),
  'limits.fetch.outstanding.bytes': integer({
    default: 64 * MIB,
    min: 64 * KIB,
    doc: 'Data written to fetch streams and not yet taken by the network, over all connections. Beyond it each stream still may have one message under way.',
  }),
  'limits.fetch.connection.outstanding.bytes': integer({
    default: 4 * MIB,
    min: 64 * KIB,
    doc: 'The same for one connection.',
  }),
  'limits.fetch.handles.max': integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Partitions that one fetch stream may read at a time.',
  }),
  'limits.write.stall.ms': integer({
    default: 60_000,
    min: 100,
    max: 24 * HOUR_MS,
    doc: 'A stream whose client takes nothing of what was sent for so long is closed.',
  }),
  'fetch.heartbeat.ms': integer({
    default: 3000,
    min: 10,
    max: HOUR_MS,
    doc: 'Longest silence on a fetch stream: after it the broker says where each partition stands.',
  }),
  'offsets.topic.partitions': integer({
    default: 16,
    min: 1,
    max: 1000,
    doc: 'Partitions of the topic that consumer groups are kept in, when it is made, which is when the first group is looked for; it cannot be changed later. Each is coordinated by its leader.',
  }),
  'offsets.topic.checkpoint.bytes': integer({
    default: 16 * MIB,
    min: 64 * KIB,
    doc: 'Once a partition of that topic has grown by this much, and by four times the size of what its groups are, its leader writes what they are anew, and what lies before is deleted.',
  }),
  'offsets.retention.ms': integer({
    default: 7 * 24 * HOUR_MS,
    min: 1000,
    doc: 'How long the committed offsets of a group that has no members are kept.',
  }),
  'group.assignor': choice({
    default: 'uniform',
    of: ['uniform', 'range'],
    doc: 'How the partitions of a group are divided among members that do not say. uniform: evenly over all topics, with few moves; range: neighbouring partitions, the same ones of each topic.',
  }),
  'group.heartbeat.interval.ms': integer({
    default: 3000,
    min: 100,
    max: HOUR_MS,
    doc: 'How often a member of a group says that it is there, while nothing moves.',
  }),
  'group.session.timeout.ms': integer({
    default: 45_000,
    min: 100,
    max: HOUR_MS,
    doc: 'How long a member that names no time may be silent before it is removed from its group. Kept within the two limits below.',
  }),
  'group.min.session.timeout.ms': integer({
    default: 1000,
    min: 100,
    max: HOUR_MS,
    doc: 'Shortest such time that a member may name.',
  }),
  'group.max.session.timeout.ms': integer({
    default: 1_800_000,
    min: 100,
    max: 24 * HOUR_MS,
    doc: 'Longest such time that a member may name.',
  }),
  'group.rebalance.timeout.ms': integer({
    default: 60_000,
    min: 100,
    max: 24 * HOUR_MS,
    doc: 'How long a member that names no time may take to give up partitions before it is removed from its group.',
  }),
  'group.max.size': integer({
    default: 1000,
    min: 1,
    max: 100_000,
    doc: 'Members of one group; one more is refused with GROUP_MAX_SIZE_REACHED.',
  }),
}
