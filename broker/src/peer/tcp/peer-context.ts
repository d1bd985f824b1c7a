/** What the parts of the peer network share. */
import { ERRORS, type ErrorName } from '@stratalog/proto'
import type { Logger } from '../../observability/logger.ts'
import type { Clock } from '../../replication/tick-loop.ts'
import { type ChannelKind, type PeerFrame, PROTOCOL_VERSION } from '../frame-codec.ts'
import type { Refusal } from '../handshake.ts'
import type { PeerIdentity, PeerListener } from '../peer-port.ts'
import type { PeerStats } from '../peer-stats.ts'
import type { PeerLimits } from './peer-limits.ts'
import type { RefusalLog } from './refusal-log.ts'
import type { SocketFactory } from './socket-factory.ts'

/** One for each TcpPeers. */
export interface PeerContext {
  /** Asked for every handshake: the cluster may have been joined since. */
  readonly identity: () => PeerIdentity
  readonly listener: PeerListener
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly sockets: SocketFactory
  readonly limits: PeerLimits
  readonly stats: PeerStats
  readonly logger: Logger
  readonly refusals: RefusalLog
}

/** The first words of this broker. */
export function helloFrame(context: PeerContext, channel: ChannelKind | null): PeerFrame {
  return { kind: 'hello', hello: { protocolVersion: PROTOCOL_VERSION, channel, identity: context.identity() } }
}

/** The refusal in a frame of the other side; a code that this release does not know is that of any failed connection. */
export function refusalIn(frame: Extract<PeerFrame, { kind: 'refusal' }>): Refusal {
  const code = Object.hasOwn(ERRORS, frame.code) ? (frame.code as ErrorName) : 'BROKER_NOT_AVAILABLE'
  return { reason: `it refuses: ${frame.reason}`, code }
}
