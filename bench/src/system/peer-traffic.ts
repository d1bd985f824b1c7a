/**
 * What brokers have sent each other so far, from the kernel's counters of their TCP connections (`ss` of iproute2), so
 * that the brokers themselves need not count.
 *
 * A quiet connection carries one frame in one segment, as nothing waits to be sent; under load a segment holds many.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Sums over all connections between brokers, both directions. */
export interface PeerTraffic {
  readonly connectionCount: number
  /** TCP segments with data. */
  readonly dataSegments: number
  readonly bytes: number
}

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024
const LOCAL_COLUMN = 2
const REMOTE_COLUMN = 3

/** @returns null where there is no `ss`. */
export async function readPeerTraffic(peerPorts: readonly number[]): Promise<PeerTraffic | null> {
  try {
    const { stdout } = await promisify(execFile)('ss', ['-tinHO', 'state', 'established'], {
      maxBuffer: OUTPUT_BYTES_MAX,
    })
    return parsePeerTraffic(stdout, peerPorts)
  } catch {
    return null
  }
}

/** Of `ss -tinHO state established`, where each end of a connection on this machine has a line of its own. */
export function parsePeerTraffic(output: string, peerPorts: readonly number[]): PeerTraffic {
  let [connectionCount, dataSegments, bytes] = [0, 0, 0]
  for (const line of output.split('\n')) {
    const columns = line.trim().split(/\s+/)
    const [local, remote] = [portOf(columns[LOCAL_COLUMN]), portOf(columns[REMOTE_COLUMN])]
    const accepted = peerPorts.includes(local)
    if (!accepted && !peerPorts.includes(remote)) continue
    if (accepted) connectionCount++
    dataSegments += counter(line, 'data_segs_out')
    bytes += counter(line, 'bytes_sent')
  }
  return { connectionCount, dataSegments, bytes }
}

function portOf(address = ''): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}

function counter(line: string, name: string): number {
  return Number(new RegExp(`\\b${name}:(\\d+)`).exec(line)?.[1] ?? 0)
}
