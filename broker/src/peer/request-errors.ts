/** How requests to peers fail: the same on every network. */
import { InvariantError, isStratalogError, StratalogError } from '@stratalog/proto'
import type { Refusal } from './handshake.ts'
import type { PeerAddress } from './peer-port.ts'

/** What a refused or failed connection is to whoever asked for something. */
export function unreachable(whom: string, { reason, code }: Refusal, address: PeerAddress | null): StratalogError {
  const metadata = address === null ? {} : { host: address.host, port: String(address.port) }
  return new StratalogError(code, `${whom} cannot be asked: ${reason}`, { metadata })
}

/** The error of a request whose answer did not come in time: it may have taken effect. */
export function timedOut(whom: string, kind: string, timeoutMs: number): StratalogError {
  return new StratalogError('REQUEST_TIMED_OUT', `${whom} did not answer ${kind} within ${timeoutMs} ms`, {
    hint: 'The request may have taken effect. Retry it; if this persists, look at that broker.',
    metadata: { timeoutMs: String(timeoutMs) },
  })
}

/** The error that travels for one that a request ended with. What broke an invariant is thrown on. */
export function errorToSend(error: unknown, request: string): StratalogError {
  if (error instanceof InvariantError) throw error
  if (isStratalogError(error)) return error
  const text = error instanceof Error ? error.message : String(error)
  return new StratalogError('UNKNOWN_SERVER_ERROR', `${request} failed: ${text}`)
}
