/** Raft messages of every type, random and well-formed, for tests of what carries them. */
import fc from 'fast-check'
import type { ConfChange, Entry, Message } from 'raft-ts'
import { entriesIn } from '../replication/entry-codec.ts'
import { groupKey } from '../replication/group-state-store.ts'
import { nodeOfReplica } from '../replication/raft-ids.ts'
import { dataBatch, leaderChangeBatch } from './batches.ts'

/** The brokers that messages are between. */
export interface MessageRoute {
  readonly from: number
  readonly to: number
}

/** An append of batches that follow one another from `prev` on; its entries carry their bytes. */
export function appendMessage(
  group: string,
  route: MessageRoute,
  batches: readonly Buffer[],
  fields: { readonly prev: number; readonly prevTerm?: number; readonly term: number; readonly commit?: number },
): Extract<Message<Buffer>, { type: 'append' }> {
  const { prev, prevTerm = fields.term, term, commit = 0 } = fields
  const entries = batches.flatMap((batch) => entriesIn(batch).map((entry) => withData(entry, batch)))
  return { type: 'append', group, ...nodesOf(route), term, prev, prevTerm, commit, entries }
}

/** A heartbeat of the group of a partition. */
export function heartbeat(group: string, route: MessageRoute, term = 1): Message<Buffer> {
  return { type: 'heartbeat', group, ...nodesOf(route), term, commit: 100, readRound: 0 }
}

/** Names the group of a partition of the topic with this number. */
export function groupOf(topic: number, partition: number): string {
  return groupKey(topic.toString(16).padStart(32, '0'), partition)
}

function nodesOf({ from, to }: MessageRoute): { from: number; to: number } {
  return { from: nodeOfReplica({ brokerId: from, generation: 0 }), to: nodeOfReplica({ brokerId: to, generation: 0 }) }
}

/** Entries as they are sent: every kind carries its batch. */
function withData(entry: Entry<Buffer>, batch: Buffer): Entry<Buffer> {
  return { ...entry, data: batch }
}

const position = fc.oneof(fc.nat(1000), fc.maxSafeNat())
const term = fc.oneof(fc.nat(100), fc.nat(0x7fff_ffff))
const flag = fc.boolean()
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each))
const node = fc.record({ brokerId: fc.nat(0xffff), generation: fc.nat(0x7fff) }).map(nodeOfReplica)
const context = fc.oneof(fc.string(), fc.double({ noNaN: true }))
/** Decoded messages are plain objects. */
const PLAIN = { noNullPrototype: true } as const
const stepKind = fc.constantFrom('add-voter', 'add-learner', 'remove', 'update')
const change: fc.Arbitrary<ConfChange> = fc.record(
  {
    transition: fc.constantFrom('auto', 'implicit', 'explicit'),
    steps: fc.array(fc.record({ kind: stepKind, id: node }, PLAIN)),
  },
  PLAIN,
)

/** One message of any type. @param route default: between any brokers. */
export function anyMessage(route?: MessageRoute): fc.Arbitrary<Message<Buffer>> {
  const replicaOn = (brokerId: number) => fc.nat(0x7fff).map((generation) => nodeOfReplica({ brokerId, generation }))
  const envelope = {
    group: fc.tuple(fc.integer({ min: 0, max: 4 }), fc.nat(0x7fff_ffff)).map(([topic, index]) => groupOf(topic, index)),
    from: route === undefined ? node : replicaOn(route.from),
    to: route === undefined ? node : replicaOn(route.to),
    term,
  }
  const votes = { ...envelope, commit: position, commitTerm: term }
  return fc.oneof(
    anyAppend(envelope),
    typed('append-accepted', { ...envelope, end: position }),
    typed('append-rejected', { ...envelope, prev: position, hint: position, hintTerm: term, unconfigured: flag }),
    typed('stale-term', envelope),
    typed('heartbeat', { ...envelope, commit: position, readRound: position }),
    typed('heartbeat-response', { ...envelope, readRound: position }),
    typed('quiesce', { ...envelope, end: position, endTerm: term }),
    typed('vote-request', { ...votes, lastEnd: position, lastTerm: term, transfer: flag }),
    typed('pre-vote-request', { ...votes, lastEnd: position, lastTerm: term, transfer: flag }),
    typed('vote-response', { ...votes, granted: flag }),
    typed('pre-vote-response', { ...votes, granted: flag }),
    typed('snapshot', { ...envelope, snapshot: anySnapshot() }),
    typed('timeout-now', envelope),
    typed('transfer-request', { ...envelope, target: node }),
    typed('forward-proposal', {
      ...{ ...envelope, length: position, bytes: position },
      ...{ data: fc.option(bytes), change: fc.option(change) },
    }),
    typed('read-request', { ...envelope, context }),
    typed('read-response', { ...envelope, context, position }),
  )
}

type Arbitraries<T> = { [K in keyof T]: fc.Arbitrary<T[K]> }
/** The message of a type, where one shape serves two types as well. */
type OfType<T, M = Message<Buffer>> = M extends { readonly type: infer U } ? (T extends U ? M : never) : never

function typed<T extends Message<Buffer>['type']>(
  type: T,
  fields: Arbitraries<Omit<OfType<T>, 'type'>>,
): fc.Arbitrary<Message<Buffer>> {
  return fc.record(fields).map((each) => ({ type, ...each }) as unknown as Message<Buffer>)
}

function anySnapshot() {
  const nodes = fc.array(node, { maxLength: 5 })
  const sets = { voters: nodes, votersOutgoing: nodes, learners: nodes, learnersNext: nodes }
  const confState = fc.record({ ...sets, autoLeave: flag }, PLAIN)
  return fc.record({ position, term, confState, confPosition: position, data: fc.option(bytes) }, PLAIN)
}

/** Batches of several terms, a leader's first one now and then. */
function anyAppend(envelope: Arbitraries<{ group: string; from: number; to: number; term: number }>) {
  const batch = fc.record({ newTerm: flag, recordCount: fc.integer({ min: 1, max: 3 }), valueBytes: fc.nat(200) })
  const shape = fc.record({
    ...{ prev: fc.nat(1_000_000), prevTerm: fc.integer({ min: 1, max: 9 }), commit: position, later: fc.nat(5) },
    batches: fc.array(batch, { maxLength: 6 }),
  })
  return fc
    .tuple(fc.record(envelope), shape)
    .map(([{ group, from, to }, { prev, prevTerm, commit, later, batches }]) => {
      const made: Buffer[] = []
      let end = prev
      let epoch = prevTerm
      for (const { newTerm, recordCount, valueBytes } of batches) {
        if (newTerm) epoch++
        made.push(
          newTerm ? leaderChangeBatch(end, epoch) : dataBatch({ baseOffset: end, epoch, recordCount, valueBytes }),
        )
        end += newTerm ? 1 : recordCount
      }
      const append = appendMessage(group, { from: 0, to: 0 }, made, { prev, prevTerm, term: epoch + later, commit })
      return { ...append, from, to } as Message<Buffer>
    })
}
