/** The sizes and times of the peer network, with their defaults. */
import { BATCH_BYTES_MAX } from '@stratalog/proto/records'
import type { FrameLimits } from './frame-reader.ts'

const KIB = 1024
const MIB = 1024 * KIB

/** See each field; all are checked against nothing here: whoever sets them knows why. */
export interface PeerLimits {
  /** After the handshake. A frame holds one batch of the largest size at least. */
  readonly frames: FrameLimits
  /** Before it: enough for a hello, too little to fill memory with. */
  readonly helloFrames: FrameLimits
  /** Bytes that wait for one connection; what comes on top is dropped unless nothing waits. */
  readonly queuedBytesMax: number
  /** A turn's messages are cut into frames of about this size, so that a receiver can begin before the last has come. */
  readonly framePayloadBytes: number
  /** Messages in a frame. */
  readonly frameMessagesMax: number
  /** Body of a request, of an answer, or of news. */
  readonly bodyBytesMax: number
  /** Requests of one peer that wait for an answer; more are refused with OVERLOADED. */
  readonly requestsMax: number
  /** Connections accepted at one time. */
  readonly connectionsMax: number
  readonly pingIntervalMs: number
  /** Silence on a control connection after which its peer is down. */
  readonly peerTimeoutMs: number
  /** Silence on a bulk connection, where an answer to a ping waits behind data. */
  readonly bulkTimeoutMs: number
  /** From the first packet to the end of the handshake. */
  readonly handshakeTimeoutMs: number
  readonly reconnectMinMs: number
  readonly reconnectMaxMs: number
}

/** Defaults. */
export const PEER_LIMITS: PeerLimits = {
  frames: { frameBytesMax: BATCH_BYTES_MAX + 16 * MIB, headerBytesMax: 8 * MIB },
  helloFrames: { frameBytesMax: 64 * KIB, headerBytesMax: 64 * KIB },
  queuedBytesMax: 32 * MIB,
  framePayloadBytes: MIB,
  frameMessagesMax: 20_000,
  bodyBytesMax: 64 * MIB,
  requestsMax: 1_000,
  connectionsMax: 1_000,
  pingIntervalMs: 200,
  peerTimeoutMs: 1_000,
  bulkTimeoutMs: 10_000,
  handshakeTimeoutMs: 3_000,
  reconnectMinMs: 50,
  reconnectMaxMs: 2_000,
}
