/**
 * Sets the committed offsets of a group without members to where a rule puts them, on the broker that coordinates it.
 *
 * Each partition stands alone: one that cannot be set says why and stays where it is. With a dry run nothing is set.
 * Owner: the broker's core.
 */
import { StratalogError, type stratalog, toErrorDetail } from '@stratalog/proto'
import { type Assignment, assignmentOf } from '../coordinator/group/assignment.ts'
import type { CommittedOffset, OffsetCommit } from '../coordinator/group/group-api.ts'
import type { Topics } from '../coordinator/group/topics.ts'
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts'
import type { GroupDirectory } from './group-directory.ts'
import { hexOf, idBytes, namedPartitions } from './group-messages.ts'
import type { LogPosition, LogPositions } from './log-positions.ts'

type Request = stratalog.v1.ResetOffsetsRequest
type ResetMessage = stratalog.v1.OffsetReset.$Properties

/** What a resetter is made of. */
export interface OffsetResetterOptions {
  readonly coordinator: GroupCoordinator
  readonly directory: Pick<GroupDirectory, 'offsetsOf'>
  readonly positions: Pick<LogPositions, 'ask'>
}

/** Where a partition is to be put. */
type Rule =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'timestamp'; readonly timestampMs: number }
  /** Where another group stands, by topic id and partition. */
  | { readonly kind: 'group'; readonly groupId: string; readonly offsets: ReadonlyMap<string, number> }
  | { readonly kind: 'shift'; readonly by: number }

interface Planned {
  readonly topicId: string
  readonly partition: number
  /** -1 = none. */
  readonly from: number
  readonly to: number | StratalogError
}

/** See the file's header. */
export class OffsetResetter {
  readonly #options: OffsetResetterOptions

  constructor(options: OffsetResetterOptions) {
    this.#options = options
  }

  /** Errors: INVALID_REQUEST, INVALID_GROUP_ID, GROUP_NOT_EMPTY; GROUP_ID_NOT_FOUND of the other group; those of the coordinator. */
  async reset(request: Request): Promise<stratalog.v1.ResetOffsetsResponse.$Properties> {
    const { coordinator, positions } = this.#options
    const { groupId, dryRun } = request
    const current = await coordinator.run(groupId, (shard) => {
      return shard.checkResettable(groupId) ?? shard.fetchOffsets(groupId, null, null)
    })
    const rule = await this.#ruleOf(request)
    const { topics } = coordinator
    const named = namedPartitions(topics, request.partitions)
    const chosen = request.partitions.length > 0 ? named.found : allOf(current, rule)
    const places = [...chosen].flatMap(([topicId, partitions]) =>
      partitions.map((partition) => ({ topicId, partition })),
    )
    const timestampMs = rule.kind === 'timestamp' ? rule.timestampMs : null
    const found = await positions.ask(places.map((place) => ({ ...place, offset: null, timestampMs })))
    const committed = new Map(current.map((each) => [keyOf(each), each.offset]))
    const plan = places.map((place, i): Planned => {
      const from = committed.get(keyOf(place)) ?? -1
      return { ...place, from, to: targetOf(rule, place, from, found[i] ?? null, topics) }
    })
    const errors = dryRun ? new Map<string, StratalogError>() : await this.#commit(groupId, plan)
    return { resets: [...plan.map((each) => resetMessage(each, errors, topics)), ...named.unknown.map(unknownMessage)] }
  }

  /** @returns what was refused after all, by partition. */
  async #commit(groupId: string, plan: readonly Planned[]): Promise<ReadonlyMap<string, StratalogError>> {
    const commits: OffsetCommit[] = plan.flatMap(({ topicId, partition, to }) =>
      to instanceof StratalogError ? [] : [{ topicId, partition, offset: to, leaderEpoch: -1, metadata: '' }],
    )
    if (commits.length === 0) return new Map()
    const { coordinator } = this.#options
    const outcome = await coordinator.run(groupId, (shard, nowMs) => shard.resetOffsets(groupId, commits, nowMs))
    return new Map(outcome.flatMap((each) => (each.error === null ? [] : [[keyOf(each), each.error] as const])))
  }

  async #ruleOf({ to, earliest, latest, offset, timestampMs, group, shift }: Request): Promise<Rule> {
    if (to === 'offset' && offset !== null && offset !== undefined) {
      return { kind: 'offset', offset: checked('offset', offset, 0) }
    }
    if (to === 'timestampMs' && timestampMs !== null && timestampMs !== undefined) {
      return { kind: 'timestamp', timestampMs: checked('timestamp_ms', timestampMs, 0) }
    }
    if (to === 'shift' && shift !== null && shift !== undefined) {
      return { kind: 'shift', by: checked('shift', shift, -Number.MAX_SAFE_INTEGER) }
    }
    if (to === 'group' && group) return { kind: 'group', groupId: group, offsets: await this.#offsetsOf(group) }
    if (to === 'earliest' && earliest) return { kind: 'earliest' }
    if (to === 'latest' && latest) return { kind: 'latest' }
    const text = 'a reset needs one of earliest, latest, offset, timestamp_ms, group, shift'
    throw new StratalogError('INVALID_REQUEST', text, { metadata: { field: 'to' } })
  }

  async #offsetsOf(groupId: string): Promise<ReadonlyMap<string, number>> {
    const { offsets = [] } = await this.#options.directory.offsetsOf(groupId)
    return new Map(
      (offsets ?? []).map(({ topicId, partition, offset }) => {
        return [keyOf({ topicId: hexOf(topicId!), partition: partition ?? 0 }), offset ?? -1]
      }),
    )
  }
}

/** All that the group has committed; of another group's offsets also those that it has not. */
function allOf(current: readonly CommittedOffset[], rule: Rule): Assignment {
  const own = current.map(({ topicId, partition }) => [topicId, [partition]] as const)
  if (rule.kind !== 'group') return assignmentOf(own)
  const others = [...rule.offsets.keys()].map((key) => {
    const [topicId, partition] = key.split('-')
    return [topicId!, [Number(partition)]] as const
  })
  return assignmentOf([...own, ...others])
}

function targetOf(
  rule: Rule,
  place: { readonly topicId: string; readonly partition: number },
  from: number,
  position: LogPosition | null,
  topics: Topics,
): number | StratalogError {
  const topic = topics.byId.get(place.topicId)?.name ?? place.topicId
  const { partition } = place
  const where = { topic, partition }
  if (position === null) {
    return new StratalogError('LEADER_NOT_AVAILABLE', `no leader of ${topic}-${partition} answers`, where)
  }
  const { logStartOffset, visibleEnd } = position
  const inRange = (offset: number): number | StratalogError => {
    if (offset >= logStartOffset && offset <= visibleEnd) return offset
    const text = `offset ${offset} of ${topic}-${partition} is out of range: there is ${logStartOffset} to ${visibleEnd}`
    const metadata = { offset: String(offset), logStartOffset: String(logStartOffset), visibleEnd: String(visibleEnd) }
    return new StratalogError('OFFSET_OUT_OF_RANGE', text, { ...where, metadata })
  }
  const nothing = (text: string): StratalogError => new StratalogError('INVALID_REQUEST', text, where)
  switch (rule.kind) {
    case 'earliest':
      return logStartOffset
    case 'latest':
      return visibleEnd
    case 'offset':
      return inRange(rule.offset)
    case 'timestamp':
      return position.offsetForTimestamp ?? visibleEnd
    case 'group': {
      const offset = rule.offsets.get(keyOf(place)) ?? -1
      if (offset < 0) return nothing(`group ${rule.groupId} has committed nothing for ${topic}-${partition}`)
      return inRange(offset)
    }
    case 'shift':
      if (from < 0) return nothing(`nothing is committed for ${topic}-${partition} that could be shifted`)
      return Math.min(visibleEnd, Math.max(logStartOffset, from + rule.by))
  }
}

function resetMessage(
  { topicId, partition, from, to }: Planned,
  errors: ReadonlyMap<string, StratalogError>,
  topics: Topics,
): ResetMessage {
  const error = to instanceof StratalogError ? to : (errors.get(keyOf({ topicId, partition })) ?? null)
  return {
    topic: topics.byId.get(topicId)?.name ?? '',
    topicId: idBytes(topicId),
    partition,
    fromOffset: from,
    toOffset: to instanceof StratalogError ? from : to,
    ...(error === null ? {} : { error: toErrorDetail(error) }),
  }
}

function unknownMessage({ topic, topicId, partition, error }: stratalog.v1.CommittedOffset.$Properties): ResetMessage {
  return {
    topic: topic ?? '',
    topicId: topicId ?? new Uint8Array(0),
    partition: partition ?? 0,
    fromOffset: -1,
    toOffset: -1,
    ...(error ? { error } : {}),
  }
}

function checked(field: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value
  const text = `${field} is ${value}; it must be ${min} to ${Number.MAX_SAFE_INTEGER}`
  throw new StratalogError('INVALID_REQUEST', text, { metadata: { field } })
}

function keyOf({ topicId, partition }: { readonly topicId: string; readonly partition: number }): string {
  return `${topicId}-${partition}`
}
