/** The port through which Raft messages reach other brokers. Messages may be lost, doubled and reordered on the way. */
import type { Message } from 'raft-ts'

/** Sends what a group's node wants sent; never waits, never throws. */
export interface PeerTransport {
  send(message: Message<Buffer>): void
}
