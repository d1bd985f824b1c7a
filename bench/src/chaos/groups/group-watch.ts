/**
 * Looks at the group through the coordinator all the time: into the history, and whether it has settled.
 *
 * Settled: the group is stable, every member is in it, every partition has an owner, and of every partition either the lag
 * is 0 or the committed offset has grown since a given moment.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, type GroupDescription, isStratalogError } from '@stratalog/client'
import type { GroupHistory } from './group-history.ts'

const LOOK_EVERY_MS = 200
const CALL_TIMEOUT_MS = 2000
const PROBLEMS_MAX = 5

/** What is watched. */
export interface GroupWatchOptions {
  readonly client: Client
  readonly group: string
  readonly memberCount: number
  readonly partitionCount: number
  readonly history: GroupHistory
}

/** How a wait went. */
export interface Settling {
  readonly isSettled: boolean
  readonly tookMs: number
  /** What was wrong when it was last looked at before it settled, or is still wrong. */
  readonly problems: readonly string[]
}

/** See the file's header. */
export class GroupWatch {
  readonly #options: GroupWatchOptions
  readonly #ending = new AbortController()
  readonly #listeners = new Set<(description: GroupDescription) => void>()
  readonly #running: Promise<void>
  #coordinatorId: number | null = null

  constructor(options: GroupWatchOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  /** Number of the broker that coordinated the group when it was last looked at; null = not known. */
  get coordinatorId(): number | null {
    return this.#coordinatorId
  }

  /** Waits until the group has settled, or for `timeoutMs`. @param isDrained whether every lag must be 0. */
  async settled(timeoutMs: number, isDrained = false): Promise<Settling> {
    const startedMs = performance.now()
    let baseline: ReadonlyMap<number, number> | null = null
    let last: readonly string[] = ['the coordinator does not answer']
    for (;;) {
      const description = await this.#next(timeoutMs - (performance.now() - startedMs))
      const tookMs = performance.now() - startedMs
      if (description === null) return { isSettled: false, tookMs, problems: last }
      baseline ??= offsetsOf(description)
      const problems = this.#problems(description, isDrained ? null : baseline)
      if (problems.length === 0) return { isSettled: true, tookMs, problems: last }
      last = [...problems.slice(0, PROBLEMS_MAX), ...description.reasons.slice(0, PROBLEMS_MAX)]
    }
  }

  async stop(): Promise<void> {
    this.#ending.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { client, group } = this.#options
    const { signal } = this.#ending
    while (!signal.aborted) {
      try {
        this.#take(await client.admin.describeGroup(group, { timeoutMs: CALL_TIMEOUT_MS, signal }))
      } catch (error) {
        // Nobody answers while brokers are down, nor before the first member has joined.
        if (!isStratalogError(error)) throw error
      }
      await sleep(LOOK_EVERY_MS)
    }
  }

  #take(description: GroupDescription): void {
    const { state, groupEpoch, members, partitions, coordinator } = description
    this.#coordinatorId = coordinator?.brokerId ?? this.#coordinatorId
    this.#options.history.append({
      kind: 'seen',
      state,
      groupEpoch,
      owned: members.map(({ memberId, assigned, revoking }) => {
        return [memberId, [...new Set([...assigned, ...revoking].map(({ partition }) => partition))]]
      }),
      offsets: partitions.flatMap(({ partition, committedOffset }) => {
        return committedOffset === null ? [] : [[partition, committedOffset] as const]
      }),
    })
    for (const listener of this.#listeners) listener(description)
  }

  /** The next description; null = there is none in time. */
  #next(timeoutMs: number): Promise<GroupDescription | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(null), Math.max(0, timeoutMs))
      const done = (description: GroupDescription | null): void => {
        clearTimeout(timer)
        this.#listeners.delete(done)
        resolve(description)
      }
      this.#listeners.add(done)
    })
  }

  #problems(description: GroupDescription, baseline: ReadonlyMap<number, number> | null): string[] {
    const { memberCount, partitionCount } = this.#options
    const { state, members, partitions } = description
    const problems: string[] = []
    if (state !== 'stable') problems.push(`the group is ${state}`)
    if (members.length !== memberCount) problems.push(`${members.length} members of ${memberCount}`)
    if (partitions.length !== partitionCount) problems.push(`${partitions.length} partitions of ${partitionCount}`)
    for (const { partition, ownerMemberId, committedOffset, lagRecords } of partitions) {
      if (ownerMemberId === null) problems.push(`partition ${partition} has no owner`)
      if (lagRecords === 0) continue
      const hasMoved = baseline !== null && (committedOffset ?? -1) > (baseline.get(partition) ?? -1)
      if (!hasMoved) problems.push(`partition ${partition} stands at ${committedOffset}, lag ${lagRecords}`)
    }
    return problems
  }
}

function offsetsOf({ partitions }: GroupDescription): Map<number, number> {
  return new Map(partitions.map(({ partition, committedOffset }) => [partition, committedOffset ?? -1]))
}
