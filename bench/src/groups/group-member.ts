/** A member of a group as the coordinator sees one: heartbeats at the pace that it is told, and commits; it reads nothing. */
import type { GroupsClient } from '@stratalog/broker/testing'
import { GroupsService, isStratalogError, type stratalog } from '@stratalog/proto'

/** What a member is made of. */
export interface GroupMemberOptions {
  readonly client: GroupsClient
  readonly groupId: string
  readonly memberId: string
  readonly topic: string
}

type Assignment = stratalog.v1.GroupAssignment.$Properties

/** See the file's header. */
export class GroupMember {
  readonly groupId: string
  /** Offsets whose commit was acknowledged, by partition. */
  readonly acknowledged = new Map<number, number>()
  readonly #options: GroupMemberOptions
  #epoch = 0
  #owned: Assignment = { partitions: [] }
  #offset = 0
  #timer: NodeJS.Timeout | null = null
  #stopped = false
  /** Heartbeats that were answered. */
  heartbeatCount = 0

  constructor(options: GroupMemberOptions) {
    this.#options = options
    this.groupId = options.groupId
  }

  /** Joins, and keeps up its heartbeats from then on. */
  async join(): Promise<void> {
    await this.#beat()
  }

  /** Whether it has so many partitions. */
  isSettled(partitionCount: number): boolean {
    return this.#partitions().length === partitionCount
  }

  /** Commits the next offset of all its partitions. @returns how many that were. */
  async commit(): Promise<number> {
    const { client, groupId, memberId, topic } = this.#options
    const offset = ++this.#offset
    const partitions = this.#partitions()
    const answer = await client.call(GroupsService.commitOffsets, {
      groupId,
      memberId,
      memberEpoch: this.#epoch,
      offsets: partitions.map((partition) => ({ topic, partition, offset })),
    })
    for (const { partition, error } of answer.offsets) {
      if (error) throw new Error(`${groupId}: ${error.message}`)
      this.acknowledged.set(partition!, offset)
    }
    return partitions.length
  }

  /** Says nothing any more. */
  stop(): void {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #beat(): Promise<void> {
    const { client, groupId, memberId, topic } = this.#options
    const answer = await client.heartbeat({
      groupId,
      memberId,
      memberEpoch: this.#epoch,
      owned: this.#owned,
      ...(this.#epoch === 0 ? { subscription: { topics: [topic] } } : {}),
    })
    this.heartbeatCount++
    this.#epoch = answer.memberEpoch
    const isNews = answer.assignment !== null && answer.assignment !== undefined
    if (isNews) this.#owned = answer.assignment!
    // What changed is acknowledged at once, as a client does that has nothing in hand.
    this.#plan(isNews ? 0 : answer.heartbeatIntervalMs)
  }

  #plan(delayMs: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#beat().catch((error: unknown) => {
        if (this.#stopped || !isStratalogError(error)) return
        process.stderr.write(`${this.#options.memberId}: ${error.code}: ${error.message}\n`)
        process.exitCode = 1
      })
    }, delayMs)
  }

  #partitions(): readonly number[] {
    return this.#owned.partitions?.flatMap(({ partitions }) => partitions ?? []) ?? []
  }
}
