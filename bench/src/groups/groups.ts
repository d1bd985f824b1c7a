/**
 * The scenario `groups`: many consumer groups on one coordinator.
 *
 * One partition of the offsets topic, so that one broker has them all. Members join and keep up their heartbeats to the end;
 * commits of random members are measured in a closed loop; then the coordinator is killed, and it is measured when the
 * next one takes a commit, and when it has answered for every group. What was acknowledged must be there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { GroupsClient } from '@stratalog/broker/testing'
import { GroupsService } from '@stratalog/proto'
import { BenchCluster } from '../cluster/bench-cluster.ts'
import { waitForPartitions } from '../cluster/partition-health.ts'
import { inScratchFolder } from '../cluster/scratch-folder.ts'
import { createTopic } from '../cluster/topics.ts'
import { LatencyHistogram, type LatencySummary } from '../load/latency-histogram.ts'
import { GroupMember } from './group-member.ts'

/** Settings of a run. */
export interface GroupsOptions {
  readonly groupCount: number
  readonly memberCount: number
  readonly partitionCount: number
  readonly brokerCount: number
  readonly measuredSeconds: number
  /** Commits under way at a time. */
  readonly committerCount: number
  readonly brokerSettings: Readonly<Record<string, string>>
  readonly outDirectory: string
  readonly nodeFlags: readonly string[]
  readonly onProgress: (line: string) => void
}

/** The figures. */
export interface GroupsResult {
  readonly memberCount: number
  readonly join: { readonly seconds: number }
  /** Heartbeats and nothing else. */
  readonly quiet: {
    readonly coordinatorCpuShare: number
    readonly coordinatorRssBytes: number
    readonly heartbeatsPerSecond: number
  }
  readonly commits: {
    readonly commitsPerSecond: number
    readonly offsetsPerSecond: number
    readonly latency: LatencySummary
    readonly coordinatorCpuShare: number
    readonly coordinatorPeakRssBytes: number
  }
  readonly failover: {
    /** From the kill to the first commit that the next coordinator acknowledges. */
    readonly firstCommitMs: number
    /** To its last answer, one for each group. */
    readonly everyGroupMs: number
    /** Offsets that were acknowledged before it, and were found. */
    readonly checkedOffsets: number
  }
}

const TOPIC = 'grouped'
const SECOND_MS = 1000
const NS_PER_MS = 1e6
const QUIET_SECONDS = 10
/** Members that join at a time, and groups that are asked at a time. */
const AT_ONCE = 64

/** Runs it once. */
export function runGroups(options: GroupsOptions): Promise<GroupsResult> {
  return inScratchFolder(options.outDirectory, (directory) => run(options, directory))
}

async function run(options: GroupsOptions, directory: string): Promise<GroupsResult> {
  const { brokerCount, brokerSettings, nodeFlags, partitionCount, groupCount, memberCount, onProgress } = options
  const settings = { 'offsets.topic.partitions': '1', ...brokerSettings }
  await using cluster = await BenchCluster.start({ brokerCount, directory, settings, nodeFlags })
  const { bootstrap } = cluster
  await createTopic(bootstrap, { name: TOPIC, partitionCount, replicationFactor: Math.min(3, brokerCount) })
  await waitForPartitions(bootstrap, TOPIC, partitionCount)
  using client = new GroupsClient(bootstrap.split(','))
  const members = Array.from({ length: groupCount * memberCount }, (_, i) => {
    return new GroupMember({ client, groupId: `group-${i % groupCount}`, memberId: `member-${i}`, topic: TOPIC })
  })
  const { brokerId } = await client.coordinatorOf('group-0')
  const joinedAtMs = performance.now()
  await inTurn(members, (member) => member.join())
  // Those of a group that came first give up what the later ones are to have.
  while (members.some((member) => !member.isSettled(partitionCount / memberCount))) await sleep(100)
  const join = { seconds: (performance.now() - joinedAtMs) / SECOND_MS }
  onProgress(`${members.length} members joined and settled in ${join.seconds.toFixed(1)} s`)
  try {
    const quiet = await watchQuiet(cluster, brokerId, members)
    onProgress('commits')
    const commits = await measureCommits(options, cluster, brokerId, members)
    onProgress('the coordinator is killed')
    const failover = brokerCount < 2 ? NO_FAILOVER : await measureFailover(cluster, brokerId, client, members)
    return { memberCount: members.length, join, quiet, commits, failover }
  } finally {
    for (const member of members) member.stop()
  }
}

const NO_FAILOVER = { firstCommitMs: Number.NaN, everyGroupMs: Number.NaN, checkedOffsets: 0 }

async function watchQuiet(
  cluster: BenchCluster,
  brokerId: number,
  members: readonly GroupMember[],
): Promise<GroupsResult['quiet']> {
  const beats = (): number => members.reduce((sum, { heartbeatCount }) => sum + heartbeatCount, 0)
  const before = { beats: beats(), cpu: cluster.stats().get(brokerId)!.cpuSeconds, atMs: performance.now() }
  await sleep(QUIET_SECONDS * SECOND_MS)
  const seconds = (performance.now() - before.atMs) / SECOND_MS
  const stats = cluster.stats().get(brokerId)!
  return {
    coordinatorCpuShare: (stats.cpuSeconds - before.cpu) / seconds,
    coordinatorRssBytes: stats.rssBytes,
    heartbeatsPerSecond: (beats() - before.beats) / seconds,
  }
}

async function measureCommits(
  { committerCount, measuredSeconds }: GroupsOptions,
  cluster: BenchCluster,
  brokerId: number,
  members: readonly GroupMember[],
): Promise<GroupsResult['commits']> {
  const histogram = new LatencyHistogram()
  let commitCount = 0
  let offsetCount = 0
  let next = 0
  const cpuBefore = cluster.stats().get(brokerId)!.cpuSeconds
  const startedAtMs = performance.now()
  const endAtMs = startedAtMs + measuredSeconds * SECOND_MS
  const committer = async (): Promise<void> => {
    while (performance.now() < endAtMs) {
      const member = members[next++ % members.length]!
      const sentAtMs = performance.now()
      const committed = await member.commit()
      offsetCount += committed
      commitCount++
      histogram.record((performance.now() - sentAtMs) * NS_PER_MS)
    }
  }
  await Promise.all(Array.from({ length: committerCount }, committer))
  const seconds = (performance.now() - startedAtMs) / SECOND_MS
  const stats = cluster.stats().get(brokerId)!
  return {
    commitsPerSecond: commitCount / seconds,
    offsetsPerSecond: offsetCount / seconds,
    latency: histogram.summary(),
    coordinatorCpuShare: (stats.cpuSeconds - cpuBefore) / seconds,
    coordinatorPeakRssBytes: stats.peakRssBytes,
  }
}

async function measureFailover(
  cluster: BenchCluster,
  brokerId: number,
  client: GroupsClient,
  members: readonly GroupMember[],
): Promise<GroupsResult['failover']> {
  await cluster.endOne(brokerId, 'kill')
  const killedAtMs = performance.now()
  await members[0]!.commit()
  const firstCommitMs = performance.now() - killedAtMs
  let checkedOffsets = 0
  const byGroup = new Map<string, GroupMember[]>()
  for (const member of members) byGroup.set(member.groupId, [...(byGroup.get(member.groupId) ?? []), member])
  await inTurn([...byGroup], async ([groupId, own]) => {
    const { offsets } = await client.call(GroupsService.fetchOffsets, { groupId })
    const found = new Map(offsets.map(({ partition, offset }) => [partition!, offset!]))
    for (const member of own) {
      for (const [partition, offset] of member.acknowledged) {
        if ((found.get(partition) ?? -1) < offset)
          throw new Error(`${groupId} has lost offset ${offset} of ${partition}`)
        checkedOffsets++
      }
    }
  })
  return { firstCommitMs, everyGroupMs: performance.now() - killedAtMs, checkedOffsets }
}

/** Some at a time. */
async function inTurn<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
