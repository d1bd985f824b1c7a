/**
 * Frames: what brokers exchange, as bytes.
 *
 * ```
 *  uint32  bytes that follow: 4 + header + payload
 *  uint32  bytes of the header
 *  header  stratalog.v1.PeerFrame, protobuf
 *  payload batches of the messages, or the body of a request, an answer or news
 * ```
 * Pure: bytes in, bytes out; sockets and their limits are in tcp/. The payload is never copied.
 */
import {
  type ErrorDetailProperties,
  fromErrorDetail,
  InvariantError,
  invariant,
  type StratalogError,
  stratalog,
  toErrorDetail,
} from '@stratalog/proto'
import type { Message } from 'raft-ts'
import { BROKER_ID_MAX } from '../replication/raft-ids.ts'
import { MalformedFrame, wellFormed } from './malformed-frame.ts'
import { decodeMessages, encodeMessages } from './message-codec.ts'
import type { PeerIdentity } from './peer-port.ts'

/** The version of the protocol that this release speaks. */
export const PROTOCOL_VERSION = 1
/** In front of every header. */
export const FRAME_PREFIX_BYTES = 8

/** What a connection is for. */
export type ChannelKind = 'control' | 'bulk' | 'request'

/** First words on a connection; `channel` is null from the side that accepted it. */
export interface Hello {
  readonly protocolVersion: number
  readonly channel: ChannelKind | null
  readonly identity: PeerIdentity
}

/** What a frame says. */
export type PeerFrame =
  | { readonly kind: 'hello'; readonly hello: Hello }
  /** `code` names the error that it amounts to; empty for none in particular. */
  | { readonly kind: 'refusal'; readonly reason: string; readonly code: string }
  | { readonly kind: 'raft'; readonly messages: readonly Message<Buffer>[] }
  | { readonly kind: 'request'; readonly id: number; readonly request: string; readonly body: Buffer }
  | { readonly kind: 'answer'; readonly id: number; readonly body: Buffer }
  | { readonly kind: 'error'; readonly id: number; readonly error: StratalogError }
  | { readonly kind: 'news'; readonly news: string; readonly body: Buffer }
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong' }

/** A frame as bytes: `head` is prefix and header; `payload` are the Buffers that were given. */
export interface EncodedFrame {
  readonly head: Buffer
  readonly payload: readonly Buffer[]
  readonly sizeBytes: number
}

/** What {@link decodeFrame} finds. */
export type DecodedFrame =
  | { readonly kind: 'frame'; readonly frame: PeerFrame }
  /** A clause for the log: what is wrong with the bytes. */
  | { readonly kind: 'malformed'; readonly reason: string }

type Header = stratalog.v1.PeerFrame.$Properties

/** The bytes of a frame. The Buffers in it must not change until they are sent. */
export function encodeFrame(frame: PeerFrame): EncodedFrame {
  const { header, payload } = partsOf(frame)
  const bytes = stratalog.v1.PeerFrame.encode(header).finish()
  let payloadBytes = 0
  for (const chunk of payload) payloadBytes += chunk.length
  const head = Buffer.allocUnsafe(FRAME_PREFIX_BYTES + bytes.length)
  const lengthBytes = 4 + bytes.length + payloadBytes
  invariant(lengthBytes <= 0xffff_ffff, 'a frame fits its length field')
  head.writeUInt32BE(lengthBytes, 0)
  head.writeUInt32BE(bytes.length, 4)
  head.set(bytes, FRAME_PREFIX_BYTES)
  return { head, payload, sizeBytes: head.length + payloadBytes }
}

/** The frame of a header and a payload; Buffers in it are views. Never throws for what the bytes are. */
export function decodeFrame(header: Buffer, payload: Buffer): DecodedFrame {
  try {
    return { kind: 'frame', frame: frameOf(stratalog.v1.PeerFrame.decode(header), payload) }
  } catch (error) {
    if (error instanceof InvariantError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    return { kind: 'malformed', reason: error instanceof MalformedFrame ? reason : `its header is damaged: ${reason}` }
  }
}

interface FrameParts {
  readonly header: Header
  readonly payload: readonly Buffer[]
}

const NO_PAYLOAD: readonly Buffer[] = []

function partsOf(frame: PeerFrame): FrameParts {
  switch (frame.kind) {
    case 'hello':
      return { header: { hello: helloFields(frame.hello) }, payload: NO_PAYLOAD }
    case 'refusal':
      return { header: { refusal: { reason: frame.reason, code: frame.code } }, payload: NO_PAYLOAD }
    case 'raft': {
      const { fields, payload } = encodeMessages(frame.messages)
      return { header: { raft: { messages: fields } }, payload }
    }
    case 'request':
      return { header: { request: { id: frame.id, kind: frame.request } }, payload: bodyOf(frame) }
    case 'answer':
      return { header: { response: { id: frame.id } }, payload: bodyOf(frame) }
    case 'error':
      return { header: { response: { id: frame.id, error: toErrorDetail(frame.error) } }, payload: NO_PAYLOAD }
    case 'news':
      return { header: { news: { kind: frame.news } }, payload: bodyOf(frame) }
    case 'ping':
      return { header: { ping: {} }, payload: NO_PAYLOAD }
    case 'pong':
      return { header: { pong: {} }, payload: NO_PAYLOAD }
    default:
      return unknownKind(frame)
  }
}

function bodyOf({ body }: { readonly body: Buffer }): readonly Buffer[] {
  return body.length === 0 ? NO_PAYLOAD : [body]
}

function frameOf(header: Header, payload: Buffer): PeerFrame {
  const { raft, request, response, news } = header
  if (raft) return { kind: 'raft', messages: decodeMessages(raft.messages ?? [], payload) }
  if (request) return { kind: 'request', id: request.id ?? 0, request: request.kind ?? '', body: payload }
  if (response?.error) {
    wellFormed(payload.length === 0, 'an error with a payload')
    return { kind: 'error', id: response.id ?? 0, error: errorOf(response.error) }
  }
  if (response) return { kind: 'answer', id: response.id ?? 0, body: payload }
  if (news) return { kind: 'news', news: news.kind ?? '', body: payload }
  wellFormed(payload.length === 0, () => `${payload.length} bytes of payload in a frame without`)
  return bareFrameOf(header)
}

function bareFrameOf({ hello, refusal, ping, pong }: Header): PeerFrame {
  if (ping) return { kind: 'ping' }
  if (pong) return { kind: 'pong' }
  if (hello) return { kind: 'hello', hello: helloOf(hello) }
  wellFormed(refusal !== null && refusal !== undefined, 'a header that says nothing')
  return { kind: 'refusal', reason: refusal.reason ?? '', code: refusal.code ?? '' }
}

const CHANNELS: readonly (readonly [ChannelKind, stratalog.v1.PeerChannel])[] = [
  ['control', stratalog.v1.PeerChannel.PEER_CHANNEL_CONTROL],
  ['bulk', stratalog.v1.PeerChannel.PEER_CHANNEL_BULK],
  ['request', stratalog.v1.PeerChannel.PEER_CHANNEL_REQUEST],
]

function helloFields({ protocolVersion, channel, identity }: Hello): stratalog.v1.PeerHello.$Properties {
  const { clusterId, brokerId, directoryId, runs, registeredAt, version } = identity
  const channelNumber = CHANNELS.find(([name]) => name === channel)?.[1] ?? 0
  return {
    ...{ protocolVersion, channel: channelNumber, clusterId: clusterId ?? '' },
    ...{ brokerId, directoryId, version },
    runs: [...runs],
    registeredAt: registeredAt ?? 0,
  }
}

/** Of a hello in an unknown version only the version is read: the rest may mean something else. */
function helloOf(fields: stratalog.v1.PeerHello.$Properties): Hello {
  const protocolVersion = fields.protocolVersion ?? 0
  const brokerId = fields.brokerId ?? 0
  const runs = fields.runs ?? []
  const registeredAt = fields.registeredAt ?? 0
  if (protocolVersion === PROTOCOL_VERSION) {
    wellFormed(Number.isSafeInteger(registeredAt) && registeredAt >= 0, () => `registered at ${registeredAt}`)
    wellFormed(brokerId <= BROKER_ID_MAX, () => `broker id ${brokerId}`)
    wellFormed(runs.length > 0, () => 'no runs')
  }
  const { clusterId, directoryId, version } = fields
  return {
    protocolVersion,
    channel: CHANNELS.find(([, number]) => number === fields.channel)?.[0] ?? null,
    identity: {
      clusterId: clusterId ? clusterId : null,
      brokerId,
      directoryId: directoryId ?? '',
      runs: [...runs],
      registeredAt: registeredAt === 0 ? null : registeredAt,
      version: version ?? '',
    },
  }
}

function errorOf(detail: ErrorDetailProperties): StratalogError {
  return fromErrorDetail(detail)
}

function unknownKind(frame: never): never {
  invariant(false, () => `no wire format for a frame ${JSON.stringify(frame)}`)
}
