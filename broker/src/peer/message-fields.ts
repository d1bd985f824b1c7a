/** Which field of the wire holds what of a Raft message: the receiving half, which checks every number's range. */
import { stratalog } from '@stratalog/proto'
import {
  type AppendMessage,
  type ConfChange,
  type Entry,
  isNodeId,
  isPosition,
  isTerm,
  type Message,
  type NodeId,
  type Position,
  type ReadContext,
  type Snapshot,
  type Term,
} from 'raft-ts'
import { wellFormed } from './malformed-frame.ts'

/** A message as the generated decoder gives it: what equals its default may be missing. */
export type RaftFields = stratalog.v1.RaftMessage.$Properties
/** Reads the batches of an append. */
export type EntriesReader = (
  append: Pick<AppendMessage<Buffer>, 'prev' | 'prevTerm' | 'term'>,
  bytes: Buffer,
) => Entry<Buffer>[]

interface Envelope {
  readonly group: string
  readonly from: NodeId
  readonly to: NodeId
  readonly term: Term
}

const Type: typeof stratalog.v1.RaftMessageType = stratalog.v1.RaftMessageType
/** Nodes are int32, as Kafka's control records have them. */
const NODE_MAX = 0x7fff_ffff

/** The message. @param bytes its part of the payload. Errors: MalformedFrame. */
export function messageOf(fields: RaftFields, group: string, bytes: Buffer, entriesOf: EntriesReader): Message<Buffer> {
  const envelope = { group, from: node(fields.from), to: node(fields.to), term: term(fields.term) }
  switch (fields.type) {
    case Type.RAFT_MESSAGE_TYPE_APPEND: {
      const append = { ...envelope, prev: position(fields.prev), prevTerm: term(fields.positionTerm) }
      const commit = position(fields.commit)
      return { type: 'append', ...append, commit, entries: entriesOf(append, bytes) }
    }
    case Type.RAFT_MESSAGE_TYPE_SNAPSHOT:
      return { type: 'snapshot', ...envelope, snapshot: snapshotOf(fields, dataOf(fields, bytes)) }
    case Type.RAFT_MESSAGE_TYPE_FORWARD_PROPOSAL: {
      const sizes = { length: position(fields.proposalLength), bytes: position(fields.proposalBytes) }
      const change = changeOf(fields.change ?? null)
      return { type: 'forward-proposal', ...envelope, ...sizes, data: dataOf(fields, bytes), change }
    }
    default:
      wellFormed(bytes.length === 0, () => `a message of type ${fields.type} has a payload`)
      return bareMessageOf(fields, envelope)
  }
}

/** The types without payload. */
function bareMessageOf(fields: RaftFields, envelope: Envelope): Message<Buffer> {
  const { type, flag } = fields
  switch (type) {
    case Type.RAFT_MESSAGE_TYPE_APPEND_ACCEPTED:
      return { type: 'append-accepted', ...envelope, end: position(fields.end) }
    case Type.RAFT_MESSAGE_TYPE_APPEND_REJECTED: {
      const hint = { hint: position(fields.end), hintTerm: term(fields.positionTerm) }
      return { type: 'append-rejected', ...envelope, prev: position(fields.prev), ...hint, unconfigured: flag === true }
    }
    case Type.RAFT_MESSAGE_TYPE_STALE_TERM:
      return { type: 'stale-term', ...envelope }
    case Type.RAFT_MESSAGE_TYPE_HEARTBEAT: {
      const commit = position(fields.commit)
      return { type: 'heartbeat', ...envelope, commit, readRound: position(fields.readRound) }
    }
    case Type.RAFT_MESSAGE_TYPE_HEARTBEAT_RESPONSE:
      return { type: 'heartbeat-response', ...envelope, readRound: position(fields.readRound) }
    case Type.RAFT_MESSAGE_TYPE_QUIESCE:
      return { type: 'quiesce', ...envelope, end: position(fields.end), endTerm: term(fields.positionTerm) }
    case Type.RAFT_MESSAGE_TYPE_TIMEOUT_NOW:
      return { type: 'timeout-now', ...envelope }
    case Type.RAFT_MESSAGE_TYPE_TRANSFER_REQUEST:
      return { type: 'transfer-request', ...envelope, target: node(fields.target) }
    case Type.RAFT_MESSAGE_TYPE_READ_REQUEST:
      return { type: 'read-request', ...envelope, context: contextOf(fields) }
    case Type.RAFT_MESSAGE_TYPE_READ_RESPONSE:
      return { type: 'read-response', ...envelope, context: contextOf(fields), position: position(fields.end) }
    default:
      return voteOf(fields, envelope)
  }
}

function voteOf(fields: RaftFields, envelope: Envelope): Message<Buffer> {
  const commitNews = { commit: position(fields.commit), commitTerm: term(fields.commitTerm) }
  const flag = fields.flag === true
  switch (fields.type) {
    case Type.RAFT_MESSAGE_TYPE_VOTE_REQUEST:
    case Type.RAFT_MESSAGE_TYPE_PRE_VOTE_REQUEST: {
      const type = fields.type === Type.RAFT_MESSAGE_TYPE_VOTE_REQUEST ? 'vote-request' : 'pre-vote-request'
      const last = { lastEnd: position(fields.end), lastTerm: term(fields.positionTerm) }
      return { type, ...envelope, ...commitNews, ...last, transfer: flag }
    }
    case Type.RAFT_MESSAGE_TYPE_VOTE_RESPONSE:
    case Type.RAFT_MESSAGE_TYPE_PRE_VOTE_RESPONSE: {
      const type = fields.type === Type.RAFT_MESSAGE_TYPE_VOTE_RESPONSE ? 'vote-response' : 'pre-vote-response'
      return { type, ...envelope, ...commitNews, granted: flag }
    }
    default:
      wellFormed(false, () => `message type ${fields.type} is not known`)
  }
}

function snapshotOf({ snapshot }: RaftFields, data: Buffer | null): Snapshot<Buffer> {
  wellFormed(snapshot !== null && snapshot !== undefined, 'a snapshot message without a snapshot')
  const confState = {
    voters: nodes(snapshot.voters),
    votersOutgoing: nodes(snapshot.votersOutgoing),
    learners: nodes(snapshot.learners),
    learnersNext: nodes(snapshot.learnersNext),
    autoLeave: snapshot.autoLeave === true,
  }
  const { position: at, term: atTerm, confPosition } = snapshot
  return { position: position(at), term: term(atTerm), confState, confPosition: position(confPosition), data }
}

function dataOf(fields: RaftFields, bytes: Buffer): Buffer | null {
  if (fields.hasPayload === true) return bytes
  wellFormed(bytes.length === 0, 'a message without data has a payload')
  return null
}

/** Only that it is a change at all; the Raft core weighs what it asks for. */
function changeOf(text: string | null): ConfChange | null {
  if (text === null) return null
  let change: unknown
  try {
    change = JSON.parse(text)
  } catch {
    change = null
  }
  wellFormed(isConfChange(change), 'a change of membership that is none')
  return change
}

function isConfChange(value: unknown): value is ConfChange {
  return typeof value === 'object' && value !== null && 'transition' in value && 'steps' in value
}

function contextOf({ contextText, contextNumber }: RaftFields): ReadContext {
  const context = contextText ?? contextNumber ?? null
  wellFormed(context !== null, 'a read without a context')
  return context
}

function position(value: number | null | undefined): Position {
  const checked = value ?? 0
  wellFormed(isPosition(checked), () => `position ${checked}`)
  return checked
}

function term(value: number | null | undefined): Term {
  const checked = value ?? 0
  wellFormed(isTerm(checked), () => `term ${checked}`)
  return checked
}

function node(value: number | null | undefined): NodeId {
  const checked = value ?? 0
  wellFormed(isNodeId(checked) && checked <= NODE_MAX, () => `node ${checked}`)
  return checked
}

function nodes(values: readonly number[] | null | undefined): NodeId[] {
  return (values ?? []).map(node)
}
