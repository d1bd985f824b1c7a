/**
 * Checks the history of a group run: pure; events of one source come in their order, sources in any.
 *
 * Owners of a partition follow each other by member epoch, not by when they told of it: a member that was paused may tell
 * of a partition long after others had it. Within an epoch (a member that went and came back under its name) by time.
 */

import type { GroupEvent, ProcessChange, RunEvent } from './group-event.ts'
import { type HandOver, handOversOf } from './hand-overs.ts'
import { closeOwnership, type MemberFault, type Ownership, OwnershipTrack } from './ownership.ts'
import { RecordCounts } from './record-counts.ts'

/** What a run is judged by. */
export interface GroupCheckerOptions {
  readonly sessionTimeoutMs: number
  /** Longest time in which an owner of a partition that is written to may process nothing, ms; paused time left out. */
  readonly stuckMs: number
}

/** What must not be, with what it means. */
export const GROUP_VIOLATIONS = {
  'not-processed': 'a record whose write was acknowledged was never processed',
  'committed-again': 'a record was processed again by a later owner, though it was below an acknowledged commit',
  'two-owners': 'two members had a partition at the same time, and the former was not fenced',
  'commit-went-back': 'a committed offset went back',
  'not-owned': 'a member processed a record of a partition that it did not have',
  'not-in-order': 'a member processed a record twice, or before an earlier one, while it had the partition',
  'assigned-twice': 'a member was given a partition that it had',
  stuck: 'an owner of a partition processed nothing for too long',
} as const

/** Its name. */
export type GroupViolationKind = keyof typeof GROUP_VIOLATIONS

/** All of one kind. */
export interface GroupViolation {
  readonly kind: GroupViolationKind
  readonly count: number
  /** The first ones. */
  readonly examples: readonly string[]
}

/** What a run came to. */
export interface GroupVerdict {
  readonly valid: boolean
  readonly violations: readonly GroupViolation[]
  readonly writtenCount: number
  readonly processedCount: number
  /** Processings beyond the first of each record. */
  readonly duplicateCount: number
  /** Processed while, or after, the partition was lost. */
  readonly lateCount: number
  /** Partitions that a member still read when another had them: it had been paused, and did not know yet. */
  readonly wokenCount: number
  readonly ownershipCount: number
  readonly groupEpochs: number
  readonly handOvers: readonly HandOver[]
  readonly faults: Readonly<Record<string, number>>
}

const EXAMPLES_MAX = 5

/** See the file's header. */
export class GroupChecker {
  readonly #options: GroupCheckerOptions
  readonly #tracks = new Map<string, OwnershipTrack>()
  readonly #counts = new RecordCounts()
  readonly #violations = new Map<GroupViolationKind, { count: number; examples: string[] }>()
  readonly #processes = new Map<string, { readonly at: number; readonly what: ProcessChange }[]>()
  readonly #faults: Record<string, number> = {}
  readonly #seenOffsets = new Map<number, number>()
  #lateCount = 0
  #wokenCount = 0
  #lastWrittenMs = 0
  #firstEpoch: number | null = null
  #lastEpoch = 0
  #endMs = 0

  constructor(options: GroupCheckerOptions) {
    this.#options = options
  }

  /** @param source name of the history that it is from. */
  add(source: string, event: GroupEvent): void {
    this.#endMs = Math.max(this.#endMs, event.at)
    switch (event.kind) {
      case 'written':
        this.#counts.written(event.partition, event.first, event.count)
        this.#lastWrittenMs = Math.max(this.#lastWrittenMs, event.at)
        return
      case 'process': {
        const changes = this.#processes.get(event.source) ?? []
        changes.push(event)
        this.#processes.set(event.source, changes)
        return
      }
      case 'fault':
        if (event.phase === 'begin') this.#faults[event.fault] = (this.#faults[event.fault] ?? 0) + 1
        return
      case 'seen':
        this.#seen(event)
        return
      case 'processed':
        this.#counts.processed(event.partition, event.offset)
        if (event.isLate === true) this.#lateCount++
    }
    this.#track(source).add(event)
  }

  /** Judges it. */
  finish(): GroupVerdict {
    const ownerships = [...this.#tracks.values()].flatMap(({ all }) => all)
    for (const ownership of ownerships) {
      closeOwnership(ownership, this.#endOf(ownership.source))
      this.#checkProgress(ownership)
    }
    const byPartition = grouped(ownerships)
    for (const owners of byPartition.values()) {
      owners.sort((a, b) => a.memberEpoch - b.memberEpoch || a.sinceMs - b.sinceMs)
      this.#checkSuccession(owners)
    }
    for (const { partition, first, count } of this.#counts.missing()) {
      this.#violate('not-processed', `partition ${partition}: ${count} from offset ${first} on`, count)
    }
    const { writtenCount, processedCount, duplicateCount } = this.#counts
    const violations = [...this.#violations].map(([kind, found]) => ({ kind, ...found }))
    return {
      valid: violations.length === 0,
      violations,
      writtenCount,
      processedCount,
      duplicateCount,
      lateCount: this.#lateCount,
      wokenCount: this.#wokenCount,
      ownershipCount: ownerships.length,
      groupEpochs: this.#lastEpoch - (this.#firstEpoch ?? this.#lastEpoch),
      handOvers: [...byPartition.values()].flatMap((owners) => {
        return handOversOf(owners, (source) => this.#pausesOf(source))
      }),
      faults: this.#faults,
    }
  }

  #track(source: string): OwnershipTrack {
    let track = this.#tracks.get(source)
    if (track === undefined) {
      track = new OwnershipTrack(source, (kind: MemberFault, text) => this.#violate(kind, text))
      this.#tracks.set(source, track)
    }
    return track
  }

  #seen({ at, groupEpoch, owned, offsets }: Extract<RunEvent, { kind: 'seen' }>): void {
    this.#firstEpoch ??= groupEpoch
    this.#lastEpoch = groupEpoch
    const owners = new Map<number, string>()
    for (const [memberId, partitions] of owned) {
      for (const partition of partitions) {
        const other = owners.get(partition)
        if (other !== undefined && other !== memberId) {
          this.#violate('two-owners', `the coordinator at ${at}: partition ${partition} is of ${other} and ${memberId}`)
        }
        owners.set(partition, memberId)
      }
    }
    const now = new Map(offsets)
    for (const [partition, before] of this.#seenOffsets) {
      const offset = now.get(partition) ?? null
      if (offset !== null && offset >= before) continue
      this.#violate('commit-went-back', `the coordinator at ${at}: partition ${partition} from ${before} to ${offset}`)
    }
    for (const [partition, offset] of now) this.#seenOffsets.set(partition, offset)
  }

  #checkSuccession(owners: readonly Ownership[]): void {
    /** Offset below which everything is committed for good, and by whom. */
    let floor = 0
    let by = ''
    owners.forEach((owner, index) => {
      const { partition, source, sinceMs, firstProcessed, firstCommitted, lastCommitted } = owner
      const name = `partition ${partition}, ${source} since ${sinceMs}`
      if (firstProcessed !== null && firstProcessed < floor) {
        this.#violate('committed-again', `${name}: processed ${firstProcessed}, but ${by} had committed ${floor}`)
      }
      if (firstCommitted !== null && firstCommitted < floor) {
        this.#violate('commit-went-back', `${name}: committed ${firstCommitted}, but ${by} had committed ${floor}`)
      }
      if (lastCommitted !== null && lastCommitted > floor) {
        floor = lastCommitted
        by = source
      }
      const former = owners[index - 1]
      if (former === undefined) return
      if (former.lastProgressMs > sinceMs) this.#wokenCount++
      if (former.untilMs <= sinceMs || this.#wasFenced(former, sinceMs)) return
      const until = former.end === 'open' ? 'to the end of it' : `until ${former.untilMs}`
      this.#violate('two-owners', `${name}, though ${former.source} had it ${until} (${former.end})`)
    })
  }

  /** Whether the coordinator had a reason to give its partition to others at that time. */
  #wasFenced({ source, end, wasFenced }: Ownership, at: number): boolean {
    if (end === 'lost' || wasFenced) return true
    return this.#pausesOf(source).some(
      ([fromMs, toMs]) => fromMs < at && toMs - fromMs >= this.#options.sessionTimeoutMs,
    )
  }

  #checkProgress({ partition, source, gaps }: Ownership): void {
    const pauses = this.#pausesOf(source)
    for (const [fromMs, toMs] of gaps) {
      const endMs = Math.min(toMs, this.#lastWrittenMs)
      const paused = pauses.reduce(
        (sum, [from, to]) => sum + Math.max(0, Math.min(to, endMs) - Math.max(from, fromMs)),
        0,
      )
      const idleMs = endMs - fromMs - paused
      if (idleMs <= this.#options.stuckMs) continue
      this.#violate(
        'stuck',
        `partition ${partition}, ${source}: nothing from ${fromMs} on for ${Math.round(idleMs)} ms`,
      )
    }
  }

  #endOf(source: string): number {
    const end = this.#processes.get(source)?.find(({ what }) => what === 'killed' || what === 'stopped')
    return end?.at ?? this.#endMs
  }

  #pausesOf(source: string): (readonly [number, number])[] {
    const pauses: (readonly [number, number])[] = []
    let fromMs: number | null = null
    for (const { at, what } of this.#processes.get(source) ?? []) {
      if (what === 'paused') fromMs = at
      else if (fromMs !== null) {
        pauses.push([fromMs, at])
        fromMs = null
      }
    }
    if (fromMs !== null) pauses.push([fromMs, this.#endMs])
    return pauses
  }

  #violate(kind: GroupViolationKind, text: string, count = 1): void {
    const found = this.#violations.get(kind) ?? { count: 0, examples: [] }
    found.count += count
    if (found.examples.length < EXAMPLES_MAX) found.examples.push(text)
    this.#violations.set(kind, found)
  }
}

function grouped(ownerships: readonly Ownership[]): Map<number, Ownership[]> {
  const byPartition = new Map<number, Ownership[]>()
  for (const ownership of ownerships) {
    const those = byPartition.get(ownership.partition)
    if (those === undefined) byPartition.set(ownership.partition, [ownership])
    else those.push(ownership)
  }
  return byPartition
}
