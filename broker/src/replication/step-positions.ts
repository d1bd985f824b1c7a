/**
 * Which positions of its log a node will round down to a batch boundary when it handles a message.
 *
 * The core asks its storage synchronously, and the storage knows the boundaries of old batches only once they were looked
 * up. An answer that is too coarse is not harmless everywhere: an append that replaces a tail, or the answer of a follower
 * that lags, would be refused as falling within an entry. Whatever a message makes the core ask for is listed here.
 */
import type { AppendMessage, Message, Position, RawNode } from 'raft-ts'
import type { RaftStorage } from './raft-storage.ts'

const NONE: readonly Position[] = []

/** The positions, none in the usual case; see the file's header. */
export function positionsAskedBy(
  message: Message<Buffer>,
  node: RawNode<Buffer>,
  storage: RaftStorage,
): readonly Position[] {
  switch (message.type) {
    case 'append':
      // In the usual case it goes on at the end. What is committed is never compared.
      return message.prev >= node.endPosition || message.prev < node.commit ? NONE : ofAppend(message, storage)
    case 'append-accepted':
      return message.end >= node.endPosition ? NONE : [message.end]
    case 'append-rejected':
      // Where the logs may agree, or the last boundary before what was rejected.
      return [message.hint, Math.max(0, Math.min(message.prev, node.endPosition) - 1)]
    case 'snapshot':
      return [message.snapshot.position]
    case 'vote-request':
    case 'pre-vote-request':
    case 'vote-response':
    case 'pre-vote-response':
      return message.commit > node.commit ? [message.commit] : NONE
    default:
      return NONE
  }
}

/** Where the follower would look for agreement, and where the first entry that it lacks begins. */
function ofAppend({ prev, entries }: AppendMessage<Buffer>, storage: RaftStorage): readonly Position[] {
  const end = storage.endPosition()
  const differing = entries.find((entry) => entry.end > end || storage.termAt(entry.end) !== entry.term)
  return differing === undefined ? [prev] : [prev, differing.base]
}
