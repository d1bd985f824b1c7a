import { createLogger } from '../../observability/logger.ts'
import { peersConformance } from '../../testing/peers-conformance.ts'
import { waitFor } from '../../testing/wire-client.ts'
import { TcpPeers } from './tcp-peers.ts'

const logger = createLogger({ level: 'silent', brokerId: 1 })

peersConformance('tcp', async () => ({
  create: (identity) => TcpPeers.start({ host: '127.0.0.1', port: 0, identity, logger, random: Math.random }),
  until: (what, holds) => waitFor(holds, what),
  passing: (promise) => promise,
  nowhere: { host: '127.0.0.1', port: 1 },
  cleanUp: async () => undefined,
}))
