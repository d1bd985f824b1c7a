/**
 * Raft entries and the batches that they are in the log.
 *
 * An entry of data is a producer's batch, or a RECORDS_DELETED control batch, which is none of Raft's business; the first
 * entry of a leader is a LEADER_CHANGE control batch, a change of the members a KRAFT_VOTERS control batch. Control batches
 * are of one offset each. Batches are the same bytes in the log, on the wire and on
 * every replica: who proposes an entry makes them once, everybody else passes them on.
 */
import { invariant, isStratalogError, toLeaderEpoch, toOffset } from '@stratalog/proto'
import {
  baseOffsetOf,
  CorruptMessageError,
  decodeBatchSync,
  decodeControlRecord,
  encodeLeaderChange,
  encodeVoters,
  isControl,
  type LogRecord,
  lastOffsetOf,
  leaderEpochOf,
  NO_TIMESTAMP,
  RECORD_BATCH_OVERHEAD_BYTES,
  sizeOf,
  stampBatch,
} from '@stratalog/proto/records'
import {
  type ConfChange,
  type ConfState,
  changeMembership,
  type Entry,
  type Message,
  type NodeId,
  type Position,
  type Term,
} from 'raft-ts'
import { endOffsetAt, leaderEpochOfTerm, positionAt, termOfLeaderEpoch } from './raft-ids.ts'

/** Stamps a batch with the offset and term that Raft gave it. */
export function stampEntry(batch: Buffer, entry: { readonly base: Position; readonly term: Term }): void {
  stampBatch(batch, 0, endOffsetAt(entry.base), leaderEpochOfTerm(entry.term))
}

/** The batches of a node's entries: those it got with their bytes, and those that its own core made without. */
export class EntryBatches {
  readonly #nodeId: NodeId
  readonly #confState: () => ConfState
  /** Batches made here; entries are shared by reference until they are read back from the log. */
  readonly #made = new WeakMap<Entry<Buffer>, Buffer>()

  /** @param confState the configuration in force: a change is proposed against it, one at a time. */
  constructor(nodeId: NodeId, confState: () => ConfState) {
    this.#nodeId = nodeId
    this.#confState = confState
  }

  /** The batch of an entry, stamped with its offset and term. */
  of(entry: Entry<Buffer>): Buffer {
    const batch = entry.data ?? this.#made.get(entry) ?? this.#make(entry)
    invariant(baseOffsetOf(batch, 0) === entry.base, 'a batch is stamped with the offset of its entry')
    invariant(lastOffsetOf(batch, 0) + 1 === entry.end, 'a batch covers the offsets of its entry')
    return batch
  }

  /** The message with the batches of all its entries. */
  complete(message: Message<Buffer>): Message<Buffer> {
    if (message.type !== 'append' || message.entries.every(({ data }) => data !== null)) return message
    const entries = message.entries.map((entry) => (entry.data === null ? { ...entry, data: this.of(entry) } : entry))
    return { ...message, entries }
  }

  #make(entry: Entry<Buffer>): Buffer {
    invariant(entry.kind !== 'data', 'an entry of data has a batch')
    const batch = entry.kind === 'leader' ? this.#leaderBatch() : votersBatch(this.#confState(), entry.change)
    stampEntry(batch, entry)
    this.#made.set(entry, batch)
    return batch
  }

  /** Without a timestamp, as all control batches: retention and look-ups by time are not to see them. */
  #leaderBatch(): Buffer {
    const { voters, votersOutgoing } = this.#confState()
    const voterIds = [...new Set([...voters, ...votersOutgoing])]
    return encodeLeaderChange({ leaderId: this.#nodeId, voterIds, timestamp: NO_TIMESTAMP })
  }
}

/** The control batch of a change: the members that it results in, and the change itself. */
function votersBatch(before: ConfState, change: ConfChange | null): Buffer {
  invariant(change !== null, 'a config entry has a change')
  const result = changeMembership(before, change)
  const after = result.kind === 'changed' ? result.confState : before
  return encodeVoters({
    voterIds: after.voters,
    outgoingVoterIds: after.votersOutgoing,
    learnerIds: after.learners,
    nextLearnerIds: after.learnersNext,
    autoLeave: after.autoLeave,
    context: Buffer.from(JSON.stringify({ transition: change.transition, steps: change.steps })),
    timestamp: NO_TIMESTAMP,
  })
}

/**
 * The entries in `bytes`, whole batches one after another. Data of entries are views of `bytes`.
 *
 * Checks no more than it needs to tell the entries apart. Errors: CORRUPT_MESSAGE.
 */
export function entriesIn(bytes: Buffer): Entry<Buffer>[] {
  const entries: Entry<Buffer>[] = []
  for (let position = 0; position < bytes.length; ) {
    const sizeBytes = wholeSizeAt(bytes, position)
    entries.push(entryAt(bytes, position, sizeBytes))
    position += sizeBytes
  }
  return entries
}

function wholeSizeAt(bytes: Buffer, position: number): number {
  const leftBytes = bytes.length - position
  if (leftBytes < RECORD_BATCH_OVERHEAD_BYTES)
    throw new CorruptMessageError(`${leftBytes} bytes are no batch`, position)
  const sizeBytes = sizeOf(bytes, position)
  if (sizeBytes >= RECORD_BATCH_OVERHEAD_BYTES && sizeBytes <= leftBytes) return sizeBytes
  throw new CorruptMessageError(`a batch of ${sizeBytes} bytes where ${leftBytes} are left`, position)
}

function entryAt(bytes: Buffer, position: number, sizeBytes: number): Entry<Buffer> {
  const baseOffset = baseOffsetOf(bytes, position)
  const lastOffset = lastOffsetOf(bytes, position)
  const leaderEpoch = leaderEpochOf(bytes, position)
  if (baseOffset < 0 || lastOffset < baseOffset || lastOffset === Number.MAX_SAFE_INTEGER || leaderEpoch < 0) {
    throw new CorruptMessageError(`offsets ${baseOffset}..${lastOffset} in leader epoch ${leaderEpoch}`, position)
  }
  const { kind, change } = isControl(bytes, position) ? meaningAt(bytes, position) : DATA
  return {
    base: positionAt(toOffset(baseOffset)),
    end: positionAt(toOffset(lastOffset + 1)),
    term: termOfLeaderEpoch(toLeaderEpoch(leaderEpoch)),
    kind,
    bytes: kind === 'data' ? sizeBytes : 0,
    data: bytes.subarray(position, position + sizeBytes),
    change,
  }
}

/** What an entry is to Raft. */
type Meaning = Pick<Entry<Buffer>, 'kind' | 'change'>

const DATA: Meaning = { kind: 'data', change: null }
const LEADER: Meaning = { kind: 'leader', change: null }

/** What the control batch is to Raft. */
function meaningAt(bytes: Buffer, position: number): Meaning {
  const record = recordAt(bytes, position)
  if (record === null) throw new CorruptMessageError('a control batch without a record', position)
  const decoded = decodeControlRecord(record)
  if (decoded.kind === 'leader-change') return LEADER
  if (decoded.kind === 'records-deleted') return DATA
  if (decoded.kind !== 'voters') throw new CorruptMessageError(`a control record of type ${decoded.type}`, position)
  if (decoded.context === null) throw new CorruptMessageError('a change of members that does not say which', position)
  try {
    return { kind: 'config', change: JSON.parse(Buffer.from(decoded.context).toString()) as ConfChange }
  } catch {
    throw new CorruptMessageError('a change of members that cannot be read', position)
  }
}

function recordAt(bytes: Buffer, position: number): LogRecord | null {
  try {
    return decodeBatchSync(bytes, position).next()
  } catch (error) {
    if (error instanceof CorruptMessageError || !isStratalogError(error)) throw error
    throw new CorruptMessageError(`a control batch that cannot be read: ${error.message}`, position)
  }
}

/**
 * Why the batch of one of the received entries is not what the entry says; null when all are.
 *
 * Their CRC is checked where bytes come in from the network (peer/message-codec.ts), not once more: it is a pass over
 * all that is replicated.
 */
export function entriesDefect(entries: readonly Entry<Buffer>[]): string | null {
  for (const entry of entries) {
    const defect = entryDefect(entry)
    if (defect !== null) return defect
  }
  return null
}

function entryDefect({ base, end, term, kind, data }: Entry<Buffer>): string | null {
  if (data === null || data.length < RECORD_BATCH_OVERHEAD_BYTES) return `the entry at ${base} has no batch`
  try {
    if (sizeOf(data, 0) !== data.length) return `the entry at ${base} is not one whole batch`
    if (baseOffsetOf(data, 0) !== base || lastOffsetOf(data, 0) + 1 !== end)
      return `the batch at ${base} has other offsets`
    if (leaderEpochOf(data, 0) !== term) return `the batch at ${base} has another leader epoch`
    const isOfKind = isControl(data, 0) ? meaningAt(data, 0).kind === kind : kind === 'data'
    return isOfKind ? null : `the batch at ${base} is of another kind`
  } catch (error) {
    if (error instanceof CorruptMessageError) return `the batch at ${base}: ${error.reason}`
    throw error
  }
}
