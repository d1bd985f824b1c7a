/**
 * Where newly assigned partitions begin: at what the group has committed, otherwise where the subscription says.
 *
 * With `latest`, a partition that did not exist when the subscription began is read from its beginning: what was written
 * to it before this member heard of it came after the subscription.
 */
import { backoffDelayMs, type CommittedOffset, delay, isStratalogError, RETRY_BACKOFF } from '@stratalog/client'
import { invariant, StratalogError } from '@stratalog/proto'
import type { OutOfRangePolicy } from '../options.ts'
import type { ResolvedPosition } from '../positions.ts'
import { type PlannedPartition, planStart } from '../start-plan.ts'
import type { GroupPartition } from './group-partition.ts'
import { type MemberPartition, partitionKey } from './member-effects.ts'
import { judge, type MemberIdentity } from './member-identity.ts'
import { byTopic } from './member-shell.ts'
import type { Frontier } from './offset-tracker.ts'

/** Where one partition begins, or why it cannot. */
export interface LocatedPartition {
  readonly partition: GroupPartition
  readonly start: Frontier
  /** What the group has committed; null = nothing. */
  readonly committed: Frontier | null
  /** null when the leader was not asked. */
  readonly planned: PlannedPartition | null
  readonly error: StratalogError | null
}

/** See the file's header. */
export class StartOffsets {
  readonly #identity: MemberIdentity
  readonly #from: ResolvedPosition | null
  readonly #policy: OutOfRangePolicy
  /** Partition counts by topic id when the subscription began; null when that does not matter. */
  #known: ReadonlyMap<string, number> | null = null

  constructor(identity: MemberIdentity, from: ResolvedPosition | null, policy: OutOfRangePolicy) {
    this.#identity = identity
    this.#from = from
    this.#policy = policy
  }

  /**
   * Takes note of what there is now. To be called before the member joins.
   * Errors: CANCELLED; network errors that last for `timeoutMs`.
   */
  async begin(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#from?.kind !== 'latest') return
    const deadlineMs = performance.now() + timeoutMs
    for (let failureCount = 1; this.#known === null; failureCount++) {
      try {
        const topics = await this.#identity.client.admin.listTopics({ signal, timeoutMs })
        this.#known = new Map(topics.map(({ topicId, partitions }) => [topicId.toString('hex'), partitions.length]))
      } catch (error) {
        const waitMs = backoffDelayMs(failureCount, RETRY_BACKOFF, Math.random)
        const isWorthIt = isStratalogError(error) && error.retriable && performance.now() + waitMs < deadlineMs
        if (!isWorthIt) throw error
        await delay(waitMs, signal)
      }
    }
  }

  /**
   * Hands over where each partition begins as soon as it is known; those that leave meanwhile are left out. Resolves when
   * all are done with.
   *
   * @param onStart called once for each.
   */
  async locate(
    partitions: readonly GroupPartition[],
    onStart: (located: readonly LocatedPartition[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let due = partitions
    for (let failureCount = 1; ; failureCount++) {
      due = due.filter(({ leaving }) => !leaving.aborted)
      if (due.length === 0 || signal.aborted) return
      const answers = await this.#fetchCommitted(due, signal)
      const again: GroupPartition[] = []
      const located: LocatedPartition[] = []
      const open: GroupPartition[] = []
      let mustBeat = false
      for (const partition of due) {
        const answer = answers instanceof StratalogError ? answers : answers.get(partition.key)
        const error = answer instanceof StratalogError ? answer : (answer?.error ?? null)
        const verdict = error === null ? null : verdictOf(error)
        if (verdict === 'beat') mustBeat = true
        if (verdict === 'again' || verdict === 'beat') again.push(partition)
        else if (error !== null) located.push(failed(partition, error))
        else if (answer instanceof StratalogError || answer === undefined || answer.offset === null)
          open.push(partition)
        else located.push(atCommitted(partition, answer.offset, answer.leaderEpoch))
      }
      if (located.length > 0) onStart(located)
      const planning = this.#locateOpen(open, onStart, signal)
      if (again.length === 0) return await planning
      due = again
      if (mustBeat) this.#identity.hurry()
      await Promise.all([planning, delay(backoffDelayMs(failureCount, RETRY_BACKOFF, Math.random))])
    }
  }

  async #fetchCommitted(
    partitions: readonly GroupPartition[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, CommittedOffset> | StratalogError> {
    const { client, group, memberId, memberEpoch } = this.#identity
    const selection = byTopic(partitions.map(({ place }) => place)).map(({ topic, topicId, partitions: numbers }) => ({
      topic: topic ?? '',
      topicId: topicId ?? new Uint8Array(),
      partitions: numbers ?? [],
    }))
    try {
      const member = { memberId, memberEpoch: memberEpoch() }
      const answers = await client.groups.fetchOffsets(group, selection, member, { signal })
      return new Map(answers.map((answer) => [partitionKey(answer), answer]))
    } catch (error) {
      if (!isStratalogError(error)) throw error
      return error
    }
  }

  /** Partitions that nothing is committed for: all at once, or if that fails each by itself. */
  async #locateOpen(
    partitions: readonly GroupPartition[],
    onStart: (located: readonly LocatedPartition[]) => void,
    ending: AbortSignal,
  ): Promise<void> {
    if (partitions.length === 0) return
    try {
      const planned = await this.#plan(partitions, ending)
      onStart(partitions.map((partition, index) => atPlanned(partition, planned[index]!)))
      return
    } catch (error) {
      if (!isStratalogError(error)) throw error
      if (ending.aborted) return
    }
    await Promise.all(
      partitions.map(async (partition) => {
        const located = await this.#locateOne(partition, AbortSignal.any([ending, partition.leaving]))
        if (located !== null) onStart([located])
      }),
    )
  }

  /** Asks until it is answered; null when the signal comes first. */
  async #locateOne(partition: GroupPartition, signal: AbortSignal): Promise<LocatedPartition | null> {
    for (let failureCount = 1; ; failureCount++) {
      try {
        const [planned] = await this.#plan([partition], signal)
        invariant(planned !== undefined, 'a plan for every request')
        return atPlanned(partition, planned)
      } catch (error) {
        if (!isStratalogError(error)) throw error
        if (signal.aborted) return null
        // A topic that was just created is not known everywhere at once; one that was deleted will be taken away.
        if (!error.retriable && !isUnknownTopic(error)) return failed(partition, error)
        if (isUnknownTopic(error)) this.#identity.hurry()
        await delay(backoffDelayMs(failureCount, RETRY_BACKOFF, Math.random))
      }
    }
  }

  async #plan(partitions: readonly GroupPartition[], signal: AbortSignal): Promise<PlannedPartition[]> {
    const { admin } = this.#identity.client
    const requests = partitions.map(({ place, name }) => ({ ...name, start: this.#startOf(place), end: null }))
    return await planStart((queries, call) => admin.listOffsets(queries, call), requests, this.#policy, signal)
  }

  /** Errors: NO_COMMITTED_OFFSET when that is where it should begin. */
  #startOf({ topic, topicId, partition }: MemberPartition): ResolvedPosition {
    if (this.#from === null) {
      const text = `group ${this.#identity.group} has no committed offset for ${topic}-${partition}`
      throw new StratalogError('NO_COMMITTED_OFFSET', text, { topic, partition })
    }
    if (this.#known === null) return this.#from
    const knownCount = this.#known.get(Buffer.from(topicId).toString('hex')) ?? 0
    return partition < knownCount ? this.#from : { kind: 'earliest' }
  }
}

function atCommitted(partition: GroupPartition, offset: number, leaderEpoch: number | null): LocatedPartition {
  const start = { offset, leaderEpoch: leaderEpoch ?? -1 }
  return { partition, start, committed: start, planned: null, error: null }
}

function atPlanned(partition: GroupPartition, planned: PlannedPartition): LocatedPartition {
  return { partition, start: { offset: planned.offset, leaderEpoch: -1 }, committed: null, planned, error: null }
}

function failed(partition: GroupPartition, cause: StratalogError): LocatedPartition {
  const { topic, partition: number } = partition.name
  const error =
    cause.topic !== null ? cause : new StratalogError(cause.code, cause.message, { cause, topic, partition: number })
  return { partition, start: { offset: 0, leaderEpoch: -1 }, committed: null, planned: null, error }
}

/** As {@link judge}; a topic that is not known any more will be taken away by the coordinator. */
function verdictOf(error: StratalogError): ReturnType<typeof judge> {
  return isUnknownTopic(error) ? 'beat' : judge(error)
}

/** Whether the topic was deleted, or is another one now. */
export function isUnknownTopic({ code }: StratalogError): boolean {
  return code === 'UNKNOWN_TOPIC_OR_PARTITION' || code === 'UNKNOWN_TOPIC_ID'
}
