/**
 * A run of the scenario `groups`: members of one consumer group read a topic that is written to all the time, while members
 * and brokers are killed, paused and restarted; at the end the histories are checked.
 *
 * ```
 *  start cluster, topic, members, feed ─> fault, settle, fault, ... ─> heal ─> settle in time ─> feed ends ─> lag 0
 *    ─> members close ─> histories checked
 * ```
 */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '@stratalog/broker/testing'
import { ChaosCluster } from '../broker/chaos-cluster.ts'
import { untilHealthy } from '../broker/cluster-health.ts'
import type { ActiveFault } from '../nemesis/fault.ts'
import { checkFaultNames, type PlannedFault, planFaults } from '../nemesis/faults.ts'
import { ClientProcess } from '../workload/client-process.ts'
import { GroupChecker, type GroupVerdict } from './group-checker.ts'
import { type GroupFaultContext, type GroupFaultKind, groupFaults } from './group-faults.ts'
import { GroupHistory, readGroupHistory } from './group-history.ts'
import { GroupWatch, type Settling } from './group-watch.ts'
import { GroupMember } from './members.ts'

/** What to run. */
export interface GroupRunOptions {
  readonly seed: number
  readonly brokerCount: number
  readonly memberCount: number
  readonly partitionCount: number
  /** Records that are written; null = as many as the time allows, until the group has settled after the last fault. */
  readonly recordCount: number | null
  /** Records a second. */
  readonly rate: number
  /** How long faults go on, ms. */
  readonly durationMs: number
  /** Ends after so many faults, if that is earlier. */
  readonly faultCount: number
  /** Names of faults, null = all. */
  readonly faults: readonly string[] | null
  /** Takes the names as an order of faults, each once, instead of drawing from them. */
  readonly isFixedOrder: boolean
  readonly sessionTimeoutMs: number
  /** The group has to have settled so long after the last fault, ms. */
  readonly settleBarMs: number
  /** Folder of `.log` files to write; null = the demo's flights. */
  readonly input: string | null
  readonly folder: string
  readonly tell: (line: string) => void
}

/** A wait for the group after a fault. */
export interface GroupSettling {
  readonly fault: string
  readonly tookMs: number
}

/** What came of it. */
export interface GroupReport {
  readonly seed: number
  readonly valid: boolean
  /** What went wrong beside the histories. */
  readonly problems: readonly string[]
  readonly verdict: GroupVerdict
  readonly settlings: readonly GroupSettling[]
  /** After the last fault; null = it did not settle. */
  readonly lastSettleMs: number | null
  /** How long members took to close at the end. */
  readonly closesMs: readonly number[]
  readonly tookMs: number
  readonly folder: string
}

/** Longest time until it settles after any fault, ms: beyond it something is stuck. */
const SETTLE_TIMEOUT_MS = 45_000
const HEALTH_TIMEOUT_MS = 60_000
const DRAIN_TIMEOUT_MS = 60_000
const STUCK_MS = 20_000
const AUTO_COMMIT_INTERVAL_MS = 500
const GROUP = 'readers'
const TOPIC = 'lines'

/** Runs to the end and says what was found. Errors: the run itself could not be made. */
export async function runGroups(options: GroupRunOptions): Promise<GroupReport> {
  await rm(options.folder, { recursive: true, force: true })
  await mkdir(options.folder, { recursive: true })
  const run = new GroupRun(options)
  try {
    return await run.run()
  } finally {
    await run.cleanUp()
  }
}

class GroupRun {
  readonly #options: GroupRunOptions
  readonly #history: GroupHistory
  readonly #kinds: Readonly<Record<string, GroupFaultKind>>
  readonly #problems: string[] = []
  readonly #settlings: GroupSettling[] = []
  readonly #startedMs = performance.now()
  readonly #watched: readonly { readonly topic: string; readonly partition: number }[]
  #members: readonly GroupMember[] = []
  #feed: ClientProcess | null = null
  #cluster: ChaosCluster | null = null
  #watch: GroupWatch | null = null

  constructor(options: GroupRunOptions) {
    this.#options = options
    this.#history = new GroupHistory(join(options.folder, 'history', 'run.ndjson'))
    this.#kinds = groupFaults(options.sessionTimeoutMs)
    this.#watched = Array.from({ length: options.partitionCount }, (_, partition) => ({ topic: TOPIC, partition }))
  }

  async run(): Promise<GroupReport> {
    const { brokerCount, folder, sessionTimeoutMs, partitionCount, memberCount, settleBarMs } = this.#options
    const settings = {
      'group.heartbeat.interval.ms': String(Math.max(100, Math.round(sessionTimeoutMs / 6))),
      'group.min.session.timeout.ms': String(sessionTimeoutMs),
    }
    const isNextLossy = (): boolean => false
    const cluster = await ChaosCluster.start({ brokerCount, folder, hasProxy: false, isNextLossy, settings })
    this.#cluster = cluster
    const replicationFactor = Math.min(3, brokerCount)
    await cluster.client.admin.createTopic({ name: TOPIC, partitionCount, replicationFactor }, { timeoutMs: 30_000 })
    await this.#whole(cluster, 'the start')
    this.#members = Array.from({ length: memberCount }, (_, index) => this.#member(cluster, index))
    await Promise.all(this.#members.map((member) => member.start()))
    const feed = await this.#startFeed(cluster)
    const { client } = cluster
    const watch = new GroupWatch({ client, group: GROUP, memberCount, partitionCount, history: this.#history })
    this.#watch = watch
    await this.#settled(watch, 'the start')
    await this.#nemesis(cluster, watch)
    await cluster.heal()
    for (const member of this.#members) {
      member.resume()
      await member.start()
    }
    const last = await this.#settled(watch, 'the last fault')
    if (last.isSettled && last.tookMs > settleBarMs) {
      this.#problems.push(notSettled('the last fault', last, settleBarMs))
    }
    this.#options.tell(`settled ${Math.round(last.tookMs)} ms after the last fault; the feed goes on to its end`)
    await this.#attempt('the feed', () => (this.#options.recordCount === null ? feed.stop() : feed.done))
    const drained = await watch.settled(DRAIN_TIMEOUT_MS, true)
    if (!drained.isSettled) this.#problems.push(notSettled('the end of the feed', drained, DRAIN_TIMEOUT_MS))
    await watch.stop()
    const closesMs = await this.#close()
    await this.#attempt('stopping', () => cluster.stop())
    this.#problems.push(...cluster.unexpectedEnds)
    this.#history.close()
    return this.#report(await this.#check(), last.isSettled ? last.tookMs : null, closesMs)
  }

  async cleanUp(): Promise<void> {
    await this.#watch?.stop()
    await Promise.all(this.#members.map((member) => member.kill().catch(() => {})))
    await this.#feed?.kill()
    await this.#cluster?.[Symbol.asyncDispose]()
  }

  #member({ bootstrap }: ChaosCluster, index: number): GroupMember {
    const { folder, sessionTimeoutMs } = this.#options
    const name = `member-${index + 1}`
    return new GroupMember({
      folder,
      history: this.#history,
      job: {
        kind: 'group-member',
        bootstrap,
        name,
        group: GROUP,
        topic: TOPIC,
        // Every other one is static.
        instanceId: index % 2 === 0 ? name : null,
        sessionTimeoutMs,
        autoCommitIntervalMs: AUTO_COMMIT_INTERVAL_MS,
      },
      onUnexpectedEnd: (sentence) => this.#problems.push(sentence),
    })
  }

  async #startFeed({ bootstrap }: ChaosCluster): Promise<ClientProcess> {
    const { folder, rate, partitionCount, input } = this.#options
    const recordCount = this.#options.recordCount ?? Number.MAX_SAFE_INTEGER
    const historyPath = join(folder, 'history', 'feed.ndjson')
    const feed = await ClientProcess.start(
      'feed',
      { kind: 'feed', bootstrap, historyPath, topic: TOPIC, partitionCount, recordCount, rate, input },
      join(folder, 'logs', 'feed.log'),
    )
    this.#feed = feed
    return feed
  }

  async #nemesis(cluster: ChaosCluster, watch: GroupWatch): Promise<void> {
    const { seed, faults, faultCount, durationMs, isFixedOrder } = this.#options
    const drawn = Object.keys(this.#kinds)
    const names = faults ?? drawn
    checkFaultNames(names, drawn, (name) => name in this.#kinds)
    const endMs = performance.now() + durationMs
    let count = 0
    for (const fault of planFaults(seed, names, isFixedOrder, this.#kinds)) {
      count++
      const isLast = count >= faultCount || performance.now() > endMs
      await this.#inflict(cluster, watch, count, isLast ? this.#longEnough(fault) : fault)
      if (isLast || this.#problems.length > 0) return
      if (fault.waitsForHealth) {
        await this.#whole(cluster, fault.name)
        await this.#settled(watch, fault.name)
      }
      await sleep(fault.restMs)
    }
  }

  /** The last one ends when the session of whom it struck is over: from then on nobody has to be waited for. */
  #longEnough(fault: PlannedFault): PlannedFault {
    return { ...fault, holdMs: Math.max(fault.holdMs, this.#options.sessionTimeoutMs) }
  }

  async #inflict(cluster: ChaosCluster, watch: GroupWatch, number: number, fault: PlannedFault): Promise<void> {
    const context: GroupFaultContext = {
      cluster,
      partitions: this.#watched,
      random: seededRandom(fault.seed),
      scratch: this.#options.folder,
      members: this.#members,
      coordinatorId: async () => watch.coordinatorId ?? cluster.ids[0]!,
    }
    const { name, holdMs } = fault
    this.#history.append({ kind: 'fault', phase: 'begin', fault: name, detail: '' })
    let active: ActiveFault | null = null
    await this.#attempt(`begin of ${name}`, async () => {
      active = await this.#kinds[name]!.begin(context)
    })
    const begun = active as ActiveFault | null
    if (begun === null) return
    this.#options.tell(`fault ${number}: ${name}, ${begun.detail}, for ${holdMs} ms`)
    await sleep(holdMs)
    await this.#attempt(`end of ${name}`, () => begun.end())
    this.#history.append({ kind: 'fault', phase: 'end', fault: name, detail: begun.detail })
  }

  async #whole(cluster: ChaosCluster, after: string): Promise<void> {
    const { isHealthy, problems } = await untilHealthy(cluster, this.#watched, HEALTH_TIMEOUT_MS)
    if (!isHealthy) this.#problems.push(`the cluster is not whole after ${after}: ${problems.slice(0, 5).join('; ')}`)
  }

  async #settled(watch: GroupWatch, after: string): Promise<Settling> {
    const settling = await watch.settled(SETTLE_TIMEOUT_MS)
    if (settling.isSettled) this.#settlings.push({ fault: after, tookMs: settling.tookMs })
    else this.#problems.push(notSettled(after, settling, SETTLE_TIMEOUT_MS))
    return settling
  }

  async #close(): Promise<number[]> {
    return await Promise.all(
      this.#members.map(async (member) => {
        const startedMs = performance.now()
        await this.#attempt(`closing ${member.name}`, () => member.stop())
        return performance.now() - startedMs
      }),
    )
  }

  async #attempt(what: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action()
    } catch (error) {
      this.#problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  async #check(): Promise<GroupVerdict> {
    const { folder, sessionTimeoutMs } = this.#options
    const checker = new GroupChecker({ sessionTimeoutMs, stuckMs: STUCK_MS })
    const histories = join(folder, 'history')
    for (const name of await readdir(histories)) {
      const source = basename(name, '.ndjson')
      for await (const event of readGroupHistory(join(histories, name))) checker.add(source, event)
    }
    return checker.finish()
  }

  #report(verdict: GroupVerdict, lastSettleMs: number | null, closesMs: readonly number[]): GroupReport {
    const { seed, folder } = this.#options
    return {
      seed,
      valid: verdict.valid && this.#problems.length === 0,
      problems: this.#problems,
      verdict,
      settlings: this.#settlings,
      lastSettleMs,
      closesMs,
      tookMs: performance.now() - this.#startedMs,
      folder,
    }
  }
}

function notSettled(after: string, { problems }: Settling, limitMs: number): string {
  return `the group has not settled ${limitMs} ms after ${after}: ${problems.join('; ')}`
}
