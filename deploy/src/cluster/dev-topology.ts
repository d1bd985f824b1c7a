/**
 * Who is who in a local cluster: ports, controllers, and how each broker finds the others.
 */
import { createServer } from 'node:net'

/** Distance between the port for clients and the one for other brokers. */
const PEER_PORT_OFFSET = 100
/** Brokers that hold the metadata in a cluster of this size and above. */
const CONTROLLER_COUNT = 3

/** One broker of a local cluster. */
export interface DevBroker {
  readonly brokerId: number
  /** Port for clients; 0 = a free one. */
  readonly port: number
  /** The settings of docs/config.md that make it part of the cluster. */
  readonly settings: Readonly<Record<string, string>>
}

/** What a local cluster is to be. */
export interface DevTopologyOptions {
  /** 1 or more. */
  readonly brokerCount: number
  /** Port of the first broker; 0 = free ones. */
  readonly basePort: number
  readonly host: string
}

/** Plans the brokers 1..n. Fewer than three have one controller, as two would stop when either does. */
export async function planDevCluster({ brokerCount, basePort, host }: DevTopologyOptions): Promise<DevBroker[]> {
  const ids = Array.from({ length: brokerCount }, (_, index) => index + 1)
  const controllerIds = ids.slice(0, brokerCount < CONTROLLER_COUNT ? 1 : CONTROLLER_COUNT)
  const peerPorts =
    basePort === 0 ? await freePorts(host, brokerCount) : ids.map((id) => basePort + PEER_PORT_OFFSET + id - 1)
  const peerAddress = (id: number) => `${host}:${peerPorts[id - 1]}`
  const controllers = controllerIds.map((id) => `${id}@${peerAddress(id)}`).join(',')
  return ids.map((brokerId) => ({
    brokerId,
    port: basePort === 0 ? 0 : basePort + brokerId - 1,
    settings: {
      'peer.listen': peerAddress(brokerId),
      ...(controllerIds.includes(brokerId) ? { controllers } : { join: controllerIds.map(peerAddress).join(',') }),
    },
  }))
}

/** Ports that are free now. Another process may take one before it is used; then that broker says so. */
async function freePorts(host: string, count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(host)))
  const ports = servers.map((server) => {
    const address = server.address()
    return address !== null && typeof address === 'object' ? address.port : 0
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function listen(host: string): Promise<ReturnType<typeof createServer>> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, host, () => resolve(server))
  })
}
