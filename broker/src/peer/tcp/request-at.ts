/** One request to whoever listens at an address, on a connection of its own that ends with the answer. */
import { StratalogError } from '@stratalog/proto'
import { encodeFrame } from '../frame-codec.ts'
import type { PeerAddress, PeerAnswer } from '../peer-port.ts'
import { timedOut, unreachable } from '../request-errors.ts'
import { DialedConnection } from './dialed-connection.ts'
import type { PeerContext } from './peer-context.ts'

/** What is asked, of whom, and for how long the answer is waited for. */
export interface RequestAt {
  readonly address: PeerAddress
  readonly kind: string
  readonly body: Buffer
  readonly timeoutMs: number
}

/** @param onBegun gets the means to break the request off. Errors: see Peers.requestAt. */
export function requestAt(
  context: PeerContext,
  { address, kind, body, timeoutMs }: RequestAt,
  onBegun: (abort: () => void) => void,
): Promise<PeerAnswer> {
  const whom = `the broker at ${address.host}:${address.port}`
  return new Promise((resolve, reject) => {
    let error: StratalogError | null = null
    const connection = new DialedConnection(
      context,
      { address, channel: 'request', brokerId: null },
      {
        onReady: () => connection.send([encodeFrame({ kind: 'request', id: 1, request: kind, body })]),
        onAnswer: (frame) => {
          const peer = connection.peer
          if (frame.kind === 'error') error = frame.error
          else if (peer !== null) resolve({ body: frame.body, peer })
          connection.close('it has answered')
        },
        onClosed: (refusal) => {
          cancelTimeout()
          // After an answer this changes nothing.
          reject(error ?? unreachable(whom, refusal, address))
        },
      },
    )
    const cancelTimeout = context.clock.schedule(timeoutMs, () => {
      error = timedOut(whom, kind, timeoutMs)
      connection.close('it took too long')
    })
    onBegun(() => {
      error = new StratalogError('SHUTTING_DOWN', `this broker stops before ${whom} has answered`)
      connection.close('this broker stops')
    })
  })
}
