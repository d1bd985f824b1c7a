/**
 * The port to the other brokers: Raft messages, requests and news, over connections that come and go.
 *
 * Messages and news may be lost when a connection breaks, and messages may be reordered between connections. A request
 * is answered or rejected, never both; when it is rejected for time or a broken connection, it may have taken effect.
 */
import type { Message } from 'raft-ts'
import type { PeerTransport } from '../replication/peer-transport.ts'
import type { PeerStats } from './peer-stats.ts'

/** Where a broker accepts connections of other brokers. */
export interface PeerAddress {
  readonly host: string
  readonly port: number
}

/** What a broker presents when it connects. */
export interface PeerIdentity {
  /** Null while it belongs to no cluster yet. */
  readonly clusterId: string | null
  readonly brokerId: number
  /** Names its data folder: a wiped one has another. */
  readonly directoryId: string
  /** Names of the folder's last runs, the present one last: an old copy of the folder does not know the run that was registered last. */
  readonly runs: readonly string[]
  /** Where in the metadata log this run is registered: a broker that has not read so far cannot judge it. Null before. */
  readonly registeredAt: number | null
  /** What it runs, such as 0.1.0. */
  readonly version: string
}

/** What peers bring. Called synchronously, must not throw unless said. */
export interface PeerListener {
  /** Whether this peer's Raft messages are taken now; asked for every frame. Requests are always taken. */
  mayReplicate(peer: PeerIdentity): boolean
  /** Why a peer is not talked to at all, in a sentence; null to go on. */
  refusal(peer: PeerIdentity): string | null
  onMessage(message: Message<Buffer>): void
  /** A message could not be sent: its queue was full, or its peer is not connected. Never from within `send`. */
  onSendFailed(message: Message<Buffer>): void
  /** Answers a request; a rejection with a StratalogError travels to the asker. */
  onRequest(kind: string, body: Buffer, from: PeerIdentity): Promise<Buffer>
  /** One-way news, in order per connection. */
  onNews(kind: string, body: Buffer, from: number): void
  /** A peer can be reached (again): both directions have shaken hands. */
  onPeerUp(peer: PeerIdentity): void
  /** A peer cannot be reached: its connection broke, or it has been silent for too long. */
  onPeerDown(brokerId: number): void
}

/** See the file's header. Owner: the broker; one per process. */
export interface Peers extends PeerTransport {
  /** Whom to stay connected with, by broker id; connections to others are closed. This broker itself is left out. */
  setPeers(peers: ReadonlyMap<number, PeerAddress>): void
  /** Asks a peer. Errors: BROKER_NOT_AVAILABLE, REQUEST_TIMED_OUT, and those of the peer. @param timeoutMs > 0. */
  request(brokerId: number, kind: string, body: Buffer, timeoutMs: number): Promise<Buffer>
  /** Asks whoever listens there, on a connection of its own. Errors: as {@link request}. */
  requestAt(address: PeerAddress, kind: string, body: Buffer, timeoutMs: number): Promise<PeerAnswer>
  /** Tells all peers that are up, or one. */
  news(kind: string, body: Buffer, to?: number): void
  isUp(brokerId: number): boolean
  close(): Promise<void>
}

/** An answer, and who gave it. */
export interface PeerAnswer {
  readonly body: Buffer
  readonly peer: PeerIdentity
}

/** A network with its beginning: how a broker's root holds it. */
export interface PeerNetwork extends Peers {
  /** Where this broker is reached by others. */
  readonly address: PeerAddress
  /** Totals since the start. */
  readonly stats: Readonly<PeerStats>
  /** Takes and opens connections from now on. Once; the other methods need it, but for {@link Peers.setPeers}. */
  begin(listener: PeerListener): void
  /** Presents this broker anew to all peers: it belongs to a cluster now. */
  announce(): void
}
