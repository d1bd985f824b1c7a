/**
 * Whom a broker talks to: the checks of a hello, the same on both sides of a connection. Pure.
 */
import type { ErrorName } from '@stratalog/proto'
import { type Hello, PROTOCOL_VERSION } from './frame-codec.ts'
import type { PeerIdentity } from './peer-port.ts'

/** Why a connection ends before it began. */
export interface Refusal {
  /** A sentence without a full stop, from the point of view of the side that refuses. */
  readonly reason: string
  readonly code: ErrorName
}

/** What a hello is checked against. */
export interface HelloExpectation {
  readonly own: PeerIdentity
  /** Whom this side meant to reach; null when it is up to the other side. */
  readonly brokerId: number | null
  /** See PeerListener.refusal. */
  readonly refusal: (peer: PeerIdentity) => string | null
}

/** @returns null when the connection may go on. */
export function refusalOf(hello: Hello, expected: HelloExpectation): Refusal | null {
  const { own } = expected
  const peer = hello.identity
  if (hello.protocolVersion !== PROTOCOL_VERSION) {
    const said = `peer protocol version ${hello.protocolVersion}`
    return unavailable(`${said} is not spoken here: broker ${own.brokerId} speaks ${PROTOCOL_VERSION}`)
  }
  if (peer.brokerId === own.brokerId) {
    return unavailable(
      peer.directoryId === own.directoryId
        ? `broker ${own.brokerId} is connected to itself: an address of another broker leads back here`
        : `two brokers have the id ${own.brokerId}: this one with directory ${own.directoryId}, the other with ${peer.directoryId}`,
    )
  }
  if (expected.brokerId !== null && peer.brokerId !== expected.brokerId) {
    return unavailable(`broker ${peer.brokerId} answers at the address of broker ${expected.brokerId}`)
  }
  if (peer.clusterId !== null && own.clusterId !== null && peer.clusterId !== own.clusterId) {
    const reason = `broker ${peer.brokerId} belongs to cluster ${peer.clusterId}, broker ${own.brokerId} to ${own.clusterId}`
    return { reason, code: 'INCONSISTENT_CLUSTER_ID' }
  }
  const reason = expected.refusal(peer)
  return reason === null ? null : unavailable(reason)
}

function unavailable(reason: string): Refusal {
  return { reason, code: 'BROKER_NOT_AVAILABLE' }
}
