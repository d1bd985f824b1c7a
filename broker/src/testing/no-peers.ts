/** The peer network of a broker that is alone. */
import { invariant, StratalogError } from '@stratalog/proto'
import type { PeerNetwork } from '../peer/peer-port.ts'
import { newPeerStats } from '../peer/peer-stats.ts'

/** Reaches nobody; a message to anybody fails the test. */
export function noPeers(): PeerNetwork {
  const nobody = async () => {
    throw new StratalogError('BROKER_NOT_AVAILABLE')
  }
  return {
    address: { host: '127.0.0.1', port: 9500 },
    stats: newPeerStats(),
    begin: () => undefined,
    announce: () => undefined,
    setPeers: () => undefined,
    send: () => invariant(false, 'a group of one voter has nobody to send to'),
    request: nobody,
    requestAt: nobody,
    news: () => undefined,
    isUp: () => false,
    close: async () => undefined,
  }
}
