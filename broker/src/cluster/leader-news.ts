/**
 * Tells the other brokers which partitions this one leads, and hears it from them.
 *
 * What changed in one turn of the event loop goes out as one piece of news; a broker that comes up is told everything.
 * News is JSON, rows of [topic id, partition, leader epoch]: it is rare, and people in trouble read it.
 * Losing a piece does no harm: the next one, or the next connection, has it.
 */
import type { Peers } from '../peer/peer-port.ts'
import type { LeaderEntry, LeaderTable } from './leader-table.ts'

/** The kind of this news between peers. */
export const LEADER_NEWS = 'leaders'

type Row = readonly [topicId: string, partition: number, leaderEpoch: number]

/** What leader news is made of. */
export interface LeaderNewsOptions {
  readonly brokerId: number
  readonly table: LeaderTable
  readonly peers: () => Peers
  /** What this broker leads, and serves, now. */
  readonly led: () => Iterable<LeaderEntry>
  /** The table changed. */
  readonly onChange: () => void
}

/** See the file's header. Owner: the broker. */
export class LeaderNews {
  readonly #options: LeaderNewsOptions
  #pending: Row[] = []

  constructor(options: LeaderNewsOptions) {
    this.#options = options
  }

  /** This broker has begun to lead a partition. */
  began(entry: LeaderEntry): void {
    const { table, onChange } = this.#options
    if (table.note(entry)) onChange()
    if (this.#pending.push(rowOf(entry)) > 1) return
    queueMicrotask(() => {
      const rows = this.#pending
      this.#pending = []
      this.#options.peers().news(LEADER_NEWS, encode(rows))
    })
  }

  /** A broker can be reached (again): it is told everything. */
  tell(brokerId: number): void {
    const rows = Array.from(this.#options.led(), rowOf)
    if (rows.length > 0) this.#options.peers().news(LEADER_NEWS, encode(rows), brokerId)
  }

  /** News from another broker. @returns why it is not news, else null. */
  hear(body: Buffer, from: number): string | null {
    const rows = decode(body)
    if (rows === null) return 'not a list of leaders'
    let changed = false
    for (const [topicId, partition, leaderEpoch] of rows) {
      changed = this.#options.table.note({ topicId, partition, leaderId: from, leaderEpoch }) || changed
    }
    if (changed) this.#options.onChange()
    return null
  }
}

function rowOf({ topicId, partition, leaderEpoch }: LeaderEntry): Row {
  return [topicId, partition, leaderEpoch]
}

function encode(rows: readonly Row[]): Buffer {
  return Buffer.from(JSON.stringify(rows))
}

function decode(body: Buffer): readonly Row[] | null {
  try {
    const rows: unknown = JSON.parse(body.toString())
    return Array.isArray(rows) && rows.every(isRow) ? rows : null
  } catch {
    return null
  }
}

function isRow(row: unknown): row is Row {
  if (!Array.isArray(row) || row.length !== 3 || typeof row[0] !== 'string') return false
  return row.slice(1).every((value) => Number.isSafeInteger(value) && value >= 0)
}
