/**
 * The history of a run: what clients did and saw, one event a line (NDJSON), each client's in the order of its clock.
 *
 * A value is (producer, partition, sequence): producers number their values by partition from 0, so that consecutive
 * sends, acknowledgements and reads are one event with a count. `at` is milliseconds of the host's monotonic clock,
 * the same for all processes. Invariant: an invocation is written before its call, an outcome after it: the interval
 * that the history gives an operation holds the real one, so what is out of order here was out of order.
 */

/** Values `first`, `first + 1`, ... (`count` of them) of a producer on a partition. */
interface Values {
  readonly at: number
  readonly producer: number
  readonly partition: number
  readonly first: number
  readonly count: number
}

/** They are about to be sent, in this order. */
export interface InvokeEvent extends Values {
  readonly kind: 'invoke'
}

/** They are acknowledged at consecutive offsets from `offset` (-1: the broker did not say where). */
export interface OkEvent extends Values {
  readonly kind: 'ok'
  readonly offset: number
  /** How many copies hold it: anything but `all` promises nothing here. */
  readonly acks: 'all' | 'leader'
  readonly durability: string
  /** Term of the leader that answered, if it was told. */
  readonly leader?: number
}

/** They were refused: none of them may ever be read. */
export interface FailEvent extends Values {
  readonly kind: 'fail'
  readonly error: string
}

/** Their outcome is unknown: each may be in the log once, or not. */
export interface InfoEvent extends Values {
  readonly kind: 'info'
  readonly error: string
}

/** `[offset, producer, first sequence, count]`: values at consecutive offsets. */
export type ValueRun = readonly [offset: number, producer: number, first: number, count: number]

/** One batch as a consumer got it. */
export interface PollEvent {
  readonly kind: 'poll'
  readonly at: number
  readonly consumer: number
  readonly partition: number
  /** Leader epoch of the batch. */
  readonly epoch: number
  /** Term of the leader that served it, if it was told. */
  readonly leader?: number
  readonly runs: readonly ValueRun[]
}

/** A record that holds no value of any producer for this partition. */
export interface StrangeEvent {
  readonly kind: 'strange'
  readonly at: number
  readonly consumer: number
  readonly partition: number
  readonly offset: number
  readonly reason: string
}

/** A consumer was refused an offset that it had come to by reading, or by a seek to where it had been. */
export interface RefusedEvent {
  readonly kind: 'refused'
  readonly at: number
  readonly consumer: number
  readonly partition: number
  readonly offset: number
  readonly reason: string
}

/** A consumer was assigned or sought: its next poll begins at `offset` (-1: wherever it does). */
export interface PlaceEvent {
  readonly kind: 'place'
  readonly at: number
  readonly consumer: number
  readonly partition: number
  readonly offset: number
}

/** A client is about to ask the leader where the partition ends. */
export interface AskEvent {
  readonly kind: 'ask'
  readonly at: number
  readonly asker: number
  readonly partition: number
}

/** The answer to the asker's last question on this partition. */
export interface BoundsEvent {
  readonly kind: 'bounds'
  readonly at: number
  readonly asker: number
  readonly partition: number
  /** Term of the leader that answered, if it was told: one that was replaced may know of less. */
  readonly epoch?: number
  readonly logStart: number
  readonly visibleEnd: number
  readonly highWatermark: number
}

/** Where the partition ends once all is healed and nobody writes. */
export interface FinalEvent {
  readonly kind: 'final'
  readonly at: number
  readonly partition: number
  readonly visibleEnd: number
  readonly highWatermark: number
}

/** A fault begins or ends. */
export interface FaultEvent {
  readonly kind: 'fault'
  readonly at: number
  readonly phase: 'begin' | 'end'
  /** Pairs begin and end. */
  readonly id: number
  readonly fault: string
  readonly detail: string
}

/** A client ended without a word; what it had under way is unknown. */
export interface CrashEvent {
  readonly kind: 'crash'
  readonly at: number
  readonly client: string
}

/** One line of a history. */
export type HistoryEvent =
  | InvokeEvent
  | OkEvent
  | FailEvent
  | InfoEvent
  | PollEvent
  | StrangeEvent
  | RefusedEvent
  | PlaceEvent
  | AskEvent
  | BoundsEvent
  | FinalEvent
  | FaultEvent
  | CrashEvent

/** A line that is no event. */
export class HistoryFormatError extends Error {
  override readonly name = 'HistoryFormatError'
}

const VALUES = ['producer', 'partition', 'first', 'count'] as const

/** What each kind's numbers are; all of them must be there. */
const NUMBERS: { readonly [Kind in HistoryEvent['kind']]: readonly string[] } = {
  invoke: VALUES,
  ok: [...VALUES, 'offset'],
  fail: VALUES,
  info: VALUES,
  poll: ['consumer', 'partition', 'epoch'],
  strange: ['consumer', 'partition', 'offset'],
  refused: ['consumer', 'partition', 'offset'],
  place: ['consumer', 'partition', 'offset'],
  ask: ['asker', 'partition'],
  bounds: ['asker', 'partition', 'logStart', 'visibleEnd', 'highWatermark'],
  final: ['partition', 'visibleEnd', 'highWatermark'],
  fault: ['id'],
  crash: [],
}

/** The event as a line, without its end. */
export function encodeEvent(event: HistoryEvent): string {
  return JSON.stringify(event)
}

/** Reads a line. Errors: HistoryFormatError. */
export function parseEvent(line: string): HistoryEvent {
  let event: Record<string, unknown>
  try {
    event = JSON.parse(line) as Record<string, unknown>
  } catch {
    throw new HistoryFormatError(`not JSON: ${line.slice(0, 200)}`)
  }
  const numbers = NUMBERS[event['kind'] as HistoryEvent['kind']]
  if (numbers === undefined) throw new HistoryFormatError(`unknown kind: ${line.slice(0, 200)}`)
  for (const name of ['at', ...numbers]) {
    if (typeof event[name] !== 'number') throw new HistoryFormatError(`${name} is missing: ${line.slice(0, 200)}`)
  }
  if (event['kind'] === 'poll' && !isRuns(event['runs'])) {
    throw new HistoryFormatError(`runs are wrong: ${line.slice(0, 200)}`)
  }
  return event as unknown as HistoryEvent
}

function isRuns(runs: unknown): boolean {
  return (
    Array.isArray(runs) &&
    runs.every((run) => Array.isArray(run) && run.length === 4 && run.every((part) => typeof part === 'number'))
  )
}
