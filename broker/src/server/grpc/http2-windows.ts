/**
 * Opens the HTTP/2 flow-control windows of a grpc-js server.
 *
 * grpc-js 1.14.7 leaves both windows of a server at 65,535 bytes, so that a produce stream would move 64 KiB per round
 * trip; it has no option for it (grpc-node PR 3058). This reaches into two of its fields, which is why the version is
 * pinned, why a missing field is an error at start, and why a test sends without waiting for window updates.
 */
import type { Http2Server, ServerHttp2Session } from 'node:http2'
import type { Server } from '@grpc/grpc-js'
import { invariant } from '@stratalog/proto'

/** What a client may send on one stream before the broker reads it. */
export const STREAM_WINDOW_BYTES: number = 4 * 1024 * 1024
/** What a client may send on all streams of a connection before the broker reads it. */
export const CONNECTION_WINDOW_BYTES: number = 16 * 1024 * 1024

interface ServerInternals {
  readonly commonServerOptions: { settings?: Record<string, unknown> }
  readonly http2Servers: Map<Http2Server, unknown>
}

/** Opens the windows of streams; before anything is bound. */
export function openStreamWindows(server: Server): void {
  const { commonServerOptions } = internalsOf(server)
  commonServerOptions.settings = { ...commonServerOptions.settings, initialWindowSize: STREAM_WINDOW_BYTES }
}

/** Opens the windows of connections to come; after the server's listeners were made. */
export function openConnectionWindows(server: Server): void {
  const { http2Servers } = internalsOf(server)
  invariant(http2Servers.size > 0, 'the server has no listener yet')
  for (const http2Server of http2Servers.keys()) {
    http2Server.on('session', (session: ServerHttp2Session) => {
      if (!session.destroyed) session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    })
  }
}

function internalsOf(server: Server): ServerInternals {
  const internals = server as unknown as ServerInternals
  invariant(
    typeof internals.commonServerOptions === 'object' && internals.http2Servers instanceof Map,
    'this version of grpc-js keeps its server options elsewhere: adapt http2-windows.ts',
  )
  return internals
}
