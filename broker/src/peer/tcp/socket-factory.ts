/**
 * Where the peer network's sockets come from: plain TCP here; TLS is another factory of the same shape.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { PeerAddress } from '../peer-port.ts'

/** Makes sockets that carry bytes in order, whatever lies beneath. */
export interface SocketFactory {
  /** A server, not yet listening; `accept` gets sockets that are ready for bytes. */
  createServer(accept: (socket: Socket) => void): Server
  /** A socket to somebody; `onReady` is called once when bytes may be written. Failure is its `error` event. */
  connect(address: PeerAddress, onReady: () => void): Socket
}

/** Sockets without encryption. */
export const PLAIN_SOCKETS: SocketFactory = {
  createServer: (accept) => createServer({ noDelay: true }, accept),
  connect: ({ host, port }, onReady) => connect({ host, port, noDelay: true }, onReady),
}
