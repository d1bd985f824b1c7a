/**
 * One event's records, folded as they are made.
 *
 * An event checks all that may refuse it before it makes the first record: what is folded is not taken back.
 */

import type { Group } from './group.ts'
import type { Outcome } from './group-api.ts'
import type { GroupRecord } from './group-records.ts'

const NO_RECORDS: readonly GroupRecord[] = []
const NO_TEXTS: readonly string[] = []

/** Owner: one event. */
export class Draft {
  readonly group: Group
  readonly records: GroupRecord[] = []
  /** What happened, for the log. */
  readonly events: string[] = []

  /** Of the group before. */
  readonly stateBytes: number

  constructor(group: Group) {
    this.group = group
    this.stateBytes = group.stateBytes
  }

  /** Makes a record. */
  put(record: GroupRecord): void {
    this.records.push(record)
    this.group.fold(record)
  }
}

/** An outcome that changes nothing. */
export function unchanged<Response>(response: Response): Outcome<Response> {
  return { records: NO_RECORDS, response, wakes: NO_TEXTS, events: NO_TEXTS }
}
