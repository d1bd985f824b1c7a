/** What the peer network has done since it started: counters for metrics and tests. */

/** Totals over all connections; they only grow. */
export interface PeerStats {
  framesSent: number
  /** Those of them that carry Raft messages. */
  raftFramesSent: number
  framesReceived: number
  bytesSent: number
  bytesReceived: number
  /** Raft messages. */
  messagesSent: number
  messagesReceived: number
  /** Messages that found no connection or no room; see PeerListener.onSendFailed. */
  messagesUnsent: number
  /** Messages of peers that must not replicate now. */
  messagesRefused: number
}

/** All zero. */
export function newPeerStats(): PeerStats {
  return {
    framesSent: 0,
    raftFramesSent: 0,
    framesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    messagesSent: 0,
    messagesReceived: 0,
    messagesUnsent: 0,
    messagesRefused: 0,
  }
}
