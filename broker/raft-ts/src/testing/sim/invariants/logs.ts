/**
 * Invariants of logs: what may stand in them, and what a node may claim about its own (Raft §5.3).
 */
import type { Entry } from '../../../core/entry.ts'
import type { Message } from '../../../core/messages.ts'
import type { PersistRequest } from '../../../core/ready.ts'
import type { Ledger } from '../ledger.ts'
import type { SimNode } from '../sim-node.ts'
import { hold } from '../violation.ts'

/**
 * Two logs that have an entry of one end and term are the same up to there. By induction it is enough that such an entry
 * is always the same one, over the same term before it.
 */
export function logMatching(ledger: Ledger, node: SimNode, entries: readonly Entry<number>[]): void {
  if (entries.length === 0) return
  const before = node.disk.written.termAt(entries[0]!.base)
  let prevTerm = typeof before === 'number' ? before : -1
  for (const entry of entries) {
    const known = ledger.known(entry.end, entry.term)
    if (known === undefined) {
      hold(entry.term >= prevTerm, 'log-matching', () => `${node.id}: term ${entry.term} follows ${prevTerm}`)
      ledger.note(entry, prevTerm)
    } else {
      hold(
        sameEntry(known.entry, entry) && known.prevTerm === prevTerm,
        'log-matching',
        () => `${node.id} has ${show(entry)} after term ${prevTerm}, elsewhere ${show(known.entry)}@${known.prevTerm}`,
      )
    }
    prevTerm = entry.term
  }
}

/** A node replaces nothing that it knows to be committed. */
export function committedIsKept(node: SimNode, request: PersistRequest<number>): void {
  const { truncateTo, snapshot, entries } = request
  if (truncateTo !== null) {
    hold(
      truncateTo >= node.commit,
      'committed-immutable',
      () => `${node.id} truncates to ${truncateTo} below its commit ${node.commit}`,
    )
  }
  if (entries.length > 0) {
    const base = entries[0]!.base
    const end = truncateTo ?? (snapshot === null ? node.writtenEnd : snapshot.position)
    hold(base === end, 'flushed-within-written', () => `${node.id} appends at ${base} to a log that ends at ${end}`)
  }
  if (snapshot !== null) {
    hold(
      snapshot.position >= node.commit,
      'committed-immutable',
      () => `${node.id} restores a snapshot at ${snapshot.position} below its commit ${node.commit}`,
    )
  }
}

/** A snapshot stands where the committed log stood, with its state. */
export function snapshotIsCommitted(ledger: Ledger, node: SimNode, request: PersistRequest<number>): void {
  const { snapshot } = request
  if (snapshot === null) return
  const point = ledger.committedAt(snapshot.position)
  hold(
    point !== undefined && point.term === snapshot.term && (snapshot.data === null || snapshot.data === point.hash),
    'state-machine-safety',
    () => `${node.id} restores ${snapshot.position}@${snapshot.term}, committed there is term ${point?.term}`,
  )
}

/** Nothing leaves a node that its disk could forget: no term, no accepted entry. */
export function promiseIsDurable(
  ledger: Ledger,
  node: SimNode,
  message: Message<number>,
  leader: SimNode | undefined,
): void {
  const { durable } = node.disk
  if (message.type === 'append-accepted' || message.type === 'append-rejected') {
    const term = durable.hardState?.term ?? 0
    hold(
      term >= message.term,
      'promise-durable',
      () => `${node.id} answers in term ${message.term}, its disk has ${term}`,
    )
  }
  if (message.type !== 'append-accepted') return
  const { end } = message
  hold(
    durable.endPosition() >= end,
    'promise-durable',
    () => `${node.id} accepts up to ${end}, its disk ends at ${durable.endPosition()}`,
  )
  if (leader === undefined || !leader.up || !leader.leads || leader.term !== message.term) return
  const own = durable.termAt(end)
  const theirs = leader.disk.written.termAt(end)
  if (typeof own !== 'number' || typeof theirs !== 'number') return
  hold(
    own === theirs,
    'promise-durable',
    () => `${node.id} accepts up to ${end}, where its disk has term ${own} and its leader term ${theirs}`,
  )
  hold(
    ledger.committedAt(end) !== undefined || durable.boundaryAtOrBelow(end) === end,
    'promise-durable',
    () => `${node.id} accepts up to ${end}, within an entry`,
  )
}

/** A leader sends from no earlier than what it knows to match, and knows of no more than it has. */
export function progressConsistent(node: SimNode): void {
  const { progress, endPosition } = node.raw!.status()
  for (const { id, match, next } of progress) {
    hold(
      match <= next && next <= endPosition,
      'progress-consistent',
      () => `${node.id} has ${id} at match ${match}, next ${next}, of ${endPosition}`,
    )
  }
}

/** What a node takes for durable is: flushed <= written, and the same. */
export function flushedWithinWritten(node: SimNode): void {
  const { persistedPosition, endPosition } = node.raw!.status()
  const { durable, written } = node.disk
  hold(
    persistedPosition <= endPosition && persistedPosition <= durable.endPosition(),
    'flushed-within-written',
    () =>
      `${node.id} takes ${persistedPosition} of ${endPosition} for durable, its disk ends at ${durable.endPosition()}`,
  )
  // Nothing of the log counts as durable while a snapshot that replaces it is being written.
  if (persistedPosition < Math.max(durable.startPosition(), written.startPosition())) return
  const flushed = durable.termAt(persistedPosition)
  const expected = written.termAt(persistedPosition)
  hold(
    flushed === expected,
    'flushed-within-written',
    () => `${node.id} takes ${persistedPosition}@${expected} for durable, its disk has term ${flushed} there`,
  )
}

/** A leader sends no more than the window allows, and no message above the size that was set. */
export function boundedWindow(node: SimNode, message: Message<number>, maxBytes: number): void {
  if (message.type !== 'append' || message.entries.length < 2) return
  let bytes = 0
  for (const entry of message.entries) bytes += entry.bytes
  hold(
    bytes <= maxBytes,
    'bounded-window',
    () => `${node.id} sends ${bytes} bytes in ${message.entries.length} entries, at most ${maxBytes} are allowed`,
  )
}

function sameEntry(a: Entry<number>, b: Entry<number>): boolean {
  return a === b || (a.base === b.base && a.kind === b.kind && a.data === b.data && a.bytes === b.bytes)
}

function show(entry: Entry<number>): string {
  return `${entry.kind} [${entry.base},${entry.end})@${entry.term} #${entry.data}`
}
