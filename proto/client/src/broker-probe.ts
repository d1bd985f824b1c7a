/**
 * Finds out within a deadline whether a peer at an address speaks HTTP/2.
 *
 * grpc-js 1.14.7 has no connect timeout: towards a host that drops packets, or accepts and says nothing, its socket
 * can neither be closed nor be kept from holding the process open, and is left behind when the channel is closed
 * (grpc-node #2785; the test of the mute host shows it). So such hosts must never reach it: each new channel is
 * preceded by this probe, whose socket is ours to destroy. It costs two round trips per channel.
 */
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { abortError, onAbort } from './abort.ts'
import type { BrokerAddress } from './address.ts'

/** Resolves once the peer has sent its HTTP/2 settings. Rejects with the system's error, a timeout, or the abort. */
export function probeBroker(address: BrokerAddress, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const socket = connectTcp({ host: address.host, port: address.port, noDelay: true })
    const session = connectHttp2('http://probe', { createConnection: () => socket })
    let connected = false
    const finish = (error: Error | null): void => {
      clearTimeout(timer)
      stop()
      session.destroy()
      socket.destroy()
      if (error === null) resolve()
      else reject(error)
    }
    const timer = setTimeout(() => {
      const reason = connected
        ? 'it accepts connections but does not speak HTTP/2'
        : 'no answer to the connection attempt'
      finish(new Error(`${reason} within ${timeoutMs} ms`))
    }, timeoutMs)
    const stop = onAbort(signal, () => finish(abortError(signal)))
    socket.once('connect', () => {
      connected = true
    })
    socket.on('error', finish)
    session.on('error', finish)
    session.once('remoteSettings', () => finish(null))
    session.once('close', () => finish(new Error('the peer closed the connection')))
  })
}
