/** Which field of the wire holds what of a Raft message: the sending half. See peer.proto, RaftMessage. */
import { invariant, stratalog } from '@stratalog/proto'
import type { Message, Snapshot } from 'raft-ts'

type Fields = stratalog.v1.RaftMessage.$Properties
const Type: typeof stratalog.v1.RaftMessageType = stratalog.v1.RaftMessageType

/** The fields of a message but for its group and the size of its payload. */
export function fieldsOf(message: Message<Buffer>): Fields {
  const { from, to, term } = message
  return { ...ownFieldsOf(message), from, to, term }
}

function ownFieldsOf(message: Message<Buffer>): Fields {
  switch (message.type) {
    case 'append': {
      const { prev, prevTerm: positionTerm, commit } = message
      return { type: Type.RAFT_MESSAGE_TYPE_APPEND, prev, positionTerm, commit }
    }
    case 'append-accepted':
      return { type: Type.RAFT_MESSAGE_TYPE_APPEND_ACCEPTED, end: message.end }
    case 'append-rejected': {
      const { prev, hint: end, hintTerm: positionTerm, unconfigured: flag } = message
      return { type: Type.RAFT_MESSAGE_TYPE_APPEND_REJECTED, prev, end, positionTerm, flag }
    }
    case 'stale-term':
      return { type: Type.RAFT_MESSAGE_TYPE_STALE_TERM }
    case 'heartbeat':
      return { type: Type.RAFT_MESSAGE_TYPE_HEARTBEAT, commit: message.commit, readRound: message.readRound }
    case 'heartbeat-response':
      return { type: Type.RAFT_MESSAGE_TYPE_HEARTBEAT_RESPONSE, readRound: message.readRound }
    case 'quiesce':
      return { type: Type.RAFT_MESSAGE_TYPE_QUIESCE, end: message.end, positionTerm: message.endTerm }
    case 'timeout-now':
      return { type: Type.RAFT_MESSAGE_TYPE_TIMEOUT_NOW }
    case 'transfer-request':
      return { type: Type.RAFT_MESSAGE_TYPE_TRANSFER_REQUEST, target: message.target }
    case 'snapshot': {
      const snapshot = snapshotFields(message.snapshot)
      return { type: Type.RAFT_MESSAGE_TYPE_SNAPSHOT, snapshot, hasPayload: message.snapshot.data !== null }
    }
    default:
      return rarerFieldsOf(message)
  }
}

type Rarer = Extract<
  Message<Buffer>,
  {
    type:
      | 'vote-request'
      | 'pre-vote-request'
      | 'vote-response'
      | 'pre-vote-response'
      | 'forward-proposal'
      | 'read-request'
      | 'read-response'
  }
>

function rarerFieldsOf(message: Rarer): Fields {
  switch (message.type) {
    case 'vote-request':
    case 'pre-vote-request': {
      const { lastEnd: end, lastTerm: positionTerm, commit, commitTerm, transfer: flag } = message
      const isVote = message.type === 'vote-request'
      const type = isVote ? Type.RAFT_MESSAGE_TYPE_VOTE_REQUEST : Type.RAFT_MESSAGE_TYPE_PRE_VOTE_REQUEST
      return { type, end, positionTerm, commit, commitTerm, flag }
    }
    case 'vote-response':
    case 'pre-vote-response': {
      const { commit, commitTerm, granted: flag } = message
      const isVote = message.type === 'vote-response'
      const type = isVote ? Type.RAFT_MESSAGE_TYPE_VOTE_RESPONSE : Type.RAFT_MESSAGE_TYPE_PRE_VOTE_RESPONSE
      return { type, commit, commitTerm, flag }
    }
    case 'forward-proposal': {
      const { length: proposalLength, bytes: proposalBytes, data, change } = message
      return {
        type: Type.RAFT_MESSAGE_TYPE_FORWARD_PROPOSAL,
        ...{ proposalLength, proposalBytes, hasPayload: data !== null },
        ...(change === null ? {} : { change: JSON.stringify(change) }),
      }
    }
    case 'read-request':
      return { type: Type.RAFT_MESSAGE_TYPE_READ_REQUEST, ...contextFields(message.context) }
    case 'read-response':
      return { type: Type.RAFT_MESSAGE_TYPE_READ_RESPONSE, end: message.position, ...contextFields(message.context) }
    default:
      return unknownType(message)
  }
}

function snapshotFields({ position, term, confPosition, confState }: Snapshot): stratalog.v1.RaftSnapshot.$Properties {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = confState
  return {
    ...{ position, term, confPosition, autoLeave },
    voters: [...voters],
    votersOutgoing: [...votersOutgoing],
    learners: [...learners],
    learnersNext: [...learnersNext],
  }
}

function contextFields(context: string | number): Fields {
  return typeof context === 'string' ? { contextText: context } : { contextNumber: context }
}

function unknownType(message: never): never {
  invariant(false, () => `no wire format for a message ${JSON.stringify(message)}`)
}
