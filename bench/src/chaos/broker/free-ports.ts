/** Ports that nobody listens on: found by listening on them for a moment, all at once so that they differ. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** That many of this host's loopback address. Another process may take one before it is used. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) {
    server.close()
    await once(server, 'close')
  }
  return ports
}
